"""What is configured to be read of Google: datasets that are added or removed, months cut short."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.marts import status
from scripts.sandbox.gcp.schema import STANDARD
from tests.gcp.test_gcp_checks import offending
from tests.gcp.test_gcp_switch import MOVED_TABLE, World, world
from tests.support.providers.gcp_cases import each_day, used
from tests.support.providers.gcp_days import STANDARD_TABLE, table_of
from tests.support.published_clickhouse import compute_marts, query

__all__ = ["world"]

OTHER_TABLE = MOVED_TABLE.replace("01A2B3_C4D5E6_F70819", "0F0F0F_1A1A1A_2B2B2B")
OTHER = "0F0F0F-1A1A1A-2B2B2B"


def offer_other(world: World, first: str, last: str) -> None:
    """Another billing account, three dollars a day, in a dataset of its own."""
    rows = [used(day, 3.0, billing_account_id=OTHER) for day in each_day(first, last)]
    world.server.load(OTHER_TABLE, table_of(rows))


def configure(world: World, *datasets: str) -> None:
    names = ", ".join(f'"example-billing.{name}"' for name in datasets)
    world.commands.set({"SOURCES__GCP__DATASETS": f"[{names}]"})


def rows_of(world: World, mart: str, columns: str) -> list[Any]:
    if world.config:
        compute_marts(world.config)
        return query(world.config, f"select {columns} from {mart} order by 1")
    found = [
        row
        for path in world.commands.data.glob(f"marts/{mart}/*.parquet")
        for row in pq.read_table(path, columns=columns.split(", ")).to_pylist()
    ]
    return sorted(tuple(row.values()) for row in found)


def states(world: World) -> set[str]:
    """What `status` says of the days."""
    place = SOURCES["gcp"].raw_table
    if world.config:
        with Warehouse(world.config) as warehouse:
            return {row.state for row in status.rows(place, warehouse)}
    return {row.state for row in status.rows(place, configured_store())}


@pytest.mark.thorough
def test_a_dataset_that_is_added_later_gets_its_whole_history(world: World) -> None:
    world.standard("2026-11-03", first="2026-10-30")
    offer_other(world, "2026-10-20", "2026-11-03")
    configure(world, "billing_export")
    world.load()
    configure(world, "billing_export", "moved")
    named = {tuple(row[1:3]) for row in offending(world.commands)["unfinished_partitions"]}
    assert ("2026-10-30", "example-billing.moved") in named
    world.load()
    assert world.months() == {"2026-10": 56.0, "2026-11": 39.0}
    assert "unfinished_partitions" not in offending(world.commands)
    assert " 0 loaded" in world.load()


@pytest.mark.thorough
def test_of_what_was_there_before_nothing_older_is_read_with_what_is_added(world: World) -> None:
    world.standard("2026-11-03", first="2026-10-28")
    offer_other(world, "2026-10-29", "2026-11-03")
    configure(world, "billing_export")
    world.load("--from", "2026-10-30")
    configure(world, "billing_export", "moved")
    world.load()
    assert world.months() == {"2026-10": 29.0, "2026-11": 39.0}


@pytest.mark.thorough
def test_a_dataset_that_is_removed_keeps_what_is_published_and_is_named(world: World) -> None:
    world.standard("2026-11-07", first="2026-10-30")
    offer_other(world, "2026-11-01", "2026-11-07")
    configure(world, "billing_export", "moved")
    world.load()
    before = world.months()
    configure(world, "billing_export")
    world.load()
    assert "gcp: example-billing.moved not configured any more" in world.said
    world.load("--force")
    assert world.months() == before == {"2026-10": 20.0, "2026-11": 91.0}
    kept = "example-billing.moved kept but not configured"
    assert all(state.endswith(kept) for state in states(world))
    configure(world, "billing_export", "moved")
    world.load()
    assert world.months() == before


@pytest.mark.thorough
def test_a_month_that_from_cut_is_partial_wherever_it_is_shown(world: World) -> None:
    world.standard("2026-11-03", first="2026-10-01")
    configure(world, "billing_export")
    world.load("--from", "2026-10-29")
    if not world.config:
        world.commands.well("normalize", marts=True)
    assert rows_of(world, "partial_months", "month, source, days_before, days_missing") == [
        (date(2026, 10, 1), "gcp", 28, 28)
    ]
    shown = [(date(2026, 10, 1), 1), (date(2026, 11, 1), 0)]
    assert rows_of(world, "cost_overview", "month, is_partial") == shown
    assert sorted(set(rows_of(world, "cost_movers", "month, is_partial"))) == shown


@pytest.mark.thorough
def test_a_month_that_prune_left_late_lines_of_is_partial(world: World) -> None:
    """A line of October that Google exported in November stays when October is pruned."""
    given = [used(day, 10.0) for day in each_day("2026-10-30", "2026-11-03")]
    late = used(date(2026, 10, 31), 1.0, exported=given[-1]["export_time"])
    world.server.load(STANDARD_TABLE, table_of([*given, late], STANDARD))
    configure(world, "billing_export")
    world.load()
    today = datetime.now(UTC)
    count = (today.year - 2026) * 12 + today.month - 10  # down to November 2026
    world.commands.well(f"prune gcp --keep {count} months --yes")
    if not world.config:
        world.commands.well("normalize", marts=True)
    assert rows_of(world, "partial_months", "month, read_from, days_before, days_missing") == [
        (date(2026, 10, 1), date(2026, 11, 1), 31, 30)
    ]


@pytest.mark.thorough
@pytest.mark.parametrize("first", ["2026-10-01", "2026-10-02"])
def test_a_new_export_that_google_filled_back_is_whole_where_every_day_has_lines(
    world: World, first: str
) -> None:
    exported = used(date(2026, 10, 20), 1.0)["export_time"]
    rows = [used(day, 10.0, exported=exported) for day in each_day(first, "2026-10-20")]
    world.server.load(STANDARD_TABLE, table_of(rows, STANDARD))
    configure(world, "billing_export")
    world.load()
    if not world.config:
        world.commands.well("normalize", marts=True)
    expected = [] if first == "2026-10-01" else [(date(2026, 10, 1), 19, 1)]
    assert rows_of(world, "partial_months", "month, days_before, days_missing") == expected

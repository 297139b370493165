"""kill -9 of a load and a normalise of FOCUS files, on both destinations, and readers meanwhile.

The framework's own kill tests take every step of AWS months; here are the steps that are this
source's: a restated run of Azure's with files of another version and more columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.aws.targets import FolderTarget
from scripts.sandbox.focus.deliveries import azure
from scripts.sandbox.focus.rows import azure as line
from scripts.sandbox.focus.rows import azure_preview
from tests.support import published_clickhouse as there
from tests.support.clickhouse.databases import Template
from tests.support.kill.harness import Harness
from tests.support.kill.points import THOROUGH, of_tables, of_tier
from tests.support.kill.worlds import (
    Files,
    Tables,
    both_end_as_if_undisturbed,
    end_as_if_undisturbed,
    seen_whole,
)
from tests.support.published import published

OLD = {"2026-09@main": [1.0, 2.0], "2026-10@main": [4.0, 8.0]}
#: A month is restated in another version, one stays, one is new.
NEW = {"2026-10@main": [16.0, 32.0, 64.0], "2026-11@main": [128.0]}
AFTER = OLD | NEW
SECOND = "9b8a7c6d-0000-4000-8000-000000000002"


def deliver(target: FolderTarget, is_new: bool) -> None:
    """The old months in the preview's columns, or the new ones in 1.0's."""
    for key, costs in (NEW if is_new else OLD).items():
        month, kind = key[:7], line if is_new else azure_preview
        rows = [kind(month, day, cost) for day, cost in enumerate(costs, 1)]
        run = {"run": SECOND, "at": datetime(2026, 11, 9, tzinfo=UTC)} if is_new else {
            "at": datetime(2026, 11, 2, tzinfo=UTC)}  # fmt: skip
        azure(target, month, rows, **run)


def billed(data: Path) -> dict[str, list[float]]:
    """Published cost by partition, sorted, as one who globs the mart's folder reads it."""
    return {
        path.name.removeprefix("focus-").removesuffix(".parquet"): sorted(
            pq.ParquetFile(path).read(["billed_cost"])["billed_cost"].to_pylist()
        )
        for path in (data / "marts" / "costs").glob("focus-*.parquet")
    }


@THOROUGH
def test_a_killed_run_ends_as_if_undisturbed_when_it_is_run_again(
    harness: Harness, tmp_path: Path, tier: str
) -> None:
    target = FolderTarget(tmp_path / "exports")
    deliver(target, is_new=False)
    variables = {"SOURCES__FOCUS__BUCKET_URL": target.root.as_uri()}
    world = Files(harness, tmp_path, variables, ["focus"])
    world.well("load", "normalize --no-marts")
    deliver(target, is_new=True)
    both_end_as_if_undisturbed(
        world,
        tier,
        partial(published, world.data, "focus"),
        lambda step: seen_whole(billed(world.data), OLD, AFTER, step),
        "normalize --no-marts",
    )
    assert billed(world.data) == AFTER


# On ClickHouse.


@pytest.fixture
def tables(
    clickhouse_server: ClickHouseConfig,
    clickhouse_template: Template,
    harness: Harness,
    tmp_path: Path,
) -> Iterator[Tables]:
    """Two published months, one of which was restated since."""
    target = FolderTarget(tmp_path / "exports")
    deliver(target, is_new=False)
    variables = {"SOURCES__FOCUS__BUCKET_URL": target.root.as_uri()}
    made = Tables(harness, tmp_path, clickhouse_server, variables, ["focus"], clickhouse_template)
    made.well("load")
    deliver(target, is_new=True)
    made.keep()
    yield made
    made.close()


@THOROUGH
def test_a_load_killed_at_a_statement_ends_as_if_undisturbed(tables: Tables, tier: str) -> None:
    ours = ("focus__cost_and_usage", "normalized_focus")
    old, new = ({key: sum(costs) for key, costs in each.items()} for each in (OLD, AFTER))
    assert there.totals(tables.database) == old
    points = of_tables(tables.points("load"), "all")
    assert there.totals(tables.database) == new
    assert len(points) > 15
    end_as_if_undisturbed(
        tables,
        "load",
        of_tier(points, tier, quick=1, thorough=4),
        ["load"],
        partial(there.published, tables.database, *ours),
        lambda step: seen_whole(there.totals(tables.database), old, new, step),
    )

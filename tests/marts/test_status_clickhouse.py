"""`status` on ClickHouse: what it says of each partition, and that parquet says the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.marts.status import Row, rows
from scripts.sandbox.aws.delivery import Delivered
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import environ, query
from tests.support.world import World

RAW_TABLE = SOURCES["aws"].raw_table
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def parquet_rows() -> list[Row]:
    """What status says of the filesystem, but for when it was loaded."""
    return [replace(row, loaded_at=NEVER) for row in rows(RAW_TABLE, configured_store())]


def clickhouse_rows(world: World) -> list[Row]:
    """The same of ClickHouse."""
    with Warehouse(world.database) as warehouse:
        found = rows(RAW_TABLE, warehouse)
    now = datetime.now(UTC)
    assert all(timedelta() <= now - row.loaded_at < timedelta(minutes=10) for row in found)
    return [replace(row, loaded_at=NEVER) for row in found]


def deliver(
    world: World, period: str, costs: list[float], at: datetime = NOON, **columns: Any
) -> Delivered:
    """Two files, with the same values in some columns of every line."""
    made = [line | columns for line in lines(period, costs)]
    return world.deliver_rows(period, made, files=2, delivered_at=at)


def size(world: World, period: str) -> int:
    """Bytes of the raw files."""
    return sum(path.stat().st_size for path in world.commands.raw(period).glob("*.parquet"))


@pytest.fixture
def world(aws_bucket: FolderBucket, clickhouse: ClickHouseConfig, commands: Commands) -> World:
    commands.set(environ(clickhouse, aws_bucket.root))
    return World(aws_bucket, clickhouse, commands)


def row(
    world: World, period: str, count: int, billed: float | None, restated: int = 0, **other: Any
) -> Row:
    made = Row(
        partition=period,
        rows=count,
        billed=billed,
        effective=billed,
        currency="USD",
        files=2,
        bytes=size(world, period),
        delivered_at=NOON,
        loaded_at=NEVER,
        restated=restated,
        state="current",
    )
    return replace(made, **other)


@pytest.mark.thorough
def test_one_history_reads_the_same_on_both_destinations(world: World) -> None:
    later = NOON + timedelta(days=1)
    deliver(world, "2026-07", [7.0, 0.5])
    deliver(world, "2026-08", [8.0])
    deliver(world, "2026-09", [9.0])
    world.both()
    deliver(world, "2026-08", [8.0, 0.8], later)
    deliver(world, "2026-09", [0.9], later)
    world.both()
    deliver(world, "2026-08", [80.0], later + timedelta(hours=1))
    deliver(world, "2026-09", [], later + timedelta(hours=1))
    deliver(world, "2026-10", [1.0, 2.0], line_item_operation="ECSTask-EC2")
    world.both()
    world.commands("load", "--force")
    expected = [
        row(world, "2026-07", 2, 7.5),
        row(world, "2026-08", 1, 80.0, 2, delivered_at=later + timedelta(hours=1)),
        row(world, "2026-09", 0, 0.0, 2, delivered_at=later + timedelta(hours=1), currency=None),
        row(world, "2026-10", 2, 0.0, currency=None),
    ]
    assert clickhouse_rows(world) == expected
    assert parquet_rows() == expected


@pytest.mark.thorough
def test_costs_in_two_currencies_have_none(world: World) -> None:
    made = lines("2026-10", [1.0, 2.0])
    made[1]["line_item_currency_code"] = "EUR"
    world.deliver_rows("2026-10", made, files=2, delivered_at=NOON)
    world.both()
    expected = [row(world, "2026-10", 2, None, currency=None)]
    assert (clickhouse_rows(world), parquet_rows()) == (expected, expected)


@pytest.mark.thorough
def test_a_delivery_that_could_not_be_loaded_is_waiting(world: World) -> None:
    deliver(world, "2026-09", [9.0])
    deliver(world, "2026-10", [1.0])
    world.both()
    broken = deliver(world, "2026-10", [1.0, 2.0], NOON + timedelta(days=1))
    world.bucket.put(broken.files[0], b"", modified=NOON)
    for destination in ("filesystem", "clickhouse"):
        assert world.commands("load", "--destination", destination).status == 1
    expected = [
        row(world, "2026-09", 1, 9.0),
        row(world, "2026-10", 1, 1.0, state="a newer delivery is waiting"),
    ]
    assert (clickhouse_rows(world), parquet_rows()) == (expected, expected)


@pytest.mark.thorough
@pytest.mark.parametrize("table", ["aws_costs__cur", "normalized_aws"])
def test_a_partition_that_is_half_published_is_to_be_loaded_again(world: World, table: str) -> None:
    deliver(world, "2026-09", [9.0])
    deliver(world, "2026-10", [1.0])
    world.both()
    replaced = "* replace ('another' as x_fingerprint)"
    query(world.database, f"create table copied as {table}")
    query(world.database, f"insert into copied select {replaced} from {table}")
    query(world.database, f"alter table {table} replace partition '2026-10' from copied")
    states = [(each.partition, each.state) for each in clickhouse_rows(world)]
    waiting = "a newer delivery is waiting"  # than what raw says it holds
    half = waiting if table == "aws_costs__cur" else "to be loaded again"
    assert states == [("2026-09", "current"), ("2026-10", half)]
    world.both()
    # somebody else's publishing of other rows, and ours again, are two restatements
    restated = 0 if table == "aws_costs__cur" else 2
    again = row(world, "2026-10", 1, 1.0, restated)
    assert clickhouse_rows(world) == [row(world, "2026-09", 1, 9.0), again]


@pytest.mark.thorough
def test_what_came_normalised_is_listed_too(world: World) -> None:
    deliver(world, "2026-09", [9.0])
    deliver(world, "2026-10", [1.0, 2.0])
    for command in (["load", "--destination=filesystem"], ["normalize"], ["ingest"]):
        assert world.commands(*command).status == 0
    sizes = [
        (world.commands.data / f"normalized_aws/billing_period={period}/data.parquet")
        .stat()
        .st_size
        for period in ("2026-09", "2026-10")
    ]
    one: dict[str, Any] = {"files": 1, "state": "ingested"}
    expected = [
        row(world, "2026-09", 1, 9.0, bytes=sizes[0], **one),
        row(world, "2026-10", 2, 3.0, bytes=sizes[1], **one),
    ]
    assert clickhouse_rows(world) == expected
    query(world.database, "alter table normalized_aws drop partition '2026-10'")
    again = replace(expected[1], state="to be ingested again")
    assert clickhouse_rows(world) == [expected[0], again]
    assert world.commands("load", "--from", "2026-09", "--to", "2026-09").status == 0
    assert clickhouse_rows(world) == [row(world, "2026-09", 1, 9.0), again]


def test_the_command_prints_the_same_table_for_both_destinations(world: World) -> None:
    deliver(world, "2026-09", [1_234.5])
    world.both()
    printed = [world.commands("status", "--destination", d) for d in ("filesystem", "clickhouse")]
    tables = [
        [
            [cell.strip() for cell in line.split("│")[1:-1]]
            for line in ran.out.splitlines()
            if line.startswith("│")
        ]
        for ran in printed
    ]
    for table in tables:
        for cells in table:
            cells[8] = "loaded"
    days = f"{(datetime.now(UTC) - NOON).total_seconds() / 86400:.0f} d"
    kilobytes = f"{size(world, '2026-09') / 1000:.1f} kB"
    assert tables[0] == tables[1]
    assert tables[0][0] == [
        "2026-09", "1", "1,234.50", "1,234.50", "USD", "2", kilobytes, "2026-11-02 12:00", "loaded",
        days, "", "current",
    ]  # fmt: skip


@pytest.mark.thorough
def test_a_server_that_was_never_loaded_into_has_nothing_to_list(world: World) -> None:
    assert world.commands("migrate").status == 0
    ran = world.commands("status")
    assert (ran.status, ran.err) == (0, "")
    assert [line for line in ran.out.splitlines() if line.startswith("│")] == []

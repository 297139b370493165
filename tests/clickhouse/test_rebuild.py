"""A rebuild by batches: it says what it will read, loses little to a kill, and holds nobody up."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipelines.clickhouse.schema.migrate import TO_REWRITE, migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import Progress
from tests.clickhouse.test_migrate import Sql
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.estate import TAGS
from tests.support.published_clickhouse import environ, leftovers, query
from tests.support.world import World

GCP = "gcp_costs__billing_export"
RAW_DAYS = f"""
insert into {GCP} (
    export_date, x_fingerprint, x_dlt_load_id, x_delivered_at, x_form, cost_type, cost, currency,
    usage_start_time
) select
    toString(toDate('2026-01-01') + number) as day, concat('f', day), '1.5', toDateTime(day),
    'standard', 'regular', 2, 'USD', toDateTime(day)
from numbers(60)
"""
#: More than a hundred partitions, which are the most that an insert may write by default.
INGESTED_DAYS = """
insert into normalized_gcp (
    x_source, x_partition, x_fingerprint, x_usage_date, billed_cost, effective_cost,
    billing_currency
) select
    'gcp', toString(toDate('2025-06-01') + number) as day, concat('i', day), toDate32(day), 3, 3,
    'USD'
from numbers(111)
"""
BY_DAY = "select count(), sum(billed_cost), uniqExact(x_partition) from "


@dataclass
class Watcher(Progress):
    """Notes the batches, and does something when that many have ended."""

    at: int = 0
    act: Callable[[], None] = lambda: None
    batches: list[str] = field(default_factory=list)
    planned: list[tuple[str, int]] = field(default_factory=list)

    def plan(self, source_name: str, count: int, unit: str) -> None:
        if count:
            self.planned.append((source_name, count))

    def start(self, source_name: str, partition: str, size: int) -> None:
        self.batches.append(f"{source_name} {partition}: {size}")

    def ended(self) -> None:
        if len(self.batches) == self.at:
            self.act()


@pytest.fixture
def older(empty_clickhouse: ClickHouseConfig, tmp_path: Path) -> ClickHouseConfig:
    """With another rule of Google's cost, 60 days of raw and 111 that were ingested."""
    make_older(empty_clickhouse, tmp_path, RAW_DAYS, INGESTED_DAYS)
    return empty_clickhouse


def make_older(config: ClickHouseConfig, folder: Path, *days: str) -> None:
    sql = Sql(folder / "older-sql")
    sql.edit("21_gcp.sql", "    net as billed_cost", "    net * 2 as billed_cost")
    migrate(config, TAGS, lambda line: None, sql.folder)
    for each in days:
        query(config, each)
    fill_days(config, sql.folder)


def fill_days(config: ClickHouseConfig, folder: Path) -> None:
    """The daily rows of what was inserted behind the project's back."""
    migrate(config, TAGS, lambda line: None, folder)


def stop() -> None:
    raise KeyboardInterrupt


SMALL = "2025-06-01 to 2026-01-20: 50"
LARGE = "2025-06-01 to 2025-07-20: 50", "2025-07-21 to 2025-09-08: 50"


@pytest.mark.parametrize(
    ("at", "raw", "ingested", "begins"),
    [
        (1, 25, 30, [SMALL]),
        pytest.param(5, 60, 111, LARGE, marks=pytest.mark.thorough),
    ],
)
def test_a_rebuild_that_was_stopped_goes_on_with_the_next_batch(
    empty_clickhouse: ClickHouseConfig,
    tmp_path: Path,
    at: int,
    raw: int,
    ingested: int,
    begins: Sequence[str],
) -> None:
    older = empty_clickhouse
    raw_days = RAW_DAYS.replace("(60)", f"({raw})")
    make_older(older, tmp_path, raw_days, INGESTED_DAYS.replace("(111)", f"({ingested})"))
    every, first, second = Watcher(), Watcher(at=at, act=stop), Watcher()
    with pytest.raises(KeyboardInterrupt):
        migrate(older, TAGS, lambda line: None, progress=first)
    days = raw + ingested
    assert query(older, BY_DAY + "costs") == [(days, raw * 4 + ingested * 3, days)]
    assert first.batches[: len(begins)] == [f"normalized_gcp {each}" for each in begins]
    for table in (GCP, "normalized_gcp"):  # what loads and prune do in between
        query(older, f"alter table {table} drop partition '2026-01-01'")
        query(older, f"alter table {table} drop partition '2026-01-02'")
    query(older, raw_days.replace("concat('f', day)", "'again'").replace(f"({raw})", "(1)"))
    migrate(older, TAGS, lambda line: None, progress=second)
    assert not set(first.batches) & set(second.batches) - {first.batches[-1]}
    for table in ("normalized_gcp", "costs_daily"):
        wanted = days - 1, (raw - 1) * 2 + ingested * 3, days - 1
        assert query(older, BY_DAY + table) == [wanted], table
    assert query(older, "select x_fingerprint from costs where x_partition = '2026-01-01'") == [
        ("again",)
    ]
    assert leftovers(older) == []
    migrate(older, TAGS, every.batches.append, progress=every)
    assert every.batches == []


@pytest.mark.thorough
def test_what_is_read_again_is_said_before_and_other_sources_are_loaded_meanwhile(
    older: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> None:
    world = World(aws_bucket, older, commands)
    commands.set(environ(older, aws_bucket.root))
    world.deliver("2026-09", [1.0, 2.0])
    said, told = list[str](), list[str]()

    def load() -> None:
        ran = world.load("aws")
        assert ran.status == 0, ran
        said.append(ran.err)

    watcher = Watcher(at=3, act=load)
    migrate(older, TAGS, told.append, progress=watcher)
    assert told == [
        f"{TO_REWRITE}normalized_gcp: 171 rows in 171 partitions",
        "rebuilt normalized_gcp from raw with the current columns and rules",
    ]
    assert watcher.planned == [("normalized_gcp", 4), ("costs_daily of gcp", 4)]
    assert re.search("schema is locked by .* Meanwhile sources are loaded", said[0])
    assert query(older, "select x_source, sum(x_lines) from costs_daily group by 1 order by 1") == [
        ("aws", 2),
        ("gcp", 171),
    ]
    assert world.well("aws") == "aws: 0 loaded, 1 unchanged, 0 failed\n"


@pytest.mark.thorough
def test_a_thousand_days_of_trades_are_rebuilt_in_batches(
    empty_clickhouse: ClickHouseConfig, tmp_path: Path
) -> None:
    sql = Sql(tmp_path / "older-sql")
    sql.edit("23_deribit.sql", "    direction,\n", "    upper(direction) as direction,\n")
    migrate(empty_clickhouse, TAGS, lambda line: None, sql.folder)
    query(
        empty_clickhouse,
        "insert into deribit__trades (trade_date, x_fingerprint, x_dlt_load_id, x_delivered_at, "
        "trade_id, trade_seq, instrument_name, timestamp, direction, price, amount) "
        "select concat(toString(toDate('2018-01-01') + intDiv(number, 10)), '.BTC') as day, "
        "concat('closed-', day), '1.5', now64(6), toString(number), number, 'BTC-PERPETUAL', "
        "1514764800000 + intDiv(number, 10) * 86400000, 'buy', 1, 10 from numbers(10000)",
    )
    watcher = Watcher()
    migrate(empty_clickhouse, TAGS, lambda line: None, progress=watcher)
    assert watcher.planned == [("normalized_deribit", 20)]
    found = "select count(), uniqExact(x_partition), groupUniqArray(direction) from "
    assert query(empty_clickhouse, found + "normalized_deribit") == [(10000, 1000, ["buy"])]

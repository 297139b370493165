"""A billing account with several tables: a detailed export switched on later, a moved one."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.gcp.schema import PARTITION_TIME, STANDARD
from tests.gcp.test_gcp_checks import offending
from tests.support.commands import Commands
from tests.support.providers.gcp_cases import case, each_day, filled_back, typed, used
from tests.support.providers.gcp_days import STANDARD_TABLE, environ, table_of
from tests.support.providers.raw_gcp import TABLE, Row
from tests.support.published_clickhouse import environ as clickhouse_environ
from tests.support.published_clickhouse import query

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

MOVED_TABLE = TABLE.replace(".billing_export.", ".moved.")
#: The standard export from the end of a month; the detailed one is switched on in the next, and
#: filled back from its first day, as Google does for ten days and more.
FIRST, FILLED, BEFORE, SWITCHED, LAST = (
    "2026-09-29", "2026-10-01", "2026-10-11", "2026-10-12", "2026-10-15"
)  # fmt: skip
RIGHT = {"2026-09": 20.0, "2026-10": 150.0}


class World:
    """A server, the commands, and either destination."""

    def __init__(
        self, server: BigQueryServer, commands: Commands, config: ClickHouseConfig | None
    ) -> None:
        self.server, self.commands, self.config = server, commands, config

    def standard(self, last: str, first: str = FIRST, table: str = STANDARD_TABLE) -> None:
        """The standard export of ten dollars a day."""
        self.server.load(table, table_of(lines(first, last), STANDARD))

    def detailed(self, rows: list[Row], table: str = TABLE) -> None:
        self.server.load(table, table_of(rows))

    def switched_on(self, table: str = TABLE, last: str = LAST) -> None:
        """Filled back to the first of the month, and a line a day from then on."""
        rows = [*filled_back(FILLED, BEFORE, SWITCHED), *lines(SWITCHED, last)]
        self.detailed([row for row in rows if f"{row['export_time']:%Y-%m-%d}" <= last], table)

    def read(self, *tables: str) -> None:
        """Configure these tables instead of datasets."""
        self.commands.monkeypatch.delenv("SOURCES__GCP__DATASETS", raising=False)
        self.commands.set(environ(self.server, *tables))

    def load(self, *options: str) -> str:
        ran = self.commands("load", "gcp", *options)
        assert ran.status == 0, ran
        self.said = " ".join(ran.err.split())
        if self.config is None:
            self.commands.well("normalize gcp")
        return ran.out

    def months(self) -> dict[str, float]:
        """Published cost by month of use."""
        sql = (
            "select substring(toString(x_usage_date), 1, 7), sum(billed_cost) from costs group by 1"
        )
        if self.config:
            return dict(sorted(query(self.config, sql)))
        return by_usage_month(self.commands)


def lines(first: str, last: str) -> list[Row]:
    """Ten dollars on each of the days."""
    return [used(day, 10.0) for day in each_day(first, last)]


def by_usage_month(commands: Commands) -> dict[str, float]:
    paths = sorted(commands.data.glob("marts/costs/gcp-*.parquet"))
    columns = ["x_usage_date", "billed_cost"]
    found: dict[str, float] = {}
    for row in pa.concat_tables(pq.ParquetFile(p).read(columns) for p in paths).to_pylist():
        month = f"{row['x_usage_date']:%Y-%m}"
        found[month] = found.get(month, 0.0) + row["billed_cost"]
    return dict(sorted(found.items()))


@pytest.fixture(params=["filesystem", "clickhouse"])
def world(
    request: pytest.FixtureRequest, bigquery_server: BigQueryServer, commands: Commands
) -> World:
    config: ClickHouseConfig | None = None
    if request.param == "clickhouse":
        config = request.getfixturevalue("clickhouse")
        assert config
        commands.set(clickhouse_environ(config, commands.data))
        commands.monkeypatch.delenv("SOURCES__AWS__BUCKET_URL")
    commands.set(environ(bigquery_server))
    commands.monkeypatch.delenv("SOURCES__GCP__TABLES")
    commands.set({"SOURCES__GCP__DATASETS": '["example-billing.billing_export"]'})
    return World(bigquery_server, commands, config)


@pytest.mark.quick("filesystem")
def test_the_rows_are_those_of_the_case(world: World) -> None:
    given = case("gcp_detailed_enabled_later")
    first = [used(day, 10.0) for day in each_day("2026-09-20", "2026-09-22")]
    back = filled_back("2026-10-01", "2026-10-03", "2026-11-12")
    for made, rows in ((first, "standard_first3"), (back[:1], "detailed_backfill_first3")):
        for one, other in zip(made, given[rows], strict=False):
            assert one | {"cost_at_list_consumption_model": 0} == typed(other) | {
                "cost_at_list_consumption_model": 0
            }


@pytest.mark.thorough
@pytest.mark.quick("filesystem")
def test_a_detailed_export_switched_on_later_doubles_no_month_on_a_fresh_destination(
    world: World,
) -> None:
    """Of a user's own dates: on 12 November, filled back to 1 October."""
    world.standard("2026-11-27", first="2026-09-20")
    back = filled_back("2026-10-01", "2026-11-11", "2026-11-12")
    world.detailed([*back, *lines("2026-11-12", "2026-11-27")])
    world.load()
    assert world.months() == {"2026-09": 110.0, "2026-10": 310.0, "2026-11": 270.0}
    assert world.load() == "gcp: 0 loaded, 69 unchanged, 0 failed\n"
    assert "gcp_counted_twice" not in offending(world.commands)


@pytest.mark.thorough
def test_an_old_destination_with_doubled_months_is_named_and_repaired_by_the_next_plain_run(
    world: World,
) -> None:
    """As version 0.1 left it: the standard export's days, and those of the detailed one."""
    world.standard(LAST)
    world.switched_on()
    world.read(TABLE)
    world.load("--from", SWITCHED)
    world.read(STANDARD_TABLE)
    world.load("--to", BEFORE)
    assert world.months() == RIGHT | {"2026-10": 260.0}
    account = "01A2B3-C4D5E6-F70819"
    assert offending(world.commands)["gcp_counted_twice"] == [
        ["2026-10-01", account, "11", TABLE, STANDARD_TABLE, "22"]
    ]
    world.read(STANDARD_TABLE, TABLE)
    world.load()
    assert world.months() == RIGHT
    assert "gcp_counted_twice" not in offending(world.commands)
    assert " 0 loaded" in world.load()


@pytest.mark.thorough
def test_a_switch_while_it_is_filled_back_leaves_each_month_whole(world: World) -> None:
    world.standard(SWITCHED)
    world.load()
    before = RIGHT | {"2026-10": 120.0}
    assert world.months() == before
    world.detailed(filled_back(FILLED, "2026-10-06", SWITCHED))
    world.load()
    assert world.months() == before
    world.standard(LAST)
    world.switched_on()
    world.load()
    assert world.months() == RIGHT


@pytest.mark.thorough
def test_an_export_that_was_moved_goes_on_where_the_old_table_is_gone(world: World) -> None:
    """The new table repeats October; of its days that are published the rows stay.

    Also in the nights in which its first days are those that are looked at again.
    """
    world.standard(BEFORE)
    world.load()
    world.server.drop(STANDARD_TABLE)
    world.commands.set({"SOURCES__GCP__DATASETS": '["example-billing.moved"]'})
    for day in (12, 15, 16):
        world.switched_on(MOVED_TABLE, f"2026-10-{day}")
        world.load()
        assert world.months() == RIGHT | {"2026-10": day * 10.0}
        assert " 0 loaded" in world.load()
    world.load("--force")
    assert world.months() == RIGHT | {"2026-10": 160.0}


@pytest.mark.thorough
def test_a_regional_export_that_is_not_filled_back_shares_the_month_by_days(world: World) -> None:
    world.standard(BEFORE)
    world.detailed(lines(SWITCHED, LAST), MOVED_TABLE)
    world.commands.set(
        {"SOURCES__GCP__DATASETS": '["example-billing.billing_export", "example-billing.moved"]'}
    )
    world.load()
    assert world.months() == RIGHT


@pytest.mark.thorough
def test_expired_partitions_stay_published_whatever_is_asked_for(world: World) -> None:
    world.standard(LAST)
    world.load()
    world.standard(LAST, first="2026-10-12")
    for options in ((), ("--force",), ("--from", "2026-09", "--force"), ("--to", "2026-10")):
        world.load(*options)
        assert world.months() == RIGHT


@pytest.mark.thorough
def test_a_view_is_read_and_said_to_be_slower(
    world: World,
) -> None:
    view = "example-billing.billing_export.costs_of_the_shop"
    given = [used(day, 10.0) for day in each_day("2026-10-30", "2026-11-02")]
    world.server.load(view, table_of(given).drop_columns([PARTITION_TIME]))
    world.read(view)
    world.load()
    assert world.months() == {"2026-10": 20.0, "2026-11": 20.0}
    assert f"{view} is a view, or a copy without partitions" in world.said
    assert world.load() == "gcp: 0 loaded, 4 unchanged, 0 failed\n"


@pytest.mark.thorough
def test_googles_focus_export_is_left_to_its_own_source(
    world: World,
) -> None:
    focus = "example-billing.billing_export.focus_costs"
    world.standard("2026-09-29")
    columns = {"BilledCost": [1.0], "ChargePeriodStart": ["2026-09-20"]}
    world.server.load(focus, pa.table(columns))
    world.load()
    assert world.months() == {"2026-09": 10.0}
    world.read(STANDARD_TABLE, focus)
    world.load()
    assert world.months() == {"2026-09": 10.0}
    assert f"{focus} is Google's FOCUS export: the source focus reads it" in world.said
    world.read(focus)
    ran = world.commands("load", "gcp")
    assert (ran.status, "Name the standard or the detailed export" in ran.err) == (2, True)


@pytest.mark.thorough
def test_the_second_question_names_rows_that_no_plan_sees(world: World) -> None:
    """A row that came late under an old time of export: days before the lookback rest."""
    world.commands.set({"SOURCES__GCP__OBJECTS": '["month_totals"]'})
    world.standard(LAST)
    world.load()
    assert "gcp_month_totals" not in offending(world.commands)
    late = used(date(2026, 10, 1), 7.0)
    world.server.load(STANDARD_TABLE, table_of([*lines(FIRST, LAST), late], STANDARD))
    world.load()
    assert offending(world.commands)["gcp_month_totals"] == [
        ["01A2B3-C4D5E6-F70819", "2026-10-01", "USD", "16", "15", "157.00", "150.00"]
    ]
    world.load("--from", "2026-10-01", "--to", "2026-10-01")
    assert "gcp_month_totals" not in offending(world.commands)

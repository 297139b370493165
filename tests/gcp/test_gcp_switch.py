"""A billing account with several tables: a detailed export switched on later, one moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.gcp.schema import STANDARD
from tests.gcp.test_gcp_checks import TAGS, offending
from tests.support.commands import Commands
from tests.support.providers.gcp_cases import case, each_day, filled_back, typed, used
from tests.support.providers.gcp_days import STANDARD_TABLE, environ, table_of
from tests.support.providers.raw_gcp import TABLE, Row
from tests.support.published_clickhouse import environ as clickhouse_environ
from tests.support.published_clickhouse import query

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

MOVED_TABLE = TABLE.replace(".billing_export.", ".moved.")
RIGHT = {"2026-09": 110.0, "2026-10": 310.0, "2026-11": 270.0}


class World:
    """A server, the commands, and either destination."""

    def __init__(
        self, server: BigQueryServer, commands: Commands, config: ClickHouseConfig | None
    ) -> None:
        self.server, self.commands, self.config = server, commands, config

    def standard(self, last: str, first: str = "2026-09-20", table: str = STANDARD_TABLE) -> None:
        """The standard export of ten dollars a day."""
        given = [used(day, 10.0) for day in each_day(first, last)]
        self.server.load(table, table_of(given, STANDARD))

    def detailed(self, rows: list[Row], table: str = TABLE) -> None:
        self.server.load(table, table_of(rows))

    def switched_on(self, table: str = TABLE) -> None:
        """On 12 November: filled back from 1 October, and a line a day from then on."""
        back = filled_back("2026-10-01", "2026-11-11", "2026-11-12")
        self.detailed(
            [*back, *(used(day, 10.0) for day in each_day("2026-11-12", "2026-11-27"))], table
        )

    def load(self, *options: str) -> str:
        ran = self.commands("load", "gcp", *options)
        assert ran.status == 0, ran
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


def by_usage_month(commands: Commands) -> dict[str, float]:
    import pyarrow as pa
    import pyarrow.parquet as pq

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
        migrate(config, TAGS)
        commands.set(clickhouse_environ(config, commands.data))
        commands.monkeypatch.delenv("SOURCES__AWS__BUCKET_URL")
    commands.set(environ(bigquery_server))
    commands.monkeypatch.delenv("SOURCES__GCP__TABLES")
    commands.set({"SOURCES__GCP__DATASETS": '["example-billing.billing_export"]'})
    return World(bigquery_server, commands, config)


def test_the_rows_are_those_of_the_case(world: World) -> None:
    given = case("gcp_detailed_enabled_later")
    first = [used(day, 10.0) for day in each_day("2026-09-20", "2026-09-22")]
    back = filled_back("2026-10-01", "2026-10-03", "2026-11-12")
    for made, rows in ((first, "standard_first3"), (back[:1], "detailed_backfill_first3")):
        for one, other in zip(made, given[rows], strict=False):
            assert one | {"cost_at_list_consumption_model": 0} == typed(other) | {
                "cost_at_list_consumption_model": 0
            }


def test_a_detailed_export_switched_on_later_doubles_no_month_on_a_fresh_destination(
    world: World,
) -> None:
    world.standard("2026-11-27")
    world.switched_on()
    world.load()
    assert world.months() == RIGHT
    assert world.load() == "gcp: 0 loaded, 69 unchanged, 0 failed\n"
    assert "gcp_counted_twice" not in offending(world.commands)

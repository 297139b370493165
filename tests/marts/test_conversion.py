"""One conversion for every mart: the same amount in the same currency is the same everywhere."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.aws.delivery import deliver_cur2
from tests.conftest import ROOT
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines
from tests.support.providers.gcp_cases import case, typed, used
from tests.support.providers.gcp_days import environ as gcp_environ
from tests.support.providers.gcp_days import table_of
from tests.support.providers.raw_gcp import TABLE
from tests.support.published_clickhouse import environ as clickhouse_environ
from tests.support.published_clickhouse import query

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

CASES = ROOT / "tests" / "data" / "aws" / "cases"
CNY = CASES / "19_china_cny"
FIGURES = {
    "margin_by_product": "select round(sum(cost_billed), 2), round(sum(cost_effective), 2)",
    "margin_daily": "select round(sum(cost_billed_aws), 2), round(sum(cost_effective_gcp), 2)",
    "costs_daily": "select round(sum(billed_cost), 2), round(sum(effective_cost), 2)",
    "cost_overview": "select line_items_without_rate, round(billed, 2), round(effective, 2)",
    "cost_movers": "select kind, round(billed, 2), round(effective, 2)",
    "commitments": "select commitment_type, round(used_cost, 2), round(covered_list, 2)",
}


@pytest.fixture(params=["filesystem", "clickhouse"])
def config(request: pytest.FixtureRequest) -> ClickHouseConfig | None:
    if request.param == "filesystem":
        return None
    found: ClickHouseConfig = request.getfixturevalue("clickhouse")
    return found


def deliver_in(currency: str, bucket: Path, cost: float) -> None:
    """A line of September's in a currency."""
    given = [line | {"line_item_currency_code": currency} for line in lines("2026-09", [cost])]
    deliver_cur2(bucket, "", "cur", "2026-09", given)


def publish(commands: Commands, config: ClickHouseConfig | None, bucket: Path | None) -> None:
    """Load what is configured, and AWS from a bucket where there is one."""
    if config:
        commands.set(clickhouse_environ(config, bucket or commands.data))
    if bucket:
        commands.set({"SOURCES__AWS__BUCKET_URL": bucket.as_uri()})
    else:
        commands.monkeypatch.delenv("SOURCES__AWS__BUCKET_URL", raising=False)
    if config:
        commands.well("load", marts=True)
    else:
        commands.well("load", "normalize", marts=True)


def rows(commands: Commands, config: ClickHouseConfig | None, name: str) -> list[tuple[Any, ...]]:
    select = FIGURES[name]
    if config:
        return sorted(query(config, f"{select} from {name}"), key=repr)
    path = commands.data / "marts" / name / "*.parquet"
    with duckdb.connect() as duck:
        found = duck.execute(f"{select} from read_parquet('{path}')").fetchall()
    return sorted(found, key=repr)


@pytest.mark.thorough
def test_a_bill_whose_currency_has_a_rate_is_the_same_in_every_mart(
    commands: Commands, config: ClickHouseConfig | None
) -> None:
    commands.set({"NORMALIZE__FX_RATES": str(CASES / "fx_rates.csv")})
    publish(commands, config, CNY)
    assert rows(commands, config, "margin_by_product") == [(133.33, 134.93)]
    assert rows(commands, config, "cost_overview") == [(0, 133.33, 134.93)]
    assert rows(commands, config, "cost_movers") == [
        ("account", 133.33, 134.93),
        ("service", 133.33, 134.93),
    ]
    assert rows(commands, config, "commitments") == [
        ("On demand", 0.0, 0.0),
        ("Reserved Instance", 1.6, 2.67),
    ]


@pytest.mark.quick("filesystem")
def test_where_the_rate_is_missing_every_mart_is_null_and_never_0(
    commands: Commands, config: ClickHouseConfig | None
) -> None:
    publish(commands, config, CNY)
    assert rows(commands, config, "margin_by_product") == [(None, None)]
    ((missing, billed, effective),) = rows(commands, config, "cost_overview")
    assert (missing > 0, billed, effective) == (True, None, None)
    assert [row[1:] for row in rows(commands, config, "cost_movers")] == [(None, None)] * 2
    assert rows(commands, config, "commitments")[1] == ("Reserved Instance", None, None)


@pytest.mark.thorough
def test_googles_commitment_has_its_row_and_saves_a_quarter(
    commands: Commands, config: ClickHouseConfig | None, bigquery_server: BigQueryServer
) -> None:
    bigquery_server.load(TABLE, table_of([typed(row) for row in case("gcp_cud_google_example")]))
    commands.set(gcp_environ(bigquery_server))
    publish(commands, config, None)
    # two days: a fee of 37.50 in one model, usage of 37.50 in the other, 100 at list prices
    assert rows(commands, config, "commitments") == [("Committed Use Discount", 75.0, 100.0)]
    assert rows(commands, config, "costs_daily") == [(75.0, 75.0)]


@pytest.mark.thorough
def test_the_same_line_in_euros_is_the_same_in_francs_on_both_clouds(
    commands: Commands,
    config: ClickHouseConfig | None,
    bigquery_server: BigQueryServer,
    tmp_path: Path,
) -> None:
    """Google's own rate, with its surcharge, serves its conversion to USD and nothing else."""
    rates = tmp_path / "rates.csv"
    rates.write_text(
        "rate_date:date,currency:currency,units_per_eur:rate\n2026-09-01,CHF,0.94\n"
        "2026-09-01,USD,1.08\n"
    )
    commands.set({"NORMALIZE__FX_RATES": str(rates), "NORMALIZE__REPORTING_CURRENCY": "CHF"})
    deliver_in("EUR", tmp_path / "bucket", 100.0)
    line = used(date(2026, 9, 2), 100.0, currency="EUR", currency_conversion_rate=0.99)
    bigquery_server.load(TABLE, table_of([line]))
    commands.set(gcp_environ(bigquery_server))
    publish(commands, config, tmp_path / "bucket")
    assert rows(commands, config, "margin_daily") == [(94.0, 94.0)]


@pytest.mark.thorough
def test_a_currency_that_joined_the_euro_keeps_its_rate(
    commands: Commands, config: ClickHouseConfig | None, tmp_path: Path
) -> None:
    rates = tmp_path / "rates.csv"
    head = "rate_date:date,currency:currency,units_per_eur:rate\n"
    rates.write_text(f"{head}2026-09-01,USD,1.08\n")
    commands.set({"NORMALIZE__FX_RATES": str(rates)})
    deliver_in("BGN", tmp_path / "bucket", 195.583)
    publish(commands, config, tmp_path / "bucket")
    assert rows(commands, config, "margin_by_product") == [(108.0, 108.0)]

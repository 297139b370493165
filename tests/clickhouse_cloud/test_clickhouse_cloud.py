"""ClickHouse Cloud's usage cost from the API to the mart, on both destinations."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.clickhouse_cloud.server import ClickhouseCloudServer
from scripts.sandbox.clickhouse_cloud.usage import PIPE, PROD, WAREHOUSE, record, records
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import TODAY, mart
from tests.support.published_clickhouse import environ, query

THIS = f"{TODAY:%Y-%m}"
FIRST = TODAY.replace(day=1)
LAST = f"{FIRST - timedelta(days=1):%Y-%m}"
LONG_AGO = date(2025, 1, 31)
SUMS = "x_partition, count(*), round(sum(billed_cost), 6), sum(x_billed_cost_usd) - sum(list_cost)"


def total(costs: list[dict[str, object]]) -> float:
    """Their sum, in Decimal."""
    return float(sum((Decimal(str(each["totalCHC"])) for each in costs), Decimal(0)))


def test_usage_is_loaded_normalised_and_checked(commands: Commands) -> None:
    first = (FIRST - timedelta(days=1)).replace(day=1)
    costs = records(first, TODAY, TODAY)
    with ClickhouseCloudServer(costs, created=first) as server:
        commands.set(server.environ)
        loaded = "clickhouse_cloud: 2 loaded, 0 unchanged, 0 failed\n"
        assert commands("load", "clickhouse_cloud").out == loaded
        commands.well("normalize clickhouse_cloud", "status clickhouse_cloud", "doctor")
        assert commands("check").out.endswith(" 0 failed\n")
    by_month = [[c for c in costs if c["date"].startswith(m)] for m in (LAST, THIS)]
    assert mart(commands, "costs", SUMS, "group by 1 order by 1") == [
        (month, sum(len(each["metrics"]) for each in own), total(own), 0.0)
        for month, own in zip((LAST, THIS), by_month, strict=True)
    ]


def test_a_meter_is_a_service_and_an_entity_a_resource(commands: Commands) -> None:
    day = FIRST
    costs = [
        record(day, "datawarehouse", WAREHOUSE, "prod warehouse", storage="0.4127", backup="0.05"),
        record(day, "service", PROD, "prod", compute="3.6", publicDataTransfer="0.115"),
        record(day, "clickpipe", PIPE, "kafka-pipe", compute="0.1"),
    ]
    with ClickhouseCloudServer(costs, created=FIRST) as server:
        commands.set(server.environ)
        commands.well("load clickhouse_cloud", "normalize clickhouse_cloud")
    columns = (
        "service_category, service_name, resource_type, resource_name, pricing_quantity, "
        "pricing_unit, billed_cost, billing_currency"
    )
    assert mart(commands, "costs", columns, "order by sku_id") == [
        ("Integration", "ClickPipes", "clickpipe", "kafka-pipe", 0.1, "CHC", 0.1, "USD"),
        ("Storage", "ClickHouse Cloud Backup", "datawarehouse", "prod warehouse", 0.05, "CHC",
         0.05, "USD"),
        ("Storage", "ClickHouse Cloud Storage", "datawarehouse", "prod warehouse", 0.4127, "CHC",
         0.4127, "USD"),
        ("Databases", "ClickHouse Cloud Compute", "service", "prod", 3.6, "CHC", 3.6, "USD"),
        ("Networking", "ClickHouse Cloud Data Transfer", "service", "prod", 0.115, "CHC", 0.115,
         "USD"),
    ]  # fmt: skip


def test_a_month_is_final_once_every_record_is_locked(commands: Commands) -> None:
    costs = [record(LONG_AGO, "service", PROD, "prod", compute="3.6")]
    costs[0]["locked"] = False
    with ClickhouseCloudServer(costs, created=LONG_AGO, seconds=0) as server:
        commands.set(server.environ)
        load = ("load", "clickhouse_cloud", "--to", "2025-01")
        assert commands(*load).out == "clickhouse_cloud: 1 loaded, 0 unchanged, 0 failed\n"
        assert "open from 2025-01-31" in commands("status", "clickhouse_cloud").out
        costs[0] |= {"totalCHC": 3.7, "metrics": {"computeCHC": 3.7}}
        assert commands(*load).out == "clickhouse_cloud: 1 loaded, 0 unchanged, 0 failed\n"
        costs[0]["locked"] = True
        assert commands(*load).out == "clickhouse_cloud: 1 loaded, 0 unchanged, 0 failed\n"
        assert "final" in commands("status", "clickhouse_cloud").out
        server.seen.clear()
        assert commands(*load).out == "clickhouse_cloud: 0 loaded, 1 unchanged, 0 failed\n"
        assert server.seen == ["/v1/organizations"]
        asked = commands("load", "clickhouse_cloud", "--from", "2025-01", "--to", "2025-01")
        assert asked.out == "clickhouse_cloud: 0 loaded, 1 unchanged, 0 failed\n"
        assert server.seen[-1].endswith("usageCost?from_date=2025-01-01&to_date=2025-01-31")


def test_a_pause_of_months_takes_a_request_per_month_and_no_window_of_more_than_31_days(
    commands: Commands,
) -> None:
    with ClickhouseCloudServer([], created=LONG_AGO, seconds=0) as server:
        commands.set(server.environ)
        commands.well("load clickhouse_cloud --to 2025-06")
        asked = [target.partition("?")[2] for target in server.seen[1:]]
    assert asked == [
        "from_date=2025-01-01&to_date=2025-01-31",
        "from_date=2025-02-01&to_date=2025-02-28",
        "from_date=2025-03-01&to_date=2025-03-31",
        "from_date=2025-04-01&to_date=2025-04-30",
        "from_date=2025-05-01&to_date=2025-05-31",
        "from_date=2025-06-01&to_date=2025-06-30",
    ]


def test_another_organisations_months_stay(commands: Commands) -> None:
    costs = [record(LONG_AGO, "service", PROD, "prod", compute="3.6")]
    with ClickhouseCloudServer(costs, created=LONG_AGO, seconds=0) as server:
        commands.set(server.environ)
        commands.well("load clickhouse_cloud --to 2025-01")
        server.organization = "0f0f0f0f-0000-4000-8000-000000000099"
        server.costs = [record(LONG_AGO, "service", PROD, "new", compute="1")]
        commands.well("load clickhouse_cloud --from 2025-01 --to 2025-01")
        commands.well("normalize clickhouse_cloud")
    found = mart(commands, "costs", "billing_account_id, billed_cost", "order by 1")
    assert found == [
        ("0f0f0f0f-0000-4000-8000-000000000001", 3.6),
        ("0f0f0f0f-0000-4000-8000-000000000099", 1.0),
    ]


@pytest.mark.quick("discount")
@pytest.mark.parametrize("case", ["unknown", "discount", "grand total", "unlocked"])
def test_what_the_api_does_not_explain_is_kept_and_named(commands: Commands, case: str) -> None:
    costs = [record(LONG_AGO, "service", PROD, "prod", compute="3.6")]
    changes = {}
    match case:
        case "unknown":
            costs = [record(LONG_AGO, "service", PROD, "prod", gpu="3.6")]
            expected = "clickhouse_cloud_meters", "service.gpuCHC"
        case "discount":
            costs[0]["totalCHC"] = Decimal("3.24")
            expected = "clickhouse_cloud_meters", "service.rest"
        case "grand total":
            changes = {"grandTotalCHC": 5}
            expected = "clickhouse_cloud_grand_total", "1.4"
        case _:
            costs[0]["locked"] = False
            expected = "clickhouse_cloud_unlocked", "2025-01-31"
    with ClickhouseCloudServer(costs, created=LONG_AGO) as server:
        server.changes = changes
        commands.set(server.environ)
        commands.well("load clickhouse_cloud --to 2025-01", "normalize clickhouse_cloud")
    said = commands("check", "--without", "freshness")
    assert (said.status, said.out.endswith(f" 1 failed: {expected[0]}\n")) == (1, True)
    assert expected[1] in said.out
    assert mart(commands, "costs", "round(sum(billed_cost), 6)") == [(total(costs),)]


def test_a_published_month_that_lacks_a_row_is_named(commands: Commands) -> None:
    costs = [record(LONG_AGO, "service", PROD, "prod", compute="3.6", backup="0.4")]
    with ClickhouseCloudServer(costs, created=LONG_AGO) as server:
        commands.set(server.environ)
        commands.well("load clickhouse_cloud --to 2025-01", "normalize clickhouse_cloud")
    (path,) = (commands.data / "normalized_clickhouse_cloud").rglob("*.parquet")
    whole = pq.read_table(path)
    pq.write_table(whole.slice(0, 1), path)
    said = commands("check", "--without", "freshness")
    assert said.status == 1
    assert "clickhouse_cloud_conservation" in said.out.splitlines()[-1]


@pytest.mark.thorough
def test_clickhouse_publishes_the_same(commands: Commands, clickhouse: ClickHouseConfig) -> None:
    first = (FIRST - timedelta(days=1)).replace(day=1)
    costs = [
        *records(first, TODAY, TODAY),
        record(FIRST, "agent", "x", "new", gpu="1.5") | {"totalCHC": 1, "dataWarehouseId": None},
    ]
    with ClickhouseCloudServer(costs, created=first) as server:
        commands.set(server.environ)
        commands.well("load clickhouse_cloud", "normalize clickhouse_cloud")
        local = mart(commands, "costs", "* exclude (x_dlt_load_id)", "order by all")
        commands.set(environ(clickhouse, commands.data))
        commands.well("load clickhouse_cloud")
    there = query(clickhouse, "select * except (x_dlt_load_id) from costs order by all")
    assert len(there) > 200
    assert [sorted(map(repr, row)) for row in there] == [sorted(map(repr, row)) for row in local]
    checked = commands("check")
    assert checked.out.endswith(" 1 failed: clickhouse_cloud_meters\n"), checked.err

"""Google's FOCUS in BigQuery, its export and the view over its detailed export, to the marts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import now
from scripts.sandbox.aws.targets import FolderTarget
from scripts.sandbox.focus.deliveries import generic
from scripts.sandbox.focus.google import (
    EXPORT_TABLE,
    VIEW,
    VIEW_SCHEMA,
    exported,
    table_of,
    viewed,
)
from scripts.sandbox.focus.rows import row
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import mart
from tests.support.published_clickhouse import environ, query

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

PERIOD = "x_partition, count(*), round(sum(billed_cost), 6)"
BY_PERIOD = "group by 1 order by 1"
OLD = {"2026-09": (1.5, 2.0), "2026-10": (4.0, 0.25)}


@pytest.fixture
def server(bigquery_server: BigQueryServer, commands: Commands) -> Iterator[BigQueryServer]:
    """Google's export with the months of OLD, and the variables that lead to it."""
    commands.set(
        {
            "SOURCES__FOCUS__BUCKET_URL": f"bigquery://{EXPORT_TABLE}",
            "SOURCES__FOCUS__CREDENTIALS": json.dumps(bigquery_server.service_account()),
            "SOURCES__FOCUS__STORAGE_URL": bigquery_server.storage_url,
            "SOURCES__FOCUS__RETRY_SECONDS": "2.5",
            **bigquery_server.environ,
        }
    )
    put(bigquery_server, OLD)
    yield bigquery_server
    key = bigquery_server.service_account()
    said = "".join(commands.printed)
    assert [p for p in (key["private_key"], key["private_key_id"], "ya29.") if p in said] == []
    assert "Traceback" not in said


def put(server: BigQueryServer, months: Mapping[str, tuple[float, ...]], **changes: Any) -> None:
    """Make these costs, a day each, the whole of the export."""
    rows = [
        exported(month, number % 28 + 1, cost, **changes)
        for month, costs in months.items()
        for number, cost in enumerate(costs)
    ]
    server.load(EXPORT_TABLE, table_of(rows))


def months(commands: Commands) -> list[tuple[Any, ...]]:
    """Partition, rows and billed cost of the mart."""
    return mart(commands, "costs", PERIOD, BY_PERIOD)


def test_google_s_export_is_loaded_from_bigquery_with_its_labels_as_tags(
    server: BigQueryServer, commands: Commands
) -> None:
    assert commands("load", "focus").out == "focus: 2 loaded, 0 unchanged, 0 failed\n"
    assert commands("load", "focus").out == "focus: 0 loaded, 2 unchanged, 0 failed\n"
    commands.well("normalize focus", "status focus", "doctor")
    assert months(commands) == [("2026-09@main", 2, 3.5), ("2026-10@main", 2, 4.25)]
    columns = (
        "provider_name, sub_account_id, charge_category, billed_cost, list_cost, "
        "x_usage_date::text, tags, billing_period_start::text"
    )
    assert mart(commands, "costs", columns, "where billed_cost = 4") == [
        ("Google Cloud", "project-1", "Usage", 4.0, 4.0, "2026-10-01",
         {"team": "web", "app": "shop", "size": "s", "Environment": "prod"},
         "2026-10-01 00:00:00+00")
    ]  # fmt: skip
    assert commands("check").out.endswith(" 0 failed\n")


@pytest.mark.quick("sums")
@pytest.mark.parametrize(
    ("change", "then"),
    [
        pytest.param({"ListCost": 9.0}, ("2026-10@main", 2, 4.25), id="sums"),
        pytest.param({"at": 6}, ("2026-10@main", 2, 4.25), id="newest"),
        pytest.param({"cost": 8.0}, ("2026-10@main", 3, 12.25), id="rows"),
    ],
)
def test_a_month_is_read_again_when_its_rows_sums_or_newest_export_change(
    server: BigQueryServer, commands: Commands, change: dict[str, Any], then: tuple[Any, ...]
) -> None:
    commands.well("load focus")
    rows = [exported("2026-09", n, cost) for n, cost in enumerate(OLD["2026-09"], 1)]
    october = [exported("2026-10", n, cost) for n, cost in enumerate(OLD["2026-10"], 1)]
    if "ListCost" in change:
        october[0]["ListCost"] = change["ListCost"]
    if "at" in change:
        october[1]["x_ExportTime"] += timedelta(hours=change["at"])
    if "cost" in change:
        october.append(exported("2026-10", 1, change["cost"]))
    server.load(EXPORT_TABLE, table_of([*rows, *october]))
    assert commands("load", "focus").out == "focus: 1 loaded, 1 unchanged, 0 failed\n"
    commands.well("normalize focus")
    assert months(commands) == [("2026-09@main", 2, 3.5), then]


def test_a_month_that_google_still_writes_is_left_and_one_that_expired_stays(
    server: BigQueryServer, commands: Commands
) -> None:
    commands.well("load focus", "normalize focus")
    put(server, {"2026-10": (1.0,)}, x_ExportTime=now() - timedelta(minutes=10))
    ran = commands("load", "focus")
    assert (ran.out, ran.status) == ("focus: 0 loaded, 0 unchanged, 0 failed\n", 0)
    assert "focus 2026-10@main: not complete yet; left for later" in ran.err
    commands.set({"SOURCES__FOCUS__SETTLE_MINUTES": "5"})
    assert commands("load", "focus").out == "focus: 1 loaded, 0 unchanged, 0 failed\n"
    commands.well("normalize focus")
    assert months(commands) == [("2026-09@main", 2, 3.5), ("2026-10@main", 1, 1.0)]


def test_a_dry_run_says_what_bigquery_would_scan_and_a_limit_of_bytes_is_kept(
    server: BigQueryServer, commands: Commands
) -> None:
    ran = commands("load", "focus", "--dry-run")
    said = "focus main: BigQuery would scan 20 MiB, about 0.0001 USD at 6.25 USD per TiB"
    assert said in ran.out.splitlines()
    commands.set({"SOURCES__FOCUS__MAXIMUM_BYTES": str(15 * 1024**2)})
    ran = commands("load", "focus")
    assert ran.status == 2
    assert (
        "focus main: reading 2 months would scan 20 MiB (about 0.00 USD), more than "
        "sources.focus.maximum_bytes, 15 MiB. Nothing was read. Raise it, or load fewer months at "
        "a time with --from and --to."
    ) in ran.err
    assert commands("load", "focus", "--from", "2026-10").out == (
        "focus: 1 loaded, 0 unchanged, 0 failed\n"
    )
    assert server.counts["tabledata.list"] == 0
    commands.set({"SOURCES__FOCUS__MAXIMUM_BYTES": str(1024**2)})
    ran = commands("load", "focus")
    assert ran.status == 2
    assert "Raise sources.focus.maximum_bytes, or narrow the months with --from" in ran.err


@pytest.mark.quick("notFound")
@pytest.mark.parametrize(
    ("reason", "status", "text"),
    [
        ("accessDenied", 2, "access denied (Access Denied: User does not have"),
        ("quotaExceeded", 1, "BigQuery's quota is used up (Quota exceeded"),
        ("notFound", 2, "Correct sources.focus.bucket_url, or sources.focus.location"),
        ("authError", 2, "Set SOURCES__FOCUS__CREDENTIALS to a service account's key"),
    ],
)
def test_a_refusal_says_why_and_what_is_published_stays(
    server: BigQueryServer, commands: Commands, reason: str, status: int, text: str
) -> None:
    commands.well("load focus", "normalize focus")
    put(server, {"2026-10": (1.0,)})
    server.fail("jobs.query", reason, times=None)
    ran = commands("load", "focus")
    assert ran.status == status
    assert text in ran.err
    assert months(commands) == [("2026-09@main", 2, 3.5), ("2026-10@main", 2, 4.25)]
    server.reset()
    assert commands("load", "focus").out == "focus: 1 loaded, 0 unchanged, 0 failed\n"


@pytest.mark.thorough
def test_rows_that_change_between_the_plan_and_the_reading_are_planned_again(
    server: BigQueryServer, commands: Commands
) -> None:
    def restate() -> None:
        put(server, {"2026-09": OLD["2026-09"], "2026-10": (1.0, 2.0, 3.0)})

    server.before("jobs.query", restate, nth=2)
    assert commands("load", "focus").out.endswith("2 loaded, 0 unchanged, 0 failed\n")
    commands.well("normalize focus")
    assert months(commands) == [("2026-09@main", 2, 3.5), ("2026-10@main", 3, 6.0)]


@pytest.mark.thorough
def test_a_month_of_many_rows_is_the_same_by_the_storage_api_and_by_pages(
    server: BigQueryServer, commands: Commands
) -> None:
    put(server, {"2026-10": tuple(float(n % 7) for n in range(28)) * 50})
    commands.well("load focus", "normalize focus")
    assert server.counts["CreateReadSession"] == 1
    first = mart(commands, "costs", "* exclude (x_dlt_load_id)", "order by all")
    assert len(first) == 1400
    commands.set({"SOURCES__FOCUS__STORAGE_API": "false"})
    commands.well("load focus --force", "normalize focus")
    assert server.counts["CreateReadSession"] == 1
    assert mart(commands, "costs", "* exclude (x_dlt_load_id)", "order by all") == first


@pytest.mark.thorough
def test_what_is_no_focus_is_refused_by_name(server: BigQueryServer, commands: Commands) -> None:
    few = table_of([exported("2026-10", 1, 1.0)]).drop_columns(["BillingCurrency"])
    server.load(EXPORT_TABLE, few)
    ran = commands("load", "focus")
    assert ran.status == 1
    assert f"{EXPORT_TABLE} is missing billing_currency" in ran.err
    server.load(EXPORT_TABLE, table_of([exported("2026-10", 1, 1.0, BillingPeriodStart=None)]))
    ran = commands("load", "focus")
    assert ran.status == 1
    assert f"{EXPORT_TABLE} has 1 rows without BillingPeriodStart" in ran.err
    commands.set({"SOURCES__FOCUS__BUCKET_URL": "bigquery://dataset.table"})
    ran = commands("load", "focus")
    assert ran.status == 2
    assert "Write bigquery://project.dataset.table." in ran.err


def test_the_view_is_loaded_beside_files_with_its_words_and_months_corrected(
    server: BigQueryServer, commands: Commands, tmp_path: Path
) -> None:
    rows = [viewed("2026-10", 1, 2.0), viewed("2026-10", 2, -1.0, ChargeCategory="adjustment",
                                              ChargeClass="correction")]  # fmt: skip
    view = table_of(rows, VIEW_SCHEMA).drop_columns(["x_ExportTime"])
    server.load(VIEW, view)
    files = FolderTarget(tmp_path / "files")
    generic(files, "2026-10", [row("2026-10", 1, 8.0)])
    commands.set(
        {
            "SOURCES__FOCUS__EXPORTS": '["view", "acme"]',
            "SOURCES__FOCUS__VIEW__BUCKET_URL": f"bigquery://{VIEW}",
            "SOURCES__FOCUS__ACME__BUCKET_URL": files.root.as_uri(),
        }
    )
    commands.well("load focus", "normalize focus", "doctor")
    columns = (
        "x_partition, charge_category, charge_class, pricing_category, billed_cost, "
        "tags, billing_period_start::text, billing_period_end::text"
    )
    tags = {"team": "web", "Environment": "prod"}
    period = ("2026-10-01 00:00:00+00", "2026-11-01 00:00:00+00")
    assert mart(commands, "costs", columns, "order by x_partition, billed_cost") == [
        ("2026-10@acme", "Usage", None, "Standard", 8.0, {"Team": "web", "Environment": "prod"},
         *period),
        ("2026-10@view", "Adjustment", "Correction", "Standard", -1.0, tags, *period),
        ("2026-10@view", "Usage", None, "Standard", 2.0, tags, *period),
    ]  # fmt: skip
    assert commands("load", "focus").out == "focus: 0 loaded, 2 unchanged, 0 failed\n"


@pytest.mark.thorough
def test_clickhouse_publishes_the_same(
    server: BigQueryServer, commands: Commands, clickhouse: ClickHouseConfig
) -> None:
    commands.well("load focus", "normalize focus")
    local = mart(commands, "costs", "* exclude (x_dlt_load_id)", "order by all")
    commands.set(environ(clickhouse, commands.data))
    commands.well("load focus")
    there = query(clickhouse, "select * except (x_dlt_load_id) from costs order by all")
    assert len(there) == 4
    assert [sorted(map(repr, each)) for each in there] == [
        sorted(map(repr, each)) for each in local
    ]
    put(server, {"2026-09": OLD["2026-09"], "2026-10": (16.0,)})
    commands.well("load focus")
    assert query(clickhouse, f"select {PERIOD} from costs {BY_PERIOD}") == [
        ("2026-09@main", 2, 3.5),
        ("2026-10@main", 1, 16.0),
    ]
    assert commands("check").out.endswith(" 0 failed\n")

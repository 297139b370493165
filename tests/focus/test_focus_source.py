"""FOCUS files from a folder and from S3 to the marts, on both destinations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.aws.targets import FolderTarget
from scripts.sandbox.focus.deliveries import generic
from scripts.sandbox.focus.rows import newest, row
from tests.conftest import S3Bucket
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import mart
from tests.support.published_clickhouse import environ, query

PERIOD = "x_partition, count(*), round(sum(billed_cost), 6)"
BY_PERIOD = "group by 1 order by 1"


@pytest.fixture
def bucket(tmp_path: Path, commands: Commands) -> FolderTarget:
    """The folder that the only export lies in."""
    target = FolderTarget(tmp_path / "bucket")
    commands.set({"SOURCES__FOCUS__BUCKET_URL": target.root.as_uri()})
    return target


def rows(month: str, *costs: float, **changes: Any) -> list[dict[str, Any]]:
    """A day of usage per cost."""
    return [row(month, day, cost, **changes) for day, cost in enumerate(costs, 1)]


#: The checks that look at what this source alone publishes.
CHECKS = ("daily_conservation", "focus_conservation", "focus_counted_twice", "focus_foreign_period",
          "mart_complete", "missing_rate", "stale_partitions")  # fmt: skip


def failed(commands: Commands) -> list[str]:
    """The checks that name something."""
    return commands("check").out.splitlines()[-1].partition(" failed: ")[2].split(", ")


def months(commands: Commands) -> list[tuple[Any, ...]]:
    """Partition, rows and billed cost of the mart."""
    return mart(commands, "costs", PERIOD, BY_PERIOD)


def test_files_of_any_format_are_loaded_normalised_and_checked(
    commands: Commands, bucket: FolderTarget
) -> None:
    generic(bucket, "2026-08", rows("2026-08", 1.5, 2.0))
    generic(bucket, "2026-09", rows("2026-09", 4.0), extension="csv")
    generic(bucket, "2026-10", rows("2026-10", 8.0, 0.25), extension="csv.gz")
    assert commands("load", "focus").out == "focus: 3 loaded, 0 unchanged, 0 failed\n"
    assert commands("load", "focus").out == "focus: 0 loaded, 3 unchanged, 0 failed\n"
    commands.well("normalize focus", "status focus", "doctor")
    assert months(commands) == [
        ("2026-08@main", 2, 3.5),
        ("2026-09@main", 1, 4.0),
        ("2026-10@main", 2, 8.25),
    ]
    assert commands.checked(*CHECKS).endswith(" 0 failed\n")


def test_a_row_is_published_with_its_names_and_figures(
    commands: Commands, bucket: FolderTarget
) -> None:
    generic(bucket, "2026-10", rows("2026-10", 8.0), extension="csv")
    commands.well("load focus", "normalize focus")
    columns = (
        "provider_name, sub_account_name, charge_category, service_category, service_name, "
        "region_id, resource_name, consumed_quantity, consumed_unit, billed_cost, effective_cost, "
        "list_cost, contracted_cost, billing_currency, tags, tag_team, x_usage_date::text, "
        "x_source, x_currency_rate_usd, x_billed_cost_usd"
    )
    assert mart(commands, "costs", columns) == [
        ("Acme", "Web", "Usage", "Compute", "Virtual Machines", "eu-1", "web-1", 24.0, "Hours",
         8.0, 8.0, 8.0, 8.0, "USD", {"Team": "web", "Environment": "prod"}, "web", "2026-10-01",
         "focus", 1.0, 8.0)
    ]  # fmt: skip


def test_a_restated_month_replaces_the_old_one(commands: Commands, bucket: FolderTarget) -> None:
    generic(bucket, "2026-09", rows("2026-09", 1.0))
    generic(bucket, "2026-10", rows("2026-10", 1.0, 2.0, 4.0))
    commands.well("load focus", "normalize focus")
    generic(bucket, "2026-10", rows("2026-10", 8.0, 16.0))
    assert commands("load", "focus").out == "focus: 1 loaded, 1 unchanged, 0 failed\n"
    commands.well("normalize focus")
    assert months(commands) == [("2026-09@main", 1, 1.0), ("2026-10@main", 2, 24.0)]


@pytest.mark.thorough
def test_what_the_folder_no_longer_has_stays_published(
    commands: Commands, bucket: FolderTarget
) -> None:
    key = generic(bucket, "2026-09", rows("2026-09", 1.0))
    generic(bucket, "2026-10", rows("2026-10", 2.0))
    commands.well("load focus", "normalize focus")
    (bucket.root / key).unlink()
    assert commands("load", "focus").out == "focus: 0 loaded, 1 unchanged, 0 failed\n"
    assert months(commands) == [("2026-09@main", 1, 1.0), ("2026-10@main", 1, 2.0)]


@pytest.mark.quick("deep", "notion")
@pytest.mark.parametrize(
    "key",
    [
        "billing_period=2026-10/a.csv",
        "x/BILLING_PERIOD=2026-10-01/deep/er/a.csv",
        "BillingPeriodStart=20261001/a.csv",
        "year=2026/month=10/a.csv",
        "exports/2026-10/a.csv",
        "202610/a.csv",
        "invoices/notion-2026-10.csv",
        "2026-10.csv",
    ],
)
def test_a_month_is_recognised_in_a_folder_s_or_a_file_s_name(
    commands: Commands, bucket: FolderTarget, key: str
) -> None:
    from scripts.sandbox.focus.deliveries import encoded

    bucket.put(key, encoded(rows("2026-10", 8.0), "csv"))
    assert commands("load", "focus").out == "focus: 1 loaded, 0 unchanged, 0 failed\n"
    assert [path.name for path in commands.data.glob("focus/cost_and_usage/*")] == [
        "billing_period=2026-10@main"
    ]


def test_versions_and_columns_may_differ_by_period_and_by_file(
    commands: Commands, bucket: FolderTarget
) -> None:
    few = {name: value for name, value in row("2026-08", 1, 1.0).items()
           if not name.startswith(("Region", "Resource", "Sku", "Tags", "Consumed"))}  # fmt: skip
    more = row("2026-09", 1, 2.0, x_Discount=0.1, InvoiceId="in-1", SubAccountType="Project")
    generic(bucket, "2026-08", [few])
    generic(bucket, "2026-09", [more])
    generic(bucket, "2026-10", [newest("2026-10", 1, 4.0)])
    generic(bucket, "2026-10", [row("2026-10", 2, 8.0, x_Discount="a tenth")], name="b")
    commands.well("load focus", "normalize focus")
    columns = "x_partition, provider_name, region_id, invoice_id, billed_cost"
    assert mart(commands, "costs", columns, "order by x_partition, billed_cost") == [
        ("2026-08@main", "Acme", None, None, 1.0),
        ("2026-09@main", "Acme", "eu-1", "in-1", 2.0),
        ("2026-10@main", "Acme", "eu-1", None, 4.0),
        ("2026-10@main", "Acme", "eu-1", None, 8.0),
    ]


def test_the_provider_s_name_may_come_from_configuration(
    commands: Commands, bucket: FolderTarget
) -> None:
    generic(bucket, "2026-10", [row("2026-10", 1, 1.0), row("2026-10", 2, 2.0, ProviderName=None)])
    refused = commands("load", "focus")
    assert (refused.status, "1 rows without ProviderName" in refused.err) == (1, True)
    commands.set({"SOURCES__FOCUS__PROVIDER_NAME": "Other"})
    commands.well("load focus", "normalize focus")
    assert mart(commands, "costs", "provider_name, billed_cost", "order by 2") == [
        ("Acme", 1.0),
        ("Other", 2.0),
    ]


def test_several_exports_are_loaded_at_once(commands: Commands, tmp_path: Path) -> None:
    one, two = (FolderTarget(tmp_path / name) for name in ("one", "two"))
    generic(one, "2026-10", rows("2026-10", 1.0))
    generic(two, "2026-10", rows("2026-10", 2.0, ProviderName=None, BillingAccountId="payer-2"))
    commands.set(
        {
            "SOURCES__FOCUS__EXPORTS": '["acme", "other"]',
            "SOURCES__FOCUS__ACME__BUCKET_URL": one.root.as_uri(),
            "SOURCES__FOCUS__OTHER__BUCKET_URL": two.root.as_uri(),
            "SOURCES__FOCUS__OTHER__PROVIDER_NAME": "Other",
        }
    )
    commands.well("load focus", "normalize focus", "doctor")
    assert months(commands) == [("2026-10@acme", 1, 1.0), ("2026-10@other", 1, 2.0)]
    assert commands.checked(*CHECKS).endswith(" 0 failed\n")
    # one that cannot be listed fails by itself
    commands.set({"SOURCES__FOCUS__OTHER__BUCKET_URL": (tmp_path / "none").as_uri()})
    generic(one, "2026-10", rows("2026-10", 4.0))
    ran = commands("load", "focus")
    assert (ran.status, ran.out) == (1, "focus: 1 loaded, 0 unchanged, 1 failed\n")
    assert "none is not a folder. Set SOURCES__FOCUS__OTHER__BUCKET_URL" in ran.err
    # one that is not configured any more stays
    commands.set({"SOURCES__FOCUS__EXPORTS": '["acme"]'})
    commands.well("load focus", "normalize focus")
    assert months(commands) == [("2026-10@acme", 1, 4.0), ("2026-10@other", 1, 2.0)]


def test_two_exports_with_the_same_cost_are_named(commands: Commands, tmp_path: Path) -> None:
    one, two = (FolderTarget(tmp_path / name) for name in ("one", "two"))
    for target in (one, two):
        generic(target, "2026-10", rows("2026-10", 1.0))
    commands.set(
        {
            "SOURCES__FOCUS__EXPORTS": '["one", "two"]',
            "SOURCES__FOCUS__ONE__BUCKET_URL": one.root.as_uri(),
            "SOURCES__FOCUS__TWO__BUCKET_URL": two.root.as_uri(),
        }
    )
    commands.well("load focus", "normalize focus")
    assert failed(commands) == ["focus_counted_twice"]


@pytest.mark.thorough
def test_lost_rows_and_rows_of_another_month_are_named(
    commands: Commands, bucket: FolderTarget
) -> None:
    generic(bucket, "2026-10", [*rows("2026-10", 8.0), *rows("2026-09", 0.5)])
    commands.well("load focus", "normalize focus")
    (path,) = (commands.data / "normalized_focus").rglob("*.parquet")
    whole = pq.read_table(path)
    assert failed(commands) == ["focus_foreign_period"]
    pq.write_table(whole.slice(0, 1), path)
    assert "focus_conservation" in failed(commands)


@pytest.mark.thorough
def test_an_export_that_stopped_while_another_goes_on_is_named(
    commands: Commands, tmp_path: Path
) -> None:
    days = {"acme": (20, 30), "other": (20,), "monthly": (1,)}
    commands.set({"SOURCES__FOCUS__EXPORTS": '["acme", "other", "monthly"]'})
    for name, own in days.items():
        target = FolderTarget(tmp_path / name)
        found = [row("2026-10", day, 1.0, name, BillingAccountId=name) for day in own]
        if name == "monthly":
            found[0]["ChargePeriodEnd"] = found[0]["BillingPeriodEnd"]
        generic(target, "2026-10", found)
        commands.set({f"SOURCES__FOCUS__{name.upper()}__BUCKET_URL": target.root.as_uri()})
    commands.well("load focus", "normalize focus")
    assert failed(commands) == ["focus_stopped"]
    assert "│ other  │ 2026-10-20 │ 2026-10-30    │" in commands("check").out


@pytest.mark.thorough
def test_costs_in_another_currency_are_converted_by_the_rates(
    commands: Commands, bucket: FolderTarget, tmp_path: Path
) -> None:
    rates = tmp_path / "rates.csv"
    rates.write_text("rate_date:date,currency:currency,units_per_eur:rate\n"
                     "2026-10-01,USD,1.25\n2026-10-01,CHF,0.5\n")  # fmt: skip
    commands.set({"NORMALIZE__FX_RATES": str(rates)})
    generic(bucket, "2026-10", rows("2026-10", 8.0, BillingCurrency="CHF"))
    commands.well("load focus")
    commands.well("normalize focus", marts=True)
    found = mart(commands, "costs", "billing_currency, x_billed_cost_usd, billed_cost")
    assert found == [("CHF", None, 8.0)]
    assert mart(commands, "margin_by_source", "source, sum(cost_billed)", "group by 1") == [
        ("focus", 20.0)
    ]


def test_a_listing_that_is_not_settled_is_left_for_later(
    commands: Commands, bucket: FolderTarget
) -> None:
    now = datetime.now(UTC)
    commands.set({"SOURCES__FOCUS__SETTLE_MINUTES": "15"})
    generic(bucket, "2026-09", rows("2026-09", 1.0), at=now - timedelta(minutes=16))
    generic(bucket, "2026-10", rows("2026-10", 2.0), at=now - timedelta(minutes=10))
    ran = commands("load", "focus")
    assert ran.out == "focus: 1 loaded, 0 unchanged, 0 failed\n"
    bucket.put("focus/billing_period=2026-10/_SUCCESS", b"", now)
    assert commands("load", "focus").out == "focus: 1 loaded, 1 unchanged, 0 failed\n"


@pytest.mark.thorough
def test_a_bucket_on_s3_is_read(commands: Commands, s3: S3Bucket) -> None:
    commands.set(
        s3.dlt_environ("SOURCES__FOCUS")
        | {"SOURCES__FOCUS__BUCKET_URL": f"{s3.url}/focus", "SOURCES__FOCUS__SETTLE_MINUTES": "0"}
    )
    generic(s3.target, "2026-09", rows("2026-09", 1.0, 2.0))
    generic(s3.target, "2026-10", rows("2026-10", 4.0), extension="csv.gz")
    commands.well("load focus", "normalize focus", "doctor")
    generic(s3.target, "2026-10", rows("2026-10", 8.0), extension="csv.gz")
    assert commands("load", "focus").out == "focus: 1 loaded, 1 unchanged, 0 failed\n"
    commands.well("normalize focus")
    assert months(commands) == [("2026-09@main", 2, 3.0), ("2026-10@main", 1, 8.0)]
    assert "test-secret" not in "".join(commands.printed)


@pytest.mark.thorough
def test_dlt_alone_loads_it_and_a_restated_month_replaces_itself(
    bucket: FolderTarget, tmp_path: Path
) -> None:
    from pipelines.focus_pipeline import focus

    pipeline = dlt.pipeline(
        "stock_focus",
        destination=dlt.destinations.duckdb(str(tmp_path / "stock.duckdb")),
        dataset_name="focus",
    )
    generic(bucket, "2026-09", rows("2026-09", 1.0))
    generic(bucket, "2026-10", rows("2026-10", 2.0, 4.0))
    pipeline.run(focus(bucket_url=bucket.root.as_uri()))
    generic(bucket, "2026-10", rows("2026-10", 8.0))
    pipeline.run(focus(bucket_url=bucket.root.as_uri()))
    with pipeline.sql_client() as client:
        found = client.execute_sql(
            "select billing_period, count(*), sum(billed_cost) from cost_and_usage "
            "group by 1 order by 1"
        )
    assert list(found or ()) == [("2026-09@main", 1, 1.0), ("2026-10@main", 1, 8.0)]


@pytest.mark.thorough
def test_clickhouse_publishes_the_same(
    commands: Commands, bucket: FolderTarget, clickhouse: ClickHouseConfig
) -> None:
    generic(bucket, "2026-08", [row("2026-08", 1, 1.25, x_Discount=0.1)])
    generic(bucket, "2026-09", rows("2026-09", 4.0, BillingCurrency="EUR"), extension="csv")
    generic(bucket, "2026-10", [newest("2026-10", 1, 8.5, x_Discount="a tenth")])
    commands.well("load focus", "normalize focus")
    local = mart(commands, "costs", "* exclude (x_dlt_load_id)", "order by all")
    commands.set(environ(clickhouse, commands.data))
    commands.well("load focus")
    there = query(clickhouse, "select * except (x_dlt_load_id) from costs order by all")
    assert len(there) == 3
    assert [sorted(map(repr, row)) for row in there] == [sorted(map(repr, row)) for row in local]
    generic(bucket, "2026-10", rows("2026-10", 16.0))
    commands.well("load focus")
    assert query(clickhouse, f"select {PERIOD} from costs {BY_PERIOD}") == [
        ("2026-08@main", 1, 1.25),
        ("2026-09@main", 1, 4.0),
        ("2026-10@main", 1, 16.0),
    ]
    said = commands("check", "--without", "missing_rate")
    assert said.out.endswith(" 0 failed\n"), said

"""The documented examples and a real sample of several clouds, from file to dashboards."""

from __future__ import annotations

import csv
import math
import shutil
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.cli import report
from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.aws.targets import FolderTarget
from scripts.sandbox.focus import rows
from scripts.sandbox.focus.deliveries import azure, generic
from tests.conftest import ROOT
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import mart
from tests.support.published_clickhouse import environ, query
from tests.support.rill.project import ROOT as RILL
from tests.support.rill.project import Project, dimensions
from tests.support.rill.sql import DuckEngine, make_models
from tests.support.rill.sql import query as query_of

EXAMPLES = ROOT / "docs" / "examples" / "focus"
SAMPLE = ROOT / "tests" / "data" / "aws" / "focus_1_0_sample.csv"
RATES = "rate_date:date,currency:currency,units_per_eur:rate\n2026-10-01,USD,1.25\n"


@pytest.mark.thorough
def test_an_invoice_by_hand_and_usage_priced_in_tokens_reach_the_dashboards(
    commands: Commands, tmp_path: Path
) -> None:
    (tmp_path / "rates.csv").write_text(RATES)
    commands.set(
        {
            "NORMALIZE__FX_RATES": str(tmp_path / "rates.csv"),
            "SOURCES__FOCUS__EXPORTS": '["notes", "model"]',
            "SOURCES__FOCUS__NOTES__BUCKET_URL": (EXAMPLES / "saas").as_uri(),
            "SOURCES__FOCUS__MODEL__BUCKET_URL": (EXAMPLES / "tokens").as_uri(),
        }
    )
    assert commands("load", "focus").out == "focus: 2 loaded, 0 unchanged, 0 failed\n"
    commands.well("normalize focus", marts=True)
    assert commands("check").out.endswith(" 0 failed\n")
    columns = (
        "x_partition, provider_name, charge_category, service_category, invoice_id, "
        "billing_currency, round(sum(billed_cost), 6), round(sum(list_cost), 6)"
    )
    assert mart(commands, "costs", columns, "group by all order by all") == [
        ("2026-10@model", "Example AI", "Usage", "AI and Machine Learning", None, "USD", 13.3,
         13.3),
        ("2026-10@notes", "Example Notes", "Purchase", "Business Applications", "INV-2026-1007",
         "EUR", 237.5, 250.0),
        ("2026-10@notes", "Example Notes", "Tax", "Business Applications", "INV-2026-1007",
         "EUR", 48.62, 48.62),
        ("2026-10@notes", "Example Notes", "Usage", "Business Applications", "INV-2026-1007", "EUR",
         18.4, 18.4),
    ]  # fmt: skip
    # tokens by team and day, for the unit cost of a feature
    columns = "x_usage_date, tag_team, sum(consumed_quantity), round(sum(effective_cost), 6)"
    days = "where consumed_unit = 'Tokens' group by all order by all"
    assert mart(commands, "costs_daily", columns, days) == [
        (date(2026, 10, 1), "search", 1_350_000.0, 3.9),
        (date(2026, 10, 2), "search", 2_700_000.0, 7.8),
        (date(2026, 10, 2), "support", 800_000.0, 1.6),
    ]
    # what the boards show, in USD: 304.52 EUR at 1.25 and 13.30 USD
    assert mart(
        commands, "margin_by_source", "source, round(sum(cost_billed), 4)", "group by 1"
    ) == [("focus", 393.95)]
    columns = "provider_name, id, round(billed, 4)"
    rest = "where kind = 'service' and month = '2026-10-01' order by 1"
    assert mart(commands, "cost_movers", columns, rest) == [
        ("Example AI", "Model API", 13.3),
        ("Example Notes", "Example Notes", 380.65),
    ]
    boards, page = _shown(commands, tmp_path)
    assert [(name, round(billed or 0, 6), *lines) for name, billed, *lines in boards] == [
        ("Example AI", 13.3, 5, 0),
        ("Example Notes", 0, 3, 3),  # this view has no rate but a provider's own
    ]
    assert [name for name in ("Example Notes", "Model API") if name not in page] == []
    # 237.50 and 18.40 EUR of the team's wiki; nobody's tax; tokens by their teams
    columns = "team, round(sum(cost)::double, 4)"
    assert mart(commands, "cost_allocated", columns, "group by 1 order by 1") == [
        ("platform", 319.88),
        ("search", 11.7),
        ("support", 1.6),
        ("unallocated", 60.77),
    ]


def _shown(commands: Commands, folder: Path) -> tuple[list[tuple[Any, ...]], str]:
    """What Rill's view of cost shows by provider, and the report's page."""
    project, root, page = Project.read(), folder / "rill", folder / "page.html"
    root.mkdir()
    (root / "data").symlink_to(commands.data)
    shutil.copytree(RILL / "empty", root / "empty")
    engine = DuckEngine(root)
    make_models(project, engine, "dev")
    view = project.of("metrics_view")["costs"]
    by = {"provider": dimensions(view)["provider"]}
    found = engine.rows(query_of(view, by, ["billed", "lines", "lines_without_usd"]))
    assert report.main(["--out", str(page)]) == 0
    return sorted(found), page.read_text(encoding="utf-8")


@pytest.mark.thorough
def test_what_came_in_as_focus_goes_out_as_focus_that_keeps_the_rules(
    commands: Commands, tmp_path: Path
) -> None:
    az, google = (FolderTarget(tmp_path / name) for name in ("az", "google"))
    azure(az, "2026-10", [rows.azure_preview("2026-10", day, 1.0) for day in (1, 2)])
    generic(google, "2026-10", [rows.google("2026-10", day, 2.0) for day in (1, 2)])
    commands.set(
        {
            "SOURCES__FOCUS__EXPORTS": '["notes", "model", "az", "google"]',
            "SOURCES__FOCUS__NOTES__BUCKET_URL": (EXAMPLES / "saas").as_uri(),
            "SOURCES__FOCUS__MODEL__BUCKET_URL": (EXAMPLES / "tokens").as_uri(),
            "SOURCES__FOCUS__AZ__BUCKET_URL": az.root.as_uri(),
            "SOURCES__FOCUS__GOOGLE__BUCKET_URL": google.root.as_uri(),
        }
    )
    commands.well("load focus", "normalize focus")
    ran = commands("focus", "--to", str(tmp_path / "out"), "--check")
    assert (ran.status, " passed, 0 failed, " in ran.out) == (0, True), ran.out
    (path,) = (tmp_path / "out" / "cost_and_usage").glob("*.parquet")
    table = pq.read_table(path, columns=["ProviderName", "BillingCurrency", "BilledCost"])
    sums = table.group_by(["ProviderName", "BillingCurrency"]).aggregate([("BilledCost", "sum")])
    found = {each["ProviderName"]: round(each["BilledCost_sum"], 6) for each in sums.to_pylist()}
    assert found == {
        "Example AI": 13.3,
        "Example Notes": 304.52,
        "Google Cloud": 4.0,
        "Microsoft": 2.0,
    }


@pytest.fixture
def sample(tmp_path: Path, commands: Commands) -> list[dict[str, str]]:
    """The FOCUS project's own sample as an export by billing period; its rows."""
    with SAMPLE.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        found, header = list(reader), reader.fieldnames or []
    target = FolderTarget(tmp_path / "bucket")
    by_month: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for each in found:
        by_month[each["BillingPeriodStart"][:7]].append(each)
    for month, own in by_month.items():
        path = target.root / f"billing_period={month}" / "sample.csv"
        path.parent.mkdir(parents=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, header)
            writer.writeheader()
            writer.writerows(own)
    commands.set({"SOURCES__FOCUS__BUCKET_URL": target.root.as_uri()})
    return found


@pytest.mark.thorough
def test_a_real_sample_of_several_clouds_is_whole_on_both_destinations(
    commands: Commands, sample: list[dict[str, str]], clickhouse: ClickHouseConfig
) -> None:
    commands.well("load focus", "normalize focus")
    expected: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in sample:
        expected[each["ProviderName"]] += Decimal(each["BilledCost"])
    columns = "provider_name, count(*), sum(billed_cost)"
    found = mart(commands, "costs", columns, "group by 1 order by 1")
    counted = Counter(each["ProviderName"] for each in sample)
    assert {name: count for name, count, _ in found} == counted
    assert sum(counted.values()) == 1000
    for name, _, billed in found:
        assert math.isclose(billed, float(expected[name]), rel_tol=1e-12, abs_tol=1e-12), name
    local = mart(commands, "costs", "* exclude (x_dlt_load_id)", "order by all")
    commands.set(environ(clickhouse, commands.data))
    commands.well("load focus")
    there = query(clickhouse, "select * except (x_dlt_load_id) from costs order by all")
    ours, theirs = (
        Counter(tuple(sorted(map(repr, row))) for row in each) for each in (local, there)
    )
    assert ours == theirs

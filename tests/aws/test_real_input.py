"""Real bills of public projects, delivered as AWS does: totals by service are the files' own.

tests/data/README.md says where the files come from.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from scripts.sandbox.aws.targets import Target
from tests.conftest import ROOT, FolderBucket, S3Bucket
from tests.support.commands import Commands

DATA = ROOT / "tests" / "data" / "aws"
CUR, FOCUS = DATA / "aws_cur_legacy_sample.csv", DATA / "focus_1_0_sample.csv"

Row = Mapping[str, str]


def read(path: Path) -> list[dict[str, str]]:
    """The file's rows as text."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def sums(rows: Iterable[Row], by: str, cost: str) -> dict[str, Decimal]:
    """The exact sum of one column by another."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[row[by]] += Decimal(row[cost])
    return dict(found)


def published(rows: Iterable[Mapping[str, Any]], by: str, cost: str) -> dict[str, float]:
    """The sum of a published column by another."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        values[row[by]].append(row[cost])
    return {key: math.fsum(each) for key, each in values.items()}


def assert_equal(found: Mapping[str, float], expected: Mapping[str, Decimal]) -> None:
    """Equal keys, and sums that differ by no more than the last digits of their addends."""
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        assert math.isclose(found[key], float(value), rel_tol=1e-12, abs_tol=1e-12), key


def deliver_cur(target: Target) -> None:
    """The sample as AWS delivers a legacy report: gzipped, in its month's folder, a manifest."""
    folder = "billing/anycompany-cur/20231101-20231201"
    key = f"{folder}/anycompany-cur-00001.csv.gz"
    header = CUR.read_text(encoding="utf-8-sig").splitlines()[0].split(",")
    manifest = {
        "assemblyId": "20231203T061500Z",
        "account": "123412340534",
        "columns": [dict(zip(("category", "name"), n.split("/"), strict=True)) for n in header],
        "charset": "UTF-8",
        "compression": "GZIP",
        "contentType": "text/csv",
        "reportName": "anycompany-cur",
        "billingPeriod": {"start": "20231101T000000.000Z", "end": "20231201T000000.000Z"},
        "bucket": "anycompany-billing",
        "reportKeys": [key],
        "additionalArtifactKeys": [],
    }
    target.put(key, gzip.compress(CUR.read_bytes(), mtime=0))
    target.put(f"{folder}/anycompany-cur-Manifest.json", json.dumps(manifest).encode())


def aws_rows() -> list[dict[str, str]]:
    """The FOCUS sample is of several clouds; AWS's own export holds AWS's rows."""
    return [row for row in read(FOCUS) if row["ProviderName"] == "AWS"]


def deliver_focus(target: Target) -> None:
    """AWS's rows of the sample as a FOCUS 1.0 export, a file per billing period."""
    rows = aws_rows()
    for period in {row["BillingPeriodStart"][:7] for row in rows}:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["BillingPeriodStart"].startswith(period))
        key = f"billing/focus/data/billing_period={period}/focus-00001.csv.gz"
        manifest = {"executionId": "1", "dataFiles": [f"s3://anycompany-billing/{key}"]}
        target.put(key, gzip.compress(text.getvalue().encode(), mtime=0))
        where = f"billing/focus/metadata/billing_period={period}/focus-Manifest.json"
        target.put(where, json.dumps(manifest).encode())


@pytest.fixture(params=["file", "s3"])
def target(request: pytest.FixtureRequest, commands: Commands, aws_bucket: FolderBucket) -> Target:
    """A bucket that the commands read from."""
    if request.param == "file":
        commands.read_from(aws_bucket.url)
        return aws_bucket
    s3: S3Bucket = request.getfixturevalue("s3")
    commands.set(s3.environ)  # AWS's own variables, as on a machine of one's own
    commands.read_from(f"{s3.url}/billing/")
    return s3.target


@pytest.mark.quick("file")
def test_a_real_cur_has_the_file_s_own_totals_by_service(
    target: Target, commands: Commands
) -> None:
    deliver_cur(target)
    assert commands("load", "aws").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    assert commands.normalised("aws") == "aws: 1 normalised, 0 failed\n"
    real, rows = read(CUR), commands.costs("2023-11")
    assert len(rows) == len(real) == 1281
    expected = sums(real, "product/ProductName", "lineItem/UnblendedCost")
    assert len(expected) > 5
    for cost in ("billed_cost", "effective_cost", "contracted_cost"):
        assert_equal(published(rows, "service_name", cost), expected)
    assert_equal(
        published(rows, "x_line_item_type", "billed_cost"),
        sums(real, "lineItem/LineItemType", "lineItem/UnblendedCost"),
    )
    assert_equal(
        published(rows, "sub_account_id", "consumed_quantity"),
        sums(real, "lineItem/UsageAccountId", "lineItem/UsageAmount"),
    )


@pytest.mark.thorough
def test_a_real_cur_keeps_its_texts(target: Target, commands: Commands) -> None:
    deliver_cur(target)
    commands.well("load", "normalize")
    real, rows = read(CUR), commands.costs("2023-11")
    pairs = {
        "charge_description": "lineItem/LineItemDescription",
        "x_line_item_type": "lineItem/LineItemType",
        "billing_currency": "lineItem/CurrencyCode",
        "publisher_name": "lineItem/LegalEntity",
        "sku_id": "product/sku",
        "pricing_unit": "pricing/unit",
        "availability_zone": "lineItem/AvailabilityZone",
    }
    for name, original in pairs.items():
        assert [row[name] for row in rows] == [row[original] or None for row in real], name
    starts = [row["lineItem/UsageStartDate"] for row in real]
    assert [f"{row['charge_period_start']:%Y-%m-%dT%H:%M:%S.000Z}" for row in rows] == starts
    assert commands("check").status == 0


@pytest.mark.quick("file")
def test_real_focus_rows_have_the_file_s_own_totals_by_service(
    target: Target, commands: Commands
) -> None:
    deliver_focus(target)
    periods = sorted({row["BillingPeriodStart"][:7] for row in aws_rows()})
    assert commands("load").out == f"aws: {len(periods)} loaded, 0 unchanged, 0 failed\n"
    commands.well("normalize")
    rows = [row for period in periods for row in commands.costs(period)]
    real = aws_rows()
    assert len(rows) == len(real) > 100
    for name, original in {
        "billed_cost": "BilledCost",
        "effective_cost": "EffectiveCost",
        "list_cost": "ListCost",
        "contracted_cost": "ContractedCost",
    }.items():
        expected = sums(real, "ServiceName", original)
        assert_equal(published(rows, "service_name", name), expected)
    count: Callable[[Iterable[Any]], Counter[Any]] = Counter
    assert count(row["charge_category"] for row in rows) == count(
        row["ChargeCategory"] for row in real
    )
    tags = [json.loads(row["Tags"]) if row["Tags"] != "NULL" else None for row in real]
    assert count(str(sorted((row or {}).items())) for row in tags) == count(
        str(sorted(row["tags"] or [])) for row in rows
    )
    assert commands.delivery(periods[0])["form"] == "FOCUS, data export"

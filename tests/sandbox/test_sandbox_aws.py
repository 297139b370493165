"""The AWS sandbox: the same bytes each time, and bills that add up."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.sandbox.aws import commitments, focus, months
from tests.conftest import ROOT, FolderBucket

Line = dict[str, Any]


@cache
def month(period: str, restated: bool = False, discount: Any = "columns") -> tuple[Line, ...]:
    return tuple(months.line_items(period, restated, discount=discount))


def every_month() -> list[tuple[Line, ...]]:
    return [*(month(period) for period in months.PERIODS), month("2026-09", True)]


def net(row: Line, name: str = "line_item_unblended_cost") -> float:
    group = next(g for g in ("line_item", "reservation", "savings_plan") if name.startswith(g))
    value = row.get(f"{group}_net_{name.removeprefix(f'{group}_')}")
    return float(row[name] if value is None else value)


def of_type(rows: Iterable[Line], *kinds: str) -> list[Line]:
    return [row for row in rows if row["line_item_line_item_type"] in kinds]


def total(values: Iterable[float]) -> float:
    return round(math.fsum(values), 6)


def parquet(bucket: FolderBucket, key: str) -> pa.Table:
    return pq.read_table(io.BytesIO(bucket.read(key)))


def csv_rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(body).decode())))


@pytest.mark.thorough
def test_the_command_builds_the_same_bytes_in_every_process(
    tmp_path: Path, aws_bucket: FolderBucket
) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "scripts.sandbox", "aws", "--dir", str(tmp_path / "b")],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
    )
    data = tmp_path / "b/billing/example-cur2/data"
    assert run.stdout.splitlines() == [
        f"aws 2026-07: 7,256 rows, 2 files, {data}/BILLING_PERIOD=2026-07",
        f"aws 2026-08: 7,303 rows, 2 files, {data}/BILLING_PERIOD=2026-08",
        f"aws 2026-09: 7,147 rows, 3 files, {data}/BILLING_PERIOD=2026-09",
        f"aws 2026-10: 7,332 rows, 2 files, {data}/BILLING_PERIOD=2026-10",
    ]
    months.build(aws_bucket)
    theirs = FolderBucket(tmp_path / "b")
    assert theirs.keys() == aws_bucket.keys()
    changed = [k for k in aws_bucket.keys(prefix="") if aws_bucket.read(k) != theirs.read(k)]
    assert changed == []


@pytest.mark.thorough
def test_the_second_delivery_replaces_one_month_only(aws_bucket: FolderBucket) -> None:
    months.build(aws_bucket)
    before = {key: aws_bucket.read(key) for key in aws_bucket.keys(prefix="")}
    (made,) = months.build(aws_bucket, restated=True)
    changed = [k for k in aws_bucket.keys(prefix="") if aws_bucket.read(k) != before[k]]
    data = "billing/example-cur2/data/BILLING_PERIOD=2026-09"
    assert made.files == [f"{data}/example-cur2-0000{n}.snappy.parquet" for n in (1, 2)]
    assert made.emptied == [f"{data}/example-cur2-00003.snappy.parquet"]
    assert changed == [*made.files, *made.emptied, made.manifest]


@pytest.mark.thorough
@pytest.mark.parametrize("form", months.FORMS)
def test_every_form_carries_the_same_bill(aws_bucket: FolderBucket, form: str) -> None:
    rows = month("2026-09", True)
    (made,) = months.build(aws_bucket, restated=True, form=form)
    lines: list[Line] = []
    for key in made.files:
        body = aws_bucket.read(key)
        lines += csv_rows(body) if key.endswith("csv.gz") else parquet(aws_bucket, key).to_pylist()
    column = {
        "legacy-csv": "lineItem/NetUnblendedCost",
        "focus": "BilledCost",
    }.get(form, "line_item_net_unblended_cost")
    assert made.rows == len(lines)
    assert total(float(line[column]) for line in lines) == total(net(row) for row in rows)


@pytest.mark.thorough
def test_the_focus_form_carries_the_same_effective_cost() -> None:
    for rows in every_month():
        made = focus.focus_rows(rows, "1.2")
        assert total(line["EffectiveCost"] for line in made) == total(map(effective, rows))


def effective(row: Line) -> float:
    """The rule of AWS's own dashboards, written here apart from the sandbox."""
    match row["line_item_line_item_type"]:
        case "DiscountedUsage":
            return net(row, "reservation_effective_cost")
        case "RIFee":
            upfront = net(row, "reservation_unused_amortized_upfront_fee_for_billing_period")
            return upfront + net(row, "reservation_unused_recurring_fee")
        case "SavingsPlanCoveredUsage":
            return net(row, "savings_plan_savings_plan_effective_cost")
        case "SavingsPlanRecurringFee":
            total_commitment: float = row["savings_plan_total_commitment_to_date"]
            return total_commitment - float(row["savings_plan_used_commitment"])
        case "SavingsPlanNegation" | "SavingsPlanUpfrontFee":
            return 0.0
        case "Fee" if row.get("reservation_reservation_a_r_n"):
            return 0.0
        case "Refund" if row["line_item_product_code"] == "ComputeSavingsPlans":
            return 0.0
    return net(row)


# The bills


@pytest.mark.thorough
def test_the_bills_are_those_of_a_company_of_25_to_35_thousand_dollars() -> None:
    bills = {period: total(map(net, month(period))) for period in months.PERIODS}
    assert {period: round(bill, 2) for period, bill in bills.items()} == {
        "2026-07": 29045.93,
        "2026-08": 34935.16,
        "2026-09": 30078.74,
        "2026-10": 25296.60,
    }
    assert {period: len(month(period)) for period in months.PERIODS} == {
        "2026-07": 7256,
        "2026-08": 7303,
        "2026-09": 7147,
        "2026-10": 7332,
    }


@pytest.mark.thorough
def test_every_line_item_type_is_there() -> None:
    kinds = Counter(row["line_item_line_item_type"] for rows in every_month() for row in rows)
    assert sorted(kinds) == [
        "Credit",
        "DiscountedUsage",
        "Fee",
        "RIFee",
        "Refund",
        "SavingsPlanCoveredUsage",
        "SavingsPlanNegation",
        "SavingsPlanRecurringFee",
        "SavingsPlanUpfrontFee",
        "Tax",
        "Usage",
    ]


@pytest.mark.thorough
def test_reserved_usage_and_unused_fees_add_up_to_each_reservation() -> None:
    for rows in every_month():
        for reservation in commitments.RESERVATIONS:
            mine = [
                row for row in rows if row.get("reservation_reservation_a_r_n") == reservation.arn
            ]
            used = sum(
                net(row, "reservation_effective_cost") for row in of_type(mine, "DiscountedUsage")
            )
            fees = of_type(mine, "RIFee")
            unused = sum(map(effective, fees))
            whole = sum(
                net(row, "reservation_amortized_upfront_fee_for_billing_period") + net(row)
                for row in fees
            )
            assert used + unused == pytest.approx(whole, abs=1e-6), reservation.id
            assert unused >= 0


@pytest.mark.thorough
def test_covered_usage_and_negation_cancel_on_every_day() -> None:
    for rows in every_month():
        days: dict[tuple[datetime, str], float] = defaultdict(float)
        for row in of_type(rows, "SavingsPlanCoveredUsage", "SavingsPlanNegation"):
            key = (row["line_item_usage_start_date"], row["savings_plan_savings_plan_a_r_n"])
            days[key] += net(row)
        assert len(days) >= 28
        assert max(map(abs, days.values())) < 1e-6


@pytest.mark.thorough
def test_a_savings_plan_is_used_by_exactly_what_it_covers() -> None:
    for rows in every_month():
        covered: dict[tuple[datetime, str], float] = defaultdict(float)
        for row in of_type(rows, "SavingsPlanCoveredUsage"):
            key = (row["line_item_usage_start_date"], row["savings_plan_savings_plan_a_r_n"])
            covered[key] += row["savings_plan_savings_plan_effective_cost"]
        fees = of_type(rows, "SavingsPlanRecurringFee")
        for fee in fees:
            key = (fee["line_item_usage_start_date"], fee["savings_plan_savings_plan_a_r_n"])
            used = fee["savings_plan_used_commitment"]
            assert covered.get(key, 0.0) == pytest.approx(used, abs=1e-6)
            assert used <= fee["savings_plan_total_commitment_to_date"] + 1e-6
        assert any(
            fee["savings_plan_total_commitment_to_date"] - fee["savings_plan_used_commitment"] > 1
            for fee in fees
        )


@pytest.mark.thorough
def test_upfront_fees_are_paid_in_the_month_of_purchase() -> None:
    fees = {
        rows[0]["bill_billing_period_start_date"].strftime("%Y-%m"): sorted(
            (row["line_item_line_item_type"], row["line_item_unblended_cost"])
            for row in of_type(rows, "Fee", "SavingsPlanUpfrontFee")
            if row.get("reservation_reservation_a_r_n")
            or row["line_item_product_code"] == "ComputeSavingsPlans"
        )
        for rows in map(month, months.PERIODS)
    }
    assert fees == {
        "2026-07": [("Fee", 1836.0)],
        "2026-08": [("SavingsPlanUpfrontFee", 9636.0)],
        "2026-09": [("Fee", 5255.0)],
        "2026-10": [("SavingsPlanUpfrontFee", 876.0)],
    }


def test_a_returned_savings_plan_costs_nothing() -> None:
    rows = [
        row
        for row in month("2026-10")
        if row.get("savings_plan_savings_plan_a_r_n") == commitments.RETURNED_PLAN.arn
    ]
    kinds = sorted((row["line_item_line_item_type"], net(row)) for row in rows)
    assert kinds == [("Refund", -823.44), ("SavingsPlanUpfrontFee", 823.44)]


@pytest.mark.thorough
def test_the_enterprise_discount_is_columns_or_rows_and_never_both() -> None:
    assert not any("line_item_net_unblended_cost" in row for row in month("2026-07"))
    for period in months.PERIODS[1:]:
        columns, rows = month(period), month(period, False, "rows")
        assert all("line_item_net_unblended_cost" in row for row in columns)
        assert of_type(columns, "EdpDiscount") == []
        assert not any("line_item_net_unblended_cost" in row for row in rows)
        assert len(of_type(rows, "EdpDiscount")) > 500
        assert total(row["line_item_unblended_cost"] for row in rows) == total(map(net, columns))
        shown = sum(value for row in columns for value in row["discount"].values())
        assert shown == pytest.approx(sum(r["discount_total_discount"] for r in columns))


@pytest.mark.thorough
def test_split_cost_rows_share_out_the_amortised_cost_of_their_nodes() -> None:
    for rows in every_month():
        nodes: dict[tuple[str, datetime], float] = defaultdict(float)
        pods: dict[tuple[str, datetime], float] = defaultdict(float)
        for row in rows:
            day = row["line_item_usage_start_date"]
            if row["line_item_operation"] == "EKSPod-EC2":
                assert row["line_item_unblended_cost"] == 0
                split = row["split_line_item_split_cost"] + row["split_line_item_unused_cost"]
                pods[row["split_line_item_parent_resource_id"], day] += split
            elif row["resource_tags"].get("user:Name", "").startswith("node-"):
                gross = {k: v for k, v in row.items() if "_net_" not in k}
                nodes[row["line_item_resource_id"], day] += effective(gross)
        assert len(pods) == 4 * len({day for _, day in pods})
        assert pods == {key: pytest.approx(nodes[key], abs=1e-6) for key in pods}


@pytest.mark.thorough
def test_a_restated_month_gets_a_credit_loses_rows_and_corrects_one() -> None:
    def content(rows: tuple[Line, ...]) -> Counter[str]:
        return Counter(
            json.dumps({k: v for k, v in row.items() if k != "identity_line_item_id"}, default=str)
            for row in rows
        )

    first, second = month("2026-09"), month("2026-09", True)
    gone = [json.loads(text) for text in (content(first) - content(second)).elements()]
    new = [json.loads(text) for text in (content(second) - content(first)).elements()]
    assert Counter(row["line_item_product_code"] for row in gone) == {
        "AWSLambda": 12,
        "AmazonS3": 1,
    }
    assert sorted((row["line_item_product_code"], net(row)) for row in new) == [
        ("AmazonEC2", -1200.0),
        (
            "AmazonS3",
            pytest.approx(next(net(r) for r in gone if "S3" in r["line_item_product_code"]) / 2),
        ),
    ]
    assert round(total(map(net, second)), 2) == 28852.10


@pytest.mark.thorough
def test_line_item_ids_are_unique_in_a_delivery_and_new_in_the_next() -> None:
    first, second = (
        {row["identity_line_item_id"] for row in month("2026-09", restated)}
        for restated in (False, True)
    )
    assert len(first) == len(month("2026-09"))
    assert first & second == set()
    assert {len(identity) for identity in first} == {52}


def test_tags_are_hostile_missing_and_aws_own() -> None:
    rows = month("2026-10")
    keys = {key for row in rows for key in row["resource_tags"]}
    assert keys == {
        "aws:createdBy",
        "aws:eks:cluster-name",
        "aws:eks:namespace",
        "user:Application",
        "user:Cost Center",
        "user:Environment",
        "user:Größe",
        "user:Name",
        "user:Team",
        "user:a-b",
        "user:a_b",
        "user:environment",
        "user:it's",
        'user:x,"y";z',
    }
    untagged = sum(not row["resource_tags"] for row in of_type(rows, "Usage"))
    assert 0.05 < untagged / len(of_type(rows, "Usage")) < 0.35
    accounts = {row["line_item_usage_account_name"] for row in rows}
    assert accounts == {"example-production", "example-staging", "example-data"}
    assert {row["product_region_code"] for row in rows} >= {"us-east-1", "us-west-2", "eu-west-1"}


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Unknown form 'cur3'\. Use one of: cur2, "):
        months.build(tmp_path / "b", form="cur3")

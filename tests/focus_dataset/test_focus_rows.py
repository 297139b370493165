"""Rows of the FOCUS dataset by the cost lines that they are made of."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.focus.check import Outcome, check
from pipelines.focus.export import export
from pipelines.tables.focus_dataset.columns import MART, arrow_dataset
from tests.support.focus_lines import TableLines, cost_lines, table

START = datetime(2026, 7, 1, tzinfo=UTC)
LINE: dict[str, Any] = {
    "provider_name": "AWS",
    "billing_account_id": "1111",
    "billing_period_start": START,
    "billing_period_end": START + timedelta(days=31),
    "charge_period_start": START + timedelta(hours=1),
    "charge_period_end": START + timedelta(hours=2),
    "charge_category": "Usage",
    "charge_description": "An hour",
    "charge_frequency": "Usage-Based",
    "service_category": "Compute",
    "service_name": "Amazon Elastic Compute Cloud",
    "sku_id": "SKU1",
    "pricing_quantity": 2.0,
    "pricing_unit": "Hrs",
    "billed_cost": 4.0,
    "effective_cost": 4.0,
    "list_cost": 6.0,
    "contracted_cost": 4.0,
    "billing_currency": "USD",
    "tags": {},
    "x_cost_categories": {},
    "x_account_tags": {},
    "x_credits": {},
    "x_source": "aws",
    "x_partition": "2026-07",
    "x_line_item_type": "Usage",
    "x_fingerprint": "f",
    "x_dlt_load_id": "1",
}
PLAN: dict[str, Any] = {
    "commitment_discount_id": "arn:plan",
    "commitment_discount_type": "Savings Plan",
    "commitment_discount_category": "Spend",
}
RESERVATION: dict[str, Any] = {
    "commitment_discount_id": "arn:ri",
    "commitment_discount_type": "Reserved Instance",
    "commitment_discount_category": "Usage",
}
COVERED: dict[str, Any] = PLAN | {
    "x_line_item_type": "SavingsPlanCoveredUsage",
    "commitment_discount_status": "Used",
    "pricing_category": "Committed",
    "effective_cost": 3.0,
}
NEGATION: dict[str, Any] = PLAN | {
    "x_line_item_type": "SavingsPlanNegation",
    "pricing_category": "Committed",
    "billed_cost": -4.0,
    "effective_cost": 0.0,
}


def dataset(
    lines: Sequence[Mapping[str, Any]], folder: Path
) -> tuple[list[dict[str, Any]], list[Outcome]]:
    """The rows that the lines become, and what the rules say of them."""
    shutil.rmtree(folder, ignore_errors=True)
    source = TableLines(table(lines), folder / "lines")
    export(source, folder / "focus", "1.2")
    outcomes = check(folder / "focus", "1.2", source.sums())
    paths = sorted((folder / "focus" / "cost_and_usage").glob("*.parquet"))
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()], outcomes


def broken(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Rules that fail, and in how many rows."""
    return {each.rule.id: each.broken for each in outcomes if each.status == "failed"}


def some(rows: Sequence[Mapping[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[name] for name in names) for row in rows), key=repr)


def test_the_unused_part_of_a_reservations_fee_is_a_row_of_usage(tmp_path: Path) -> None:
    used = LINE | RESERVATION | {
        "x_line_item_type": "DiscountedUsage", "commitment_discount_status": "Used",
        "pricing_category": "Committed", "billed_cost": 0.0, "effective_cost": 30.0,
        "pricing_quantity": 300.0,
    }  # fmt: skip
    fee = LINE | RESERVATION | {
        "x_line_item_type": "RIFee", "charge_category": "Purchase", "charge_frequency": "Recurring",
        "commitment_discount_status": "Unused", "billed_cost": 40.0, "effective_cost": 10.0,
        "list_cost": 0.0, "contracted_cost": 0.0, "pricing_quantity": 400.0,
    }  # fmt: skip
    rows, outcomes = dataset([used, fee], tmp_path)
    assert broken(outcomes) == {}
    assert some(
        rows, "ChargeCategory", "CommitmentDiscountStatus", "BilledCost", "EffectiveCost",
        "CommitmentDiscountQuantity", "CommitmentDiscountUnit", "ConsumedQuantity", "ResourceId",
    ) == [
        ("Purchase", None, 40.0, 0.0, 400.0, "Hours", None, "arn:ri"),
        ("Usage", "Unused", 0.0, 10.0, 100.0, "Hours", None, "arn:ri"),
        ("Usage", "Used", 0.0, 30.0, 300.0, "Hours", 300.0, None),
    ]  # fmt: skip


def test_what_a_savings_plan_covers_is_not_billed_and_its_negations_go(tmp_path: Path) -> None:
    rows, outcomes = dataset([LINE | COVERED, LINE | NEGATION, dict(LINE)], tmp_path)
    assert broken(outcomes) == {}
    assert some(
        rows, "x_LineItemType", "BilledCost", "EffectiveCost", "CommitmentDiscountUnit"
    ) == [
        ("SavingsPlanCoveredUsage", 0.0, 3.0, "USD"),
        ("Usage", 4.0, 4.0, None),
    ]


def test_negations_that_do_not_add_up_stay_and_a_rule_names_their_rows(tmp_path: Path) -> None:
    rows, outcomes = dataset([LINE | COVERED, LINE | NEGATION | {"billed_cost": -3.5}], tmp_path)
    assert some(rows, "x_LineItemType", "BilledCost") == [
        ("SavingsPlanCoveredUsage", 4.0),
        ("SavingsPlanNegation", -3.5),
    ]
    assert broken(outcomes) == {"BilledCost-covered": 2}


def test_what_nobody_knows_stays_unknown_and_rules_name_it(tmp_path: Path) -> None:
    unknown = LINE | {
        "charge_category": "unclassified", "effective_cost": None, "list_cost": None,
        "contracted_cost": None, "billing_currency": None,
    }  # fmt: skip
    rows, outcomes = dataset([unknown, dict(LINE)], tmp_path)
    names = ("ChargeCategory", "BilledCost", "EffectiveCost", "BillingCurrency", "ListUnitPrice")
    assert some(rows, *names) == [
        ("Usage", 4.0, 4.0, "USD", 3.0),
        ("unclassified", 4.0, None, None, None),
    ]
    assert broken(outcomes) == {
        "BillingCurrency-filled": 1,
        "ChargeCategory-values": 1,
        "ContractedCost-filled": 1,
        "EffectiveCost-filled": 1,
        "ListCost-filled": 1,
        "PricingCurrency-filled": 1,
        "PricingCurrencyEffectiveCost-filled": 1,
    }


def test_what_is_paid_back_has_a_negative_quantity_and_prices_that_are_not(tmp_path: Path) -> None:
    back = LINE | {
        "billed_cost": -4.0,
        "effective_cost": -4.0,
        "list_cost": -6.0,
        "contracted_cost": -4.0,
    }
    whole = LINE | {"pricing_quantity": None, "pricing_unit": None}
    rows, outcomes = dataset([back, whole], tmp_path)
    assert broken(outcomes) == {}
    names = ("PricingQuantity", "PricingUnit", "ListUnitPrice", "ContractedUnitPrice")
    assert some(rows, *names) == [(-2.0, "Hours", 3.0, 2.0), (1.0, "Unit", 6.0, 4.0)]


@pytest.mark.thorough
def test_names_are_ascii_and_their_originals_are_kept(tmp_path: Path) -> None:
    line = LINE | {
        "sub_account_id": "4444", "sub_account_name": "Zürich 東京",
        "tags": {"Größe": "", "a/b": 'x"\\'},
        "charge_period_start": START + timedelta(minutes=20),
        "charge_period_end": START + timedelta(hours=1, minutes=59, seconds=59),
        "invoice_issuer_name": "Amazon Web Services EMEA SARL",
    }  # fmt: skip
    rows, outcomes = dataset([line], tmp_path)
    assert broken(outcomes) == {}
    names = ("SubAccountName", "x_Originals", "Tags", "InvoiceIssuerName", "x_InvoicingEntity")
    assert some(rows, *names) == [
        (
            "Zurich ?",
            '{"SubAccountName":"Zürich 東京"}',
            '{"Größe":true,"a/b":"x\\"\\\\"}',
            "AWS",
            "Amazon Web Services EMEA SARL",
        )
    ]
    assert some(rows, "ChargePeriodStart", "ChargePeriodEnd") == [
        (START, START + timedelta(hours=2))
    ]


@pytest.mark.thorough
def test_a_line_of_a_third_partys_invoice_is_named_when_it_is_billed(tmp_path: Path) -> None:
    _, outcomes = dataset([LINE | {"invoice_issuer_name": "Reseller Ltd"}], tmp_path)
    assert broken(outcomes) == {"BilledCost-third-party": 1}


@pytest.mark.thorough
@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(cost_lines(), min_size=1, max_size=30))
def test_random_lines_keep_every_rule_and_their_sums(
    lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    _, outcomes = dataset(lines, tmp_path)
    assert broken(outcomes) == {}


def as_rows(found: pa.Table) -> list[tuple[Any, ...]]:
    columns = [
        [f"{value:.9g}" if isinstance(value, float) else value for value in column.to_pylist()]
        for column in found.columns
    ]
    return sorted(zip(*columns, strict=True), key=repr)


@pytest.mark.thorough
@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(cost_lines(), min_size=1, max_size=30))
def test_random_lines_are_the_same_rows_in_the_view_of_clickhouse(
    lines: list[dict[str, Any]], tmp_path: Path, clickhouse: ClickHouseConfig
) -> None:
    rows, _ = dataset(lines, tmp_path)
    schema = arrow_dataset("cost_and_usage", "1.2")
    settings_of_arrow = {"output_format_arrow_string_as_string": 1,
                         "output_format_arrow_low_cardinality_as_dictionary": 0}  # fmt: skip
    with ClickHouseManager(clickhouse) as manager:
        manager.execute("truncate table normalized_aws")
    with connect(clickhouse) as client:
        client.insert_arrow("normalized_aws", table(lines))
        view = client.query_arrow(f"select * from {MART}", settings=settings_of_arrow)
    assert as_rows(view.cast(schema)) == as_rows(pa.Table.from_pylist(rows, schema))

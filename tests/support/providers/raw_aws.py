"""Raw AWS tables for tests: rows as dicts of CUR 2.0 names, in the forms in which AWS delivers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from pipelines.normalize.batches import file_schema
from pipelines.providers.aws import normalize
from pipelines.tables.schema import Context, arrow_schema

Row = dict[str, Any]
"""Column → value: text, float, datetime, or [(key, value), …] for a map."""

START = datetime(2026, 10, 3, 5, tzinfo=UTC)
END = datetime(2026, 10, 3, 6, tzinfo=UTC)
PERIOD_START = datetime(2026, 10, 1, tzinfo=UTC)
PERIOD_END = datetime(2026, 11, 1, tzinfo=UTC)
PLAN = "arn:aws:savingsplans::111122223333:savingsplan/1f2e"
RESERVATION = "arn:aws:ec2:us-east-1:111122223333:reserved-instances/9a8b"

MAP = pa.map_(pa.string(), pa.string())
MAPS = ("resource_tags", "product", "tags", "cost_category", "x_cost_categories")
_NUMBERS = re.compile(
    r"line_item_usage_amount|.*_cost|.*_fee(_for_billing_period)?|savings_plan_.*commitment.*"
    r"|(consumed|pricing)_quantity"
)
_TIMES = re.compile(r".*_(start|end)_date|(billing|charge)_period_(start|end)")


def line(
    kind: str | None, cost: float | None = 0.0, /, *others: Mapping[str, Any], **columns: Any
) -> Row:
    """One CUR line of a kind that cost `cost` unblended, with further columns."""
    return {
        "line_item_line_item_type": kind,
        "line_item_unblended_cost": cost,
        "line_item_usage_start_date": START,
        "line_item_usage_end_date": END,
        "line_item_currency_code": "USD",
        **{name: value for other in others for name, value in other.items()},
        **columns,
    }


def table(rows: Sequence[Row], only: Sequence[str] | None = None) -> pa.Table:
    """Form a, CUR 2.0: the columns of all rows (or `only` those), with AWS's types."""
    names = only if only is not None else list(dict.fromkeys(name for row in rows for name in row))
    return pa.table(
        {name: pa.array([row.get(name) for row in rows], type_of(name)) for name in names}
    )


def type_of(name: str) -> pa.DataType:
    if name in MAPS:
        return MAP
    if _TIMES.fullmatch(name):
        return pa.timestamp("us", tz="UTC")
    return pa.float64() if _NUMBERS.fullmatch(name) else pa.string()


def legacy_parquet(rows: Sequence[Row]) -> pa.Table:
    """Form b: no maps, no account names, flat tag columns, nanosecond times without a zone."""
    flat = [_flat(row, lambda key: f"resource_tags_{_snake(key)}") for row in rows]
    result = table(flat)
    for at, field in enumerate(result.schema):
        if pa.types.is_timestamp(field.type):
            zoneless = result.column(at).cast(pa.timestamp("us")).cast(pa.timestamp("ns"))
            result = result.set_column(at, field.name, zoneless)
    return result


def legacy_csv(rows: Sequence[Row]) -> pa.Table:
    """Form c, as it is converted at load: the tags' own keys in one map, '' already NULL."""
    folded = []
    for row in rows:
        tags = row.get("resource_tags")
        flat = _flat(row, lambda key: f"resource_tags_{key}")
        folds = ("resource_tags_", "cost_category_")
        plain = {k: None if v == "" else v for k, v in flat.items() if not k.startswith(folds)}
        categories = [(k, v) for k, v in row.get("cost_category") or [] if v]
        maps = {"resource_tags": [(k, v) for k, v in tags or [] if v], "cost_category": categories}
        folded.append({**plain, **maps})
    return table(folded)


def focus(rows: Sequence[Mapping[str, Any]], money: pa.DataType | None = None) -> pa.Table:
    """Form d: a FOCUS export whose money is double, or of the type `money`."""
    result = table([dict(row) for row in rows])
    for at, field in enumerate(result.schema):
        if money is not None and field.name.endswith("_cost"):
            result = result.set_column(at, field.name, result.column(at).cast(money))
    return result


def retyped(raw: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    """The same table with one column of another type."""
    at = raw.schema.get_field_index(name)
    column = raw.column(at).combine_chunks()
    if pa.types.is_null(kind):
        column = pa.nulls(len(column))
    elif pa.types.is_dictionary(kind):
        encoded = column.cast(kind.value_type).dictionary_encode()
        column = pa.DictionaryArray.from_arrays(
            encoded.indices.cast(kind.index_type), encoded.dictionary
        )
    else:
        column = column.cast(kind)
    return raw.set_column(at, name, column)


def _flat(row: Row, tag_name: Callable[[str], str]) -> Row:
    plain = {k: v for k, v in row.items() if k not in MAPS and not k.endswith("account_name")}
    product = {f"product_{key}": value for key, value in row.get("product") or []}
    tags = {tag_name(key): value for key, value in row.get("resource_tags") or []}
    categories = {f"cost_category_{key}": value for key, value in row.get("cost_category") or []}
    return plain | product | tags | categories


def _snake(key: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", key.lower())


TAGS = ("Environment", "Team")
CONTEXT = Context("2026-10", "f00d", "1790000000.5", TAGS)
CARRIED = {"x_partition": "2026-10", "x_fingerprint": "f00d", "x_dlt_load_id": "1790000000.5"}


def normalized(raw: pa.Table) -> list[dict[str, Any]]:
    """Through the normaliser and into the schema of the file that is published."""
    costs = pa.Table.from_pandas(normalize.normalize(raw, CONTEXT), preserve_index=False)
    rows: list[dict[str, Any]] = costs.cast(file_schema(arrow_schema(TAGS))).to_pylist()
    return rows


ON_DEMAND = line(
    "Usage",
    0.10,
    bill_payer_account_id="111122223333",
    bill_payer_account_name="Payer",
    bill_invoicing_entity="Amazon Web Services, Inc.",
    bill_billing_entity="AWS",
    bill_invoice_id="EUINAT27-1",
    cost_category=[("BU", "retail")],
    bill_billing_period_start_date=PERIOD_START,
    bill_billing_period_end_date=PERIOD_END,
    line_item_legal_entity="Amazon Web Services, Inc.",
    line_item_usage_account_id="012345678901",
    line_item_usage_account_name="Shop",
    line_item_product_code="AmazonEC2",
    line_item_usage_type="BoxUsage:m5.large",
    line_item_operation="RunInstances",
    line_item_line_item_description="$0.096 per On Demand Linux m5.large Instance Hour",
    line_item_availability_zone="us-east-1a",
    line_item_resource_id="i-0abc",
    line_item_usage_amount=1.0,
    line_item_net_unblended_cost=0.09,
    pricing_unit="Hrs",
    pricing_rate_code="ABC.JRTC.6YS6",
    pricing_public_on_demand_cost=0.096,
    product=[("product_name", "Amazon Elastic Compute Cloud"), ("vcpu", "2")],
    product_sku="ABC",
    product_region_code="us-east-1",
    product_product_family="Compute Instance",
    resource_tags=[("user_name", "web-1"), ("user_environment", "prod"), ("aws_stack", "s")],
)
ON_DEMAND_COST = {
    "provider_name": "AWS",
    "publisher_name": "Amazon Web Services, Inc.",
    "invoice_issuer_name": "Amazon Web Services, Inc.",
    "invoice_id": "EUINAT27-1",
    "billing_account_id": "111122223333",
    "billing_account_name": "Payer",
    "sub_account_id": "012345678901",
    "sub_account_name": "Shop",
    "billing_period_start": PERIOD_START,
    "billing_period_end": PERIOD_END,
    "charge_period_start": START,
    "charge_period_end": END,
    "charge_category": "Usage",
    "charge_class": None,
    "charge_description": "$0.096 per On Demand Linux m5.large Instance Hour",
    "charge_frequency": "Usage-Based",
    "service_category": "Compute",
    "service_name": "Amazon Elastic Compute Cloud",
    "sku_id": "ABC",
    "sku_price_id": "ABC.JRTC.6YS6",
    "region_id": "us-east-1",
    "region_name": "US East (N. Virginia)",
    "availability_zone": "us-east-1a",
    "resource_id": "i-0abc",
    "resource_name": "web-1",
    "resource_type": "Compute Instance",
    "consumed_quantity": 1.0,
    "consumed_unit": "Hrs",
    "pricing_quantity": 1.0,
    "pricing_unit": "Hrs",
    "pricing_category": "Standard",
    "billed_cost": 0.09,
    "effective_cost": 0.09,
    "list_cost": 0.096,
    "contracted_cost": 0.09,
    "billing_currency": "USD",
    "commitment_discount_id": None,
    "commitment_discount_type": None,
    "commitment_discount_category": None,
    "commitment_discount_status": None,
    "tags": [("name", "web-1"), ("environment", "prod"), ("aws_stack", "s")],
    "tag_environment": "prod",
    "tag_team": None,
    "x_cost_categories": [("BU", "retail")],
    "x_account_tags": [],
    "x_billing_entity": "AWS",
    "x_commitment_family": "Compute",
    "x_commitment_end": None,
    "x_usage_date": date(2026, 10, 3),
    "x_source": "aws",
    "x_partition": "2026-10",
    "x_line_item_type": "Usage",
    "x_credit_amount": 0.0,
    "x_credits": [],
    "x_currency_rate_usd": 1.0,
    "x_billed_cost_usd": 0.09,
    "x_effective_cost_usd": 0.09,
    "x_fingerprint": "f00d",
    "x_dlt_load_id": "1790000000.5",
}

FOCUS_ROW = {
    "provider_name": "AWS",
    "publisher_name": "Amazon Web Services, Inc.",
    "invoice_issuer_name": "Amazon Web Services, Inc.",
    "billing_account_id": "111122223333",
    "billing_account_name": "Payer",
    "sub_account_id": "012345678901",
    "sub_account_name": "Shop",
    "billing_period_start": PERIOD_START,
    "billing_period_end": PERIOD_END,
    "charge_period_start": START,
    "charge_period_end": END,
    "charge_category": "Usage",
    "charge_description": "$0.096 per On Demand Linux m5.large Instance Hour",
    "charge_frequency": "Usage-Based",
    "service_category": "Compute",
    "service_name": "Amazon Elastic Compute Cloud",
    "sku_id": "ABC",
    "sku_price_id": "ABC.JRTC.6YS6",
    "region_id": "us-east-1",
    "region_name": "US East (N. Virginia)",
    "availability_zone": "us-east-1a",
    "resource_id": "i-0abc",
    "resource_name": "web-1",
    "resource_type": "Compute Instance",
    "consumed_quantity": 1.0,
    "consumed_unit": "Hrs",
    "pricing_quantity": 1.0,
    "pricing_unit": "Hrs",
    "pricing_category": "Standard",
    "billed_cost": 0.09,
    "effective_cost": 0.09,
    "list_cost": 0.096,
    "contracted_cost": 0.09,
    "billing_currency": "USD",
    "tags": [("user:name", "web-1"), ("user:environment", "prod"), ("aws_stack", "s")],
    "invoice_id": "EUINAT27-1",
    "x_cost_categories": [("BU", "retail")],
    "x_service_code": "AmazonEC2",
    "x_usage_type": "BoxUsage:m5.large",
}

PUBLIC = {"pricing_public_on_demand_cost": 0.2}
RESERVED = {"reservation_reservation_a_r_n": RESERVATION}
PLANNED = {"savings_plan_savings_plan_a_r_n": PLAN}
UPFRONT = "reservation_unused_amortized_upfront_fee_for_billing_period"
NET_UPFRONT = "reservation_net_unused_amortized_upfront_fee_for_billing_period"
RECURRING, NET_RECURRING = (
    "reservation_unused_recurring_fee",
    "reservation_net_unused_recurring_fee",
)
RI_COST, NET_RI_COST = "reservation_effective_cost", "reservation_net_effective_cost"
SP_COST = "savings_plan_savings_plan_effective_cost"
NET_SP_COST = "savings_plan_net_savings_plan_effective_cost"
TOTAL, USED = "savings_plan_total_commitment_to_date", "savings_plan_used_commitment"


def savings_plan_hour() -> list[Row]:
    return [
        line("SavingsPlanCoveredUsage", 0.10, PLANNED, {SP_COST: 0.06}),
        line("SavingsPlanNegation", -0.10, PLANNED),
        line("SavingsPlanRecurringFee", 0.06, PLANNED, {TOTAL: 0.06, USED: 0.06}),
    ]

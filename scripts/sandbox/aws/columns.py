"""Names and types of AWS cost columns: CUR 2.0, the legacy report's headers, Athena's spelling.

One row of a delivery is a dict in CUR 2.0 names. `legacy_header` gives the name of the same
column in a legacy csv (`lineItem/UnblendedCost`), `athena_name` the name in a legacy parquet.
Sources: AWS Data Exports user guide, "CUR 2.0 table dictionary"; CUR user guide, "Data
dictionary" and "Running Amazon Athena queries" (column names).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

TEXT = pa.string()
NUMBER = pa.float64()
TIME = pa.timestamp("ms", tz="UTC")
TEXT_MAP = pa.map_(pa.string(), pa.string())
NUMBER_MAP = pa.map_(pa.string(), pa.float64())

_GROUPS = {
    "identity": "line_item_id time_interval",
    "bill": """invoice_id invoicing_entity billing_entity bill_type payer_account_id
        payer_account_name billing_period_start_date billing_period_end_date""",
    "line_item": """usage_account_id usage_account_name line_item_type usage_start_date
        usage_end_date product_code usage_type operation availability_zone resource_id
        usage_amount normalization_factor normalized_usage_amount currency_code unblended_rate
        unblended_cost blended_rate blended_cost line_item_description tax_type
        net_unblended_rate net_unblended_cost legal_entity""",
    "product": """servicecode operation usagetype sku product_family comment fee_code
        fee_description location location_type region_code from_location from_location_type
        from_region_code to_location to_location_type to_region_code instance_family
        instance_type instancesku pricing_unit""",
    "pricing": """lease_contract_length offering_class purchase_option rate_code rate_id currency
        public_on_demand_rate public_on_demand_cost term unit""",
    "reservation": """availability_zone start_time end_time modification_status
        amortized_upfront_cost_for_usage amortized_upfront_fee_for_billing_period
        unused_amortized_upfront_fee_for_billing_period recurring_fee_for_usage
        unused_recurring_fee effective_cost upfront_value net_amortized_upfront_cost_for_usage
        net_amortized_upfront_fee_for_billing_period
        net_unused_amortized_upfront_fee_for_billing_period net_recurring_fee_for_usage
        net_unused_recurring_fee net_effective_cost net_upfront_value
        normalized_units_per_reservation number_of_reservations reservation_a_r_n
        subscription_id total_reserved_normalized_units total_reserved_units
        units_per_reservation unused_normalized_unit_quantity unused_quantity""",
    "savings_plan": """total_commitment_to_date savings_plan_a_r_n savings_plan_rate
        used_commitment savings_plan_effective_cost
        amortized_upfront_commitment_for_billing_period
        recurring_commitment_for_billing_period net_savings_plan_effective_cost
        net_amortized_upfront_commitment_for_billing_period
        net_recurring_commitment_for_billing_period start_time end_time instance_type_family
        offering_type payment_option purchase_term region""",
    "split_line_item": """parent_resource_id reserved_usage actual_usage split_usage
        split_usage_ratio split_cost unused_cost net_split_cost net_unused_cost
        public_on_demand_split_cost public_on_demand_unused_cost""",
    "discount": "bundled_discount total_discount",
}
_MAPS = {
    "product": TEXT_MAP,
    "discount": NUMBER_MAP,
    "resource_tags": TEXT_MAP,
    "cost_category": TEXT_MAP,
}
#: The columns of CUR 2.0 in AWS's order, the maps last.
CUR2_COLUMNS = (
    *(f"{group}_{name}" for group, names in _GROUPS.items() for name in names.split()),
    *_MAPS,
)
_TIMES = {
    "bill_billing_period_start_date",
    "bill_billing_period_end_date",
    "line_item_usage_start_date",
    "line_item_usage_end_date",
}
# Text in AWS's own table definitions although they hold numbers.
_TEXT_NUMBERS = {"line_item_unblended_rate", "line_item_blended_rate"} | {
    "line_item_net_unblended_rate",
    "pricing_public_on_demand_rate",
}
_NUMBER = re.compile(
    r"_(cost|costs|amount|factor|rate|discount|commitment|fee|value|unused_quantity|quantity|usage"
    r"|usage_ratio|commitment_to_date|for_billing_period|for_usage)$"
)
_CATEGORIES = {
    "identity": "identity",
    "bill": "bill",
    "line_item": "lineItem",
    "product": "product",
    "pricing": "pricing",
    "reservation": "reservation",
    "savings_plan": "savingsPlan",
    "split_line_item": "splitLineItem",
    "discount": "discount",
}
# Only these two categories start a name in lower case, with the exceptions AWS has.
_LOWER_CAMEL = {"product", "pricing"}
_CAPITALISED = {"product_name", "rate_code", "rate_id", "lease_contract_length"} | {
    "offering_class",
    "purchase_option",
}
#: Columns of CUR 2.0 that a legacy report does not have.
CUR2_ONLY = {"bill_payer_account_name", "line_item_usage_account_name"}


def column_type(name: str, values: Iterable[Any] = ()) -> pa.DataType:
    """The arrow type of a CUR 2.0 column; a column AWS does not know takes its values' type."""
    if name in _MAPS:
        return _MAPS[name]
    if name in _TIMES:
        return TIME
    if name in CUR2_COLUMNS:
        is_number = bool(_NUMBER.search(name)) and name not in _TEXT_NUMBERS
        return NUMBER if is_number and not name.startswith("product_") else TEXT
    return _type_of(next((value for value in values if value is not None), ""))


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that any row has: AWS's own in AWS's order, then the others by name.

    An empty month has all of AWS's columns, as its files still have a header.
    """
    present = set().union(*rows) if rows else set(CUR2_COLUMNS)
    known = [name for name in CUR2_COLUMNS if name in present]
    return known + sorted(present.difference(known))


def legacy_header(column: str) -> str:
    """`line_item_unblended_cost` → `lineItem/UnblendedCost`: the header in a legacy csv."""
    group = max((g for g in _CATEGORIES if column.startswith(f"{g}_")), key=len, default="")
    if not group:
        return column
    name = column.removeprefix(f"{group}_")
    first, *rest = name.split("_")
    if group not in _LOWER_CAMEL or name in _CAPITALISED:
        first = first.capitalize()
    return f"{_CATEGORIES[group]}/{first}{''.join(word.capitalize() for word in rest)}"


def athena_name(header: str) -> str:
    """`resourceTags/user:Cost Center` → `resource_tags_user_cost_center`, by AWS's own rules.

    An underscore before every capital, lower case, anything that is no letter or digit becomes
    an underscore, runs of them become one, none at either end.
    """
    spread = re.sub(r"([A-Z])", r"_\1", header).lower()
    return re.sub(r"_+", "_", re.sub(r"[^a-z0-9]", "_", spread)).strip("_")


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    types: Mapping[str, pa.DataType],
) -> pa.Table:
    """Rows as an arrow table of these columns and types; a missing key or None is null."""
    arrays = [_array([row.get(name) for row in rows], types[name]) for name in columns]
    return pa.Table.from_arrays(arrays, schema=pa.schema([(n, types[n]) for n in columns]))


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_map(kind):
        values = [value if value is None else list(value.items()) for value in values]
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


def _type_of(value: Any) -> pa.DataType:
    if isinstance(value, datetime):
        return TIME
    if isinstance(value, dict):
        return TEXT_MAP
    if isinstance(value, bool):
        return pa.bool_()
    return NUMBER if isinstance(value, int | float) else TEXT

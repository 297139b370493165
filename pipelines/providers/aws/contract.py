"""What the columns of a CUR or FOCUS export mean: which are numbers, times and maps, and which
must be there.

The names are AWS's own (CUR 2.0 table dictionary; legacy names by AWS's rule for Athena). A CSV
carries no types, so these decide them; a parquet file is held against them, so that a column that
turns from number to text is refused by name instead of being read as nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from pipelines.core.partition import PartitionError

# Both landing and normalising refuse a file without these. A currency is never guessed, so FOCUS
# needs its own; CUR has a line's currency in an optional column, and a line without one counts as
# unknown.
REQUIRED = {
    "CUR": (
        "line_item_line_item_type",
        "line_item_unblended_cost",
        "line_item_usage_start_date",
    ),
    "FOCUS": ("billed_cost", "charge_category", "charge_period_start", "billing_currency"),
}
# what sql/checks and sql/marts read of the raw table; a view gives NULL where an export has none
CHECKED = pa.schema(
    [
        ("line_item_line_item_type", pa.string()),
        ("line_item_operation", pa.string()),
        ("line_item_unblended_cost", pa.float64()),
        ("line_item_net_unblended_cost", pa.float64()),
        ("billed_cost", pa.float64()),
        # of split cost allocation, and of the instances that it splits
        ("line_item_resource_id", pa.string()),
        ("line_item_usage_type", pa.string()),
        ("line_item_usage_amount", pa.float64()),
        ("line_item_usage_account_id", pa.string()),
        ("line_item_currency_code", pa.string()),
        ("line_item_usage_start_date", pa.timestamp("us", "UTC")),
        ("line_item_usage_end_date", pa.timestamp("us", "UTC")),
        ("savings_plan_savings_plan_effective_cost", pa.float64()),
        ("savings_plan_net_savings_plan_effective_cost", pa.float64()),
        ("reservation_effective_cost", pa.float64()),
        ("reservation_net_effective_cost", pa.float64()),
        ("resource_tags", pa.map_(pa.string(), pa.string())),
        ("tags", pa.map_(pa.string(), pa.string())),
        ("split_line_item_parent_resource_id", pa.string()),
        ("split_line_item_reserved_usage", pa.float64()),
        ("split_line_item_actual_usage", pa.float64()),
        ("split_line_item_split_usage", pa.float64()),
        ("split_line_item_split_cost", pa.float64()),
        ("split_line_item_unused_cost", pa.float64()),
        ("split_line_item_net_split_cost", pa.float64()),
        ("split_line_item_net_unused_cost", pa.float64()),
    ]
)
# when a commitment ends: text in AWS's own tables, and so in ours
ENDS = ("reservation_end_time", "savings_plan_end_time")
NUMBER_MAPS = ("discount", "x_discounts")
MAPS = ("resource_tags", "product", "cost_category", "tags", "x_cost_categories", *NUMBER_MAPS)

# The rates are text in AWS's own tables, though they hold numbers.
_NUMBER = re.compile(
    r"^(line_item_(net_)?(un)?blended_cost"
    r"|line_item_(usage_amount|normalization_factor|normalized_usage_amount)"
    r"|pricing_public_on_demand_cost"
    r"|reservation_(net_)?(amortized_upfront_cost_for_usage"
    r"|amortized_upfront_fee_for_billing_period|effective_cost|recurring_fee_for_usage"
    r"|unused_amortized_upfront_fee_for_billing_period|unused_recurring_fee|upfront_value)"
    r"|reservation_(unused_quantity|unused_normalized_unit_quantity)"
    r"|savings_plan_(net_)?(savings_plan_effective_cost"
    r"|amortized_upfront_commitment_for_billing_period|recurring_commitment_for_billing_period)"
    r"|savings_plan_(savings_plan_rate|total_commitment_to_date|used_commitment)"
    r"|split_line_item_.*(cost|ratio|usage)|discount_\w+_discount"
    r"|(billed|effective|list|contracted)_cost|(list|contracted)_unit_price"
    r"|pricing_currency_(effective_cost|(list|contracted)_unit_price)"
    r"|(consumed|pricing|commitment_discount)_quantity|capacity_reservation_quantity)$"
)
_TIME = re.compile(
    r"^(bill_billing_period_(start|end)_date|line_item_usage_(start|end)_date"
    r"|(billing|charge)_period_(start|end))$"
)


def kind_of(name: str) -> str | None:
    """'number', 'time', 'map' or None: what the contract says of a column (snake_case)."""
    if name in MAPS:
        return "map"
    if _NUMBER.match(name):
        return "number"
    return "time" if _TIME.match(name) else None


def is_text(kind: pa.DataType) -> bool:
    """Whether an arrow type holds text, however it is stored."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def snake_case(name: str) -> str:
    """AWS's own rule for Athena, `lineItem/UnblendedCost` → `line_item_unblended_cost`.

    An underscore before every capital, everything but letters and digits to underscores, runs of
    them to one: `savingsPlan/SavingsPlanARN` → `savings_plan_savings_plan_a_r_n`, as AWS writes it.
    """
    if re.fullmatch(r"[0-9a-z_]+", name):
        return name
    spaced = re.sub(r"([A-Z])", r"_\1", name).lower()
    return re.sub(r"[^0-9a-z]+", "_", spaced).strip("_")


def detect_layout(names: Iterable[str], where: str) -> str:
    """'CUR' or 'FOCUS' by the columns (snake_case). Raises PartitionError when it is neither."""
    have = set(names)
    for layout, required in REQUIRED.items():
        if all(name in have for name in required):
            return layout
    nearest = "FOCUS" if "charge_category" in have or "billed_cost" in have else "CUR"
    missing = [name for name in REQUIRED[nearest] if name not in have]
    raise PartitionError(
        f"{where} is missing {', '.join(missing)}: not a complete {nearest} export. Select these "
        "columns in the export's query, or point SOURCES__AWS__EXPORT to a CUR 2.0, legacy CUR or "
        "FOCUS export."
    )


NET = "line_item_net_unblended_cost"
WITH_NET = "CUR net"
"""The form of a CUR whose net columns have values: discounts are in the lines that they lower."""


def check_types(schema: pa.Schema, where: str) -> None:
    """Raises PartitionError for every column that is not of the kind the contract says."""
    wrong = [
        f"{field.name} is {field.type}, expected a {kind_of(field.name)}"
        for field in schema
        if not _fits(field.type, kind_of(field.name))
    ]
    if not wrong:
        return
    fix = "ask the provider to deliver this period again."
    if any(pa.types.is_struct(field.type) for field in schema if kind_of(field.name) == "map"):
        fix = (
            "AWS delivers maps, and a job that copied the file made a struct of one. Copy the "
            "files as they are, or write the column as a map of text to text."
        )
    raise PartitionError(f"{where}: {'; '.join(wrong)}. The published partition stays; {fix}")


def _fits(kind: pa.DataType, expected: str | None) -> bool:
    if expected is None or pa.types.is_null(kind):
        return True
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if expected == "map":
        return bool(pa.types.is_map(kind)) or is_text(kind)
    if expected == "number":
        return bool(
            pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
        )
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))

"""The published tables, one `Column` per column: DDL, docs, Rill and privacy come from it.

Nothing here imports pandas, so that a DDL generator or a validator of a live server can use it.
Order and names: FOCUS 1.2 in snake_case; our own columns begin with x_.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import pyarrow as pa

from pipelines.tables.privacy import KEEP, SCALE, SHIFT, TAGS, WITHHOLD, Privacy, pseudonym

Type = Literal[
    "text", "number", "integer", "decimal", "boolean", "timestamp", "date", "map", "amounts"
]

_ARROW: dict[Type, pa.DataType] = {
    "text": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "decimal": pa.decimal128(38, 9),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "map": pa.map_(pa.string(), pa.string()),
    "amounts": pa.map_(pa.string(), pa.float64()),
}
_USER_PREFIX = re.compile("^user[:_]")


class ShapeError(ValueError):
    """A raw table does not have the shape its source promises: which column, and what to do."""


@dataclass(frozen=True)
class Column:
    """One published column.

    `focus` is its FOCUS 1.2 name, None for our own columns. `privacy` is what a copy for the
    public shows of it. `many`: a text with many distinct values, which ClickHouse does not store
    as LowCardinality.
    """

    name: str
    type: Type
    nullable: bool
    meaning: str
    focus: str | None = None
    privacy: Privacy | None = None
    many: bool = False


@dataclass(frozen=True)
class Context:
    """What the caller knows about a partition and every normalised row of it carries.

    partition such as "2026-10", fingerprint of the delivery, dlt's load_id, configured tag keys,
    and the delivery's form as its load noted it, such as "CUR net, data export".
    """

    partition: str
    fingerprint: str
    load_id: str
    tag_columns: tuple[str, ...] = ()
    layout: str = ""


# fmt: off
COSTS: tuple[Column, ...] = (
    # who
    Column("provider_name", "text", False, "The cloud that sold the resource.", "ProviderName",
           privacy=KEEP),
    Column("publisher_name", "text", True, "The company that made the product.", "PublisherName",
           privacy=pseudonym("company")),
    Column("invoice_issuer_name", "text", True, "The company on the invoice.", "InvoiceIssuerName",
           privacy=pseudonym("company")),
    Column("invoice_id", "text", True, "The invoice; NULL until the provider issued it.",
           "InvoiceId", privacy=pseudonym("invoice")),
    Column("billing_account_id", "text", True, "The account that pays.", "BillingAccountId",
           privacy=pseudonym("account")),
    Column("billing_account_name", "text", True, "Name of the billing account.",
           "BillingAccountName", privacy=pseudonym("account-name")),
    Column("sub_account_id", "text", True, "The account or project that caused the charge.",
           "SubAccountId", privacy=pseudonym("account")),
    Column("sub_account_name", "text", True, "Name of the account or project.", "SubAccountName",
           privacy=pseudonym("account-name")),
    # when, in UTC
    Column("billing_period_start", "timestamp", True, "Start of the billing period, inclusive.",
           "BillingPeriodStart", privacy=SHIFT),
    Column("billing_period_end", "timestamp", True, "End of the billing period, exclusive.",
           "BillingPeriodEnd", privacy=SHIFT),
    Column("charge_period_start", "timestamp", True, "Start of the usage, inclusive.",
           "ChargePeriodStart", privacy=SHIFT),
    Column("charge_period_end", "timestamp", True, "End of the usage, exclusive.",
           "ChargePeriodEnd", privacy=SHIFT),
    # what
    Column("charge_category", "text", False,
           "Usage, Purchase, Tax, Credit or Adjustment; unclassified for any other line item type.",
           "ChargeCategory", privacy=KEEP),
    Column("charge_class", "text", True,
           "Correction when the row corrects an earlier period, else NULL.",
           "ChargeClass", privacy=KEEP),
    Column("charge_description", "text", True, "The provider's description of the charge.",
           "ChargeDescription", privacy=pseudonym("description"), many=True),
    Column("charge_frequency", "text", True, "One-Time, Recurring or Usage-Based.",
           "ChargeFrequency", privacy=KEEP),
    Column("service_category", "text", False, "The FOCUS category of the service.",
           "ServiceCategory", privacy=KEEP),
    Column("service_name", "text", True, "The service.", "ServiceName", privacy=KEEP),
    Column("sku_id", "text", True, "The provider's id of the SKU.", "SkuId",
           privacy=pseudonym("sku"), many=True),
    Column("sku_price_id", "text", True, "The provider's id of the price that applied.",
           "SkuPriceId", privacy=pseudonym("price"), many=True),
    Column("region_id", "text", True, "Region as the provider codes it.", "RegionId", privacy=KEEP),
    Column("region_name", "text", True, "Region in words; NULL when unknown.", "RegionName",
           privacy=KEEP),
    Column("availability_zone", "text", True, "Zone within the region.", "AvailabilityZone",
           privacy=KEEP),
    Column("resource_id", "text", True, "The provider's id of the resource.", "ResourceId",
           privacy=pseudonym("resource"), many=True),
    Column("resource_name", "text", True, "Name of the resource: its tag Name.", "ResourceName",
           privacy=pseudonym("tag"), many=True),
    Column("resource_type", "text", True, "Type of the resource.", "ResourceType", privacy=KEEP),
    # how much
    Column("consumed_quantity", "number", True, "Quantity used.", "ConsumedQuantity",
           privacy=WITHHOLD),
    Column("consumed_unit", "text", True, "Unit of consumed_quantity.", "ConsumedUnit",
           privacy=KEEP),
    Column("pricing_quantity", "number", True, "Quantity by which the charge is priced.",
           "PricingQuantity", privacy=WITHHOLD),
    Column("pricing_unit", "text", True, "Unit of pricing_quantity.", "PricingUnit", privacy=KEEP),
    Column("pricing_category", "text", True, "Standard, Committed or Dynamic (spot).",
           "PricingCategory", privacy=KEEP),
    # money, in billing_currency
    Column("billed_cost", "number", True, "Cost on the invoice.", "BilledCost", privacy=SCALE),
    Column("effective_cost", "number", True, "Cost with commitments spread over their use.",
           "EffectiveCost", privacy=SCALE),
    Column("list_cost", "number", True, "Cost at public prices.", "ListCost", privacy=SCALE),
    Column("contracted_cost", "number", True, "Cost at negotiated prices.", "ContractedCost",
           privacy=SCALE),
    Column("billing_currency", "text", True, "ISO 4217; never guessed.", "BillingCurrency",
           privacy=KEEP),
    # commitment
    Column("commitment_discount_id", "text", True, "Id of the plan or reservation.",
           "CommitmentDiscountId", privacy=pseudonym("commitment"), many=True),
    Column("commitment_discount_type", "text", True, "Savings Plan or Reserved Instance.",
           "CommitmentDiscountType", privacy=KEEP),
    Column("commitment_discount_category", "text", True, "Spend or Usage.",
           "CommitmentDiscountCategory", privacy=KEEP),
    Column("commitment_discount_status", "text", True, "Used or Unused.",
           "CommitmentDiscountStatus", privacy=KEEP),
    # tags
    Column("tags", "map", False, "Every tag, without AWS's prefix user:.", "Tags", privacy=TAGS),
    # ours
    Column("x_cost_categories", "map", False, "Cost categories of AWS, by their names.",
           privacy=TAGS),
    Column("x_account_tags", "map", False, "Tags of the account, where the export has them.",
           privacy=TAGS),
    Column("x_billing_entity", "text", True, "AWS or AWS Marketplace, as the bill says.",
           privacy=KEEP),
    Column("x_commitment_family", "text", True,
           "Usage: the kind of commitment that could pay for it, or none; NULL where not known.",
           privacy=KEEP),
    Column("x_commitment_end", "timestamp", True,
           "When the plan or reservation ends (UTC); NULL where the bill does not say.",
           privacy=SHIFT),
    Column("x_usage_date", "date", True, "UTC date of charge_period_start.", privacy=SHIFT),
    Column("x_source", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("x_partition", "text", False,
           "Partition of the row, replaced as a whole, such as 2026-10.", privacy=SHIFT, many=True),
    Column("x_line_item_type", "text", True, "The provider's own line item type.", privacy=KEEP),
    Column("x_credit_amount", "number", True, "What credits and refunds add to billed_cost.",
           privacy=SCALE),
    Column("x_credits", "amounts", False,
           "x_credit_amount by type of credit, where a line has several.", privacy=SCALE),
    Column("x_currency_rate_usd", "number", True, "Units of billing_currency for one USD.",
           privacy=KEEP),
    Column("x_billed_cost_usd", "number", True, "billed_cost in USD; NULL without a rate.",
           privacy=SCALE),
    Column("x_effective_cost_usd", "number", True, "effective_cost in USD; NULL without a rate.",
           privacy=SCALE),
    Column("x_fingerprint", "text", False, "Fingerprint of the row's delivery.",
           privacy=pseudonym("delivery")),
    Column("x_dlt_load_id", "text", False, "dlt's id of the load that wrote the row.",
           privacy=KEEP),
)

DELIVERIES: tuple[Column, ...] = (
    Column("word", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("partition", "text", False, "The published partition.", privacy=SHIFT, many=True),
    Column("fingerprint", "text", False,
           "Fingerprint of the delivery: changes when the delivery changes.",
           privacy=pseudonym("delivery"), many=True),
    Column("files", "integer", True, "Number of raw files.", privacy=KEEP),
    Column("bytes", "integer", True, "Size of the raw files.", privacy=KEEP),
    Column("rows", "integer", False, "Normalised rows.", privacy=KEEP),
    Column("billed", "number", True,
           "Sum of billed_cost; NULL when the rows have several currencies.", privacy=SCALE),
    Column("effective", "number", True,
           "Sum of effective_cost; NULL when the rows have several currencies.", privacy=SCALE),
    Column("billing_currency", "text", True,
           "Currency of the sums; NULL when the rows have several.", privacy=KEEP),
    Column("recipe", "text", True,
           "Version of the rules and tag columns that normalised the partition.",
           privacy=KEEP, many=True),
    Column("delivered_at", "timestamp", True, "When the provider wrote the delivery.",
           privacy=SHIFT),
    Column("published_at", "timestamp", False, "When the delivery became visible to readers.",
           privacy=SHIFT),
    # what it took; of older publishings not known
    Column("load_id", "text", True, "dlt's id of the load, as in log_comment on ClickHouse.",
           privacy=KEEP, many=True),
    Column("read_seconds", "number", True, "Seconds of reading from the provider.", privacy=KEEP),
    Column("stage_seconds", "number", True,
           "Seconds until the rows are beside the published ones; on ClickHouse with normalising.",
           privacy=KEEP),
    Column("normalise_seconds", "number", True,
           "Seconds of normalising and of daily rows; on ClickHouse of the daily rows alone.",
           privacy=KEEP),
    Column("publish_seconds", "number", True, "Seconds of what readers see.", privacy=KEEP),
    Column("read_bytes", "integer", True,
           "Bytes of the raw files; on ClickHouse those that its statements read.", privacy=KEEP),
    Column("written_bytes", "integer", True,
           "Bytes of the normalised files; on ClickHouse those that its statements wrote.",
           privacy=KEEP),
    Column("cpu_seconds", "number", True,
           "ClickHouse's processor seconds; NULL without system.query_log.", privacy=KEEP),
)
# fmt: on


def cost_columns(tag_columns: Sequence[str]) -> tuple[Column, ...]:
    """The cost shape with one tag_<name> column per configured tag key, right after the map `tags`.

    Raises ValueError when two keys give one column name, or a key gives none.
    """
    return _cost_columns(tuple(tag_columns))


@cache
def _cost_columns(tag_columns: tuple[str, ...]) -> tuple[Column, ...]:
    after = [column.name for column in COSTS].index("tags") + 1
    return COSTS[:after] + tuple(_tag_columns(tag_columns)) + COSTS[after:]


def tag_column_name(key: str) -> str:
    """`user:Cost Center` → `tag_cost_center`: a name that no engine needs to quote.

    Raises ValueError for a key without any letter or digit of ASCII.
    """
    plain = unicodedata.normalize("NFKD", tag_key(key).lower()).encode("ascii", "ignore").decode()
    name = re.sub("[^0-9a-z]+", "_", plain).strip("_")
    if not name:
        raise ValueError(
            f"The tag key {key!r} has no letter or digit that a column name can hold."
            " Take it out of tag_columns; it stays in the map `tags`."
        )
    return f"tag_{name}"


def tag_key(key: str) -> str:
    """A tag key without the prefix by which AWS marks a user's own keys, taken off once."""
    return _USER_PREFIX.sub("", key)


def arrow_schema(tag_columns: Sequence[str]) -> pa.Schema:
    """The cost shape as a reader of the published parquet sees it."""
    return arrow_of(cost_columns(tag_columns))


def deliveries_schema() -> pa.Schema:
    """The history of published partitions as a reader sees it."""
    return arrow_of(DELIVERIES)


def arrow_of(columns: Iterable[Column]) -> pa.Schema:
    """Columns as a reader of published parquet sees them."""
    return pa.schema([pa.field(c.name, _ARROW[c.type], c.nullable) for c in columns])


def _tag_columns(keys: Sequence[str]) -> Iterable[Column]:
    by_name: dict[str, str] = {}
    for key in keys:
        name = tag_column_name(key)
        if name in by_name:
            raise ValueError(
                f"The tag keys {by_name[name]!r} and {key!r} both give the column {name}."
                " Keep one of them in tag_columns."
            )
        by_name[name] = key
        meaning = f"The tag {tag_key(key)}, in any spelling."
        yield Column(name, "text", True, meaning, privacy=pseudonym("tag"))

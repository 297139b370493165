"""GCP cost lines, one row per row of Google's billing export. Twin: sql/21_gcp.sql.

Rules: Google, "Structure of Detailed data export": net is cost plus credits, which are negative;
every cost_type adds up; an invoice is found by invoice.month, whose edges are midnights in
US/Pacific. Corrections are rows of their own, equal ones are legal and stay.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.normalize.columns import (
    TIME,
    Booleans,
    Floats,
    Raw,
    constants,
    dictionary,
    first,
    first_text,
    is_in,
    is_set,
    literal,
    lookup,
    nulls,
    only,
    require,
)
from pipelines.normalize.copied import whole
from pipelines.providers.gcp import lists
from pipelines.providers.gcp.commitments import Commitments
from pipelines.tables.copied import copied
from pipelines.tables.schema import Context, ShapeError, cost_columns

__all__ = ["Context", "ShapeError", "columns", "normalize"]

REQUIRED = ("cost", "credits", "cost_type", "currency", "usage_start_time", "invoice_month")
TEXT = (
    "billing_account_id",
    "service_description",
    "sku_id",
    "sku_description",
    "project_id",
    "project_name",
    "project_labels",
    "labels",
    "location_region",
    "location_zone",
    "resource_name",
    "resource_global_name",
    "tags",
    "subscription_instance_id",
    "transaction_type",
    "seller_name",
    "currency",
    "usage_unit",
    "usage_pricing_unit",
    "credits",
    "invoice_month",
    "cost_type",
    "adjustment_info_id",
    "adjustment_info_description",
    "consumption_model_id",
)
OTHERS = (
    "cost",
    "cost_at_list",
    "cost_at_effective_price_default",
    "currency_conversion_rate",
    "usage_amount",
    "usage_amount_in_pricing_units",
    "price_tier_start_amount",
    "usage_start_time",
    "usage_end_time",
)
PACIFIC = ZoneInfo("America/Los_Angeles")

SPOT = re.compile(r"Preemptible|\bSpot\b", re.ASCII)
"""SKUs of what Google may take away: instances, GPUs and disks, and pods of Autopilot."""


def columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The columns of a raw file to read, and which of them to read dictionary-encoded."""
    require(schema, REQUIRED, "A billing export")
    encoded = [name for name in TEXT if name in schema.names]
    return encoded + [name for name in OTHERS if name in schema.names], encoded


def normalize(table: pa.Table, context: Context) -> pd.DataFrame:
    """The cost shape of one batch of raw rows: arrow-backed columns, text dictionary-encoded.

    Raises ShapeError when a required column is missing or a column has a type its rule cannot use.
    """
    require(table.schema, REQUIRED, "A billing export")
    raw = Raw(table)
    n = raw.rows
    kind = raw.text("cost_type")
    sku = raw.text("sku_description")
    start = raw.time("usage_start_time")
    invoice = raw.text("invoice_month")
    cost = raw.number("cost")
    credit = lists.Credits(raw)
    tag = lists.tags(raw)
    net = np.round(cost + credit.total, lists.DECIMALS)
    commitment = Commitments.of(raw, kind, credit, net)
    known = is_in(kind, _CATEGORY)
    effective = np.where(known, net, np.nan)
    rate = _rate(raw, raw.text("currency"))
    period_start = _month_edge(invoice, 0)
    return whole(
        cost_columns(context.tag_columns),
        raw,
        _COPIED,
        {
            # who
            "publisher_name": first_text(
                raw.text("seller_name"), lookup(raw.text("transaction_type"), _SELLER)
            ),
            # when
            "billing_period_start": period_start,
            "billing_period_end": _month_edge(invoice, 1),
            # what
            "charge_category": first_text(
                only(literal("Purchase", n), commitment.is_fee),
                lookup(kind, _CATEGORY, "unclassified"),
            ),
            "charge_frequency": first_text(
                only(literal("Recurring", n), commitment.is_fee), lookup(kind, _FREQUENCY)
            ),
            "charge_class": only(
                literal("Correction", n),
                is_set(raw.text("adjustment_info_id")) & _is_before(start, period_start),
            ),
            "charge_description": first_text(raw.text("adjustment_info_description"), sku),
            "sku_price_id": _price_id(raw),
            "resource_id": first_text(raw.text("resource_global_name"), raw.text("resource_name")),
            # how much
            "pricing_category": _pricing_category(kind, sku, commitment),
            # money
            "billed_cost": net,
            "effective_cost": effective,
            "list_cost": _price(raw.number("cost_at_list"), cost, known, commitment),
            "contracted_cost": _price(
                raw.number("cost_at_effective_price_default"), cost, known, commitment
            ),
            **commitment.columns(),
            # tags
            "tags": tag.map(),
            **tag.columns(context.tag_columns),
            # ours
            "x_usage_date": start.cast(pa.date32(), safe=False),
            "x_partition": literal(context.partition, n),
            "x_credit_amount": np.round(credit.total, lists.DECIMALS),
            "x_credits": credit.by_type,
            "x_currency_rate_usd": rate,
            "x_billed_cost_usd": net / rate,
            "x_effective_cost_usd": effective / rate,
            "x_fingerprint": literal(context.fingerprint, n),
            "x_dlt_load_id": literal(context.load_id, n),
        },
    )


_COPIED = copied("gcp/columns")
_CATEGORY = constants("gcp_cost_types.csv", "cost_type", "charge_category")
_FREQUENCY = constants("gcp_cost_types.csv", "cost_type", "charge_frequency")
_PRICING = constants("gcp_cost_types.csv", "cost_type", "pricing_category")
_SELLER = {"GOOGLE": "Google Cloud"}


def _rate(raw: Raw, currency: pa.DictionaryArray) -> Floats:
    """Units of the currency for one USD as Google says; NULL where it does not, never guessed."""
    given = raw.number("currency_conversion_rate")
    positive = np.where(given > 0, given, np.nan)
    return first(positive, np.where(is_in(currency, {"USD"}), 1.0, np.nan))


def _month_edge(invoice: pa.DictionaryArray, later: int) -> pa.Array:
    """Midnight in US/Pacific at the start of the invoice's month plus `later` months, in UTC."""
    edges = [_midnight(text, later) for text in invoice.dictionary.to_pylist()]
    return pa.array(edges, TIME).take(invoice.indices)


def _midnight(month: str, later: int) -> datetime | None:
    digits = month.isascii() and month.isdigit() and len(month) == 6
    if not digits or not 1970 <= int(month[:4]) < 2200 or not 1 <= int(month[4:]) <= 12:
        return None
    number = int(month[:4]) * 12 + int(month[4:]) - 1 + later
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=PACIFIC).astimezone(UTC)


def _is_before(start: pa.Array, other: pa.Array) -> Booleans:
    before: Booleans = pc.fill_null(pc.less(start, other), False).to_numpy(zero_copy_only=False)
    return before


def _price_id(raw: Raw) -> pa.DictionaryArray:
    """The SKU and where its price's tier begins: a SKU of two tiers has two prices."""
    begins = raw.values("price_tier_start_amount")
    if begins is None:
        return nulls(raw.rows)
    distinct = begins.cast(pa.decimal128(38, 9)).dictionary_encode()
    texts = [_plain(number) for number in distinct.dictionary.to_pylist()]
    tier = pa.array(texts, pa.string()).take(distinct.indices)
    joined = pc.binary_join_element_wise(raw.text("sku_id").cast(pa.string()), tier, "/")
    return dictionary(joined, "sku_price_id")


def _plain(number: Decimal) -> str:
    """Without zeros at the end: 0, 0.5, 1000."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _price(given: Floats, cost: Floats, known: Booleans, commitment: Commitments) -> Floats:
    """What Google says, else the cost; a fee is a purchase, which has no price beside its cost."""
    priced = np.where(commitment.is_fee, 0.0, first(given, cost))
    found: Floats = np.where(known, priced, np.nan)
    return found


def _pricing_category(
    kind: pa.DictionaryArray, sku: pa.DictionaryArray, commitment: Commitments
) -> pa.DictionaryArray:
    """Of usage: Dynamic for what Google may take away, Committed below a commitment."""
    dynamic = lookup(sku, lambda text: "Dynamic" if SPOT.search(text) else None)
    return first_text(
        only(dynamic, is_in(kind, {"regular"})),
        only(literal("Committed", len(kind)), commitment.is_covered),
        lookup(kind, _PRICING),
    )

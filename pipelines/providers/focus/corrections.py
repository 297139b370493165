"""The named corrections of what providers deliver otherwise than FOCUS says.

Twin: sql/25_focus.sql.

azure-1.0-preview         Azure's columns and words of the preview become those of 1.0
google-credit-list-cost   a credit of Google's below 0 at list or contracted price is 0 there
google-negative-list-cost usage of Google's below 0 at list price and billed corrects other usage
google-lower-case         words of Google's view in lower case begin with a capital
google-billing-period     a month of Google's runs from midnight UTC of its first to the next's
aws-contracted-cost       usage of AWS's that is billed and has no contracted cost: it is unknown

docs/focus.md says why. Billed and effective cost are never corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.normalize.columns import (
    Booleans,
    Floats,
    Raw,
    first,
    first_text,
    is_in,
    is_set,
    literal,
    lookup,
    only,
)
from pipelines.providers.focus.contract import PREVIEW

GOOGLE = ("Google", "Google Cloud", "Google Cloud Platform")
AWS = ("AWS", "Amazon Web Services")
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
_PRICING_CATEGORIES = ("Standard", "Dynamic", "Committed", "Other")
_PRICING = {"On-Demand": "Standard", "Commitment-Based": "Committed"}
_STATUS = {"Used Commitment": "Used", "Unused Commitment": "Unused"}


@dataclass(frozen=True)
class Corrected:
    """What the corrections may change of each row, in the cost shape's columns."""

    billing_period_start: pa.TimestampArray
    billing_period_end: pa.TimestampArray
    charge_category: pa.DictionaryArray
    charge_class: pa.DictionaryArray
    region_id: pa.DictionaryArray
    region_name: pa.DictionaryArray
    consumed_quantity: Floats
    consumed_unit: pa.DictionaryArray
    pricing_category: pa.DictionaryArray
    list_cost: Floats
    contracted_cost: Floats
    commitment_discount_status: pa.DictionaryArray


def corrected(raw: Raw, provider: pa.DictionaryArray, layout: str) -> Corrected:
    """The columns after every correction; `layout` is the delivery's."""
    is_preview = layout.partition(",")[0] == f"FOCUS {PREVIEW}"
    found = _of_preview(raw) if is_preview else _as_delivered(raw, is_in(provider, GOOGLE))
    return _of_aws(raw, provider, _of_google(raw, provider, found))


def _as_delivered(raw: Raw, google: Booleans) -> Corrected:
    """With google-lower-case."""

    def text(name: str, *words: str) -> pa.DictionaryArray:
        column, capital = raw.text(name), {word.lower(): word for word in words}
        return first_text(only(lookup(column, capital), google), column) if google.any() else column

    return Corrected(
        billing_period_start=raw.time("billing_period_start"),
        billing_period_end=raw.time("billing_period_end"),
        charge_category=_category(text("charge_category", *CATEGORIES)),
        charge_class=text("charge_class", "Correction"),
        region_id=raw.text("region_id"),
        region_name=raw.text("region_name"),
        consumed_quantity=raw.number("consumed_quantity"),
        consumed_unit=raw.text("consumed_unit"),
        pricing_category=text("pricing_category", *_PRICING_CATEGORIES),
        list_cost=raw.number("list_cost"),
        contracted_cost=raw.number("contracted_cost"),
        commitment_discount_status=raw.text("commitment_discount_status"),
    )


def _of_preview(raw: Raw) -> Corrected:
    """Make a line of Azure's FOCUS 1.0 preview one of 1.0: the rule `azure-1.0-preview`."""
    category, of = raw.text("charge_category"), raw.text("charge_subcategory")
    is_adjustment = is_in(category, {"Adjustment"})
    credit, refund = (is_adjustment & is_in(of, {word}) for word in ("Credit", "Refund"))
    n = raw.rows
    region = raw.text("region")
    return Corrected(
        billing_period_start=raw.time("billing_period_start"),
        billing_period_end=raw.time("billing_period_end"),
        charge_category=_category(first_text(only(literal("Credit", n), credit), category)),
        charge_class=only(literal("Correction", n), refund),
        region_id=lookup(region, lambda name: name.lower().replace(" ", "") or None),
        region_name=region,
        consumed_quantity=raw.number("usage_quantity"),
        consumed_unit=raw.text("usage_unit"),
        pricing_category=_renamed(raw.text("pricing_category")),
        list_cost=raw.number("list_cost"),
        contracted_cost=first(raw.number("contracted_cost"), raw.number("x_on_demand_cost")),
        commitment_discount_status=lookup(of, _STATUS),
    )


def _of_google(raw: Raw, provider: pa.DictionaryArray, found: Corrected) -> Corrected:
    """google-billing-period, google-credit-list-cost and google-negative-list-cost."""
    ours = is_in(provider, GOOGLE)
    if not ours.any():
        return found
    credit = ours & is_in(found.charge_category, {"Credit"})
    negative = (found.list_cost < 0) & (raw.number("billed_cost") < 0)
    corrects = ours & is_in(found.charge_category, {"Usage"}) & negative
    corrects &= ~is_set(found.charge_class)
    start, end = found.billing_period_start, found.billing_period_end
    first = pc.floor_temporal(start, unit="month")
    after = pc.floor_temporal(pc.add(first, pa.scalar(timedelta(days=32))), unit="month")
    dated = pc.and_(pa.array(ours), start.is_valid())
    return _changed(
        found,
        billing_period_start=pc.if_else(dated, first, start),
        billing_period_end=pc.if_else(dated, after, end),
        list_cost=_zero(found.list_cost, credit),
        contracted_cost=_zero(found.contracted_cost, credit),
        charge_class=first_text(
            found.charge_class, only(literal("Correction", raw.rows), corrects)
        ),
    )


def _of_aws(raw: Raw, provider: pa.DictionaryArray, found: Corrected) -> Corrected:
    """aws-contracted-cost."""
    unknown = (
        is_in(provider, AWS)
        & is_in(found.charge_category, {"Usage"})
        & (found.contracted_cost == 0)
        & (raw.number("billed_cost") > 0)
    )
    if not unknown.any():
        return found
    return _changed(found, contracted_cost=np.where(unknown, np.nan, found.contracted_cost))


def _changed(found: Corrected, **columns: Floats | pa.Array) -> Corrected:
    return Corrected(**{**found.__dict__, **columns})


def _category(column: pa.DictionaryArray) -> pa.DictionaryArray:
    return lookup(column, {name: name for name in CATEGORIES}, "unclassified")


def _renamed(column: pa.DictionaryArray) -> pa.DictionaryArray:
    return lookup(column, lambda name: _PRICING.get(name, name))


def _zero(costs: Floats, rows: Booleans) -> Floats:
    """0 where a cost on these rows is below it."""
    return np.where(rows & (costs < 0), 0.0, costs)

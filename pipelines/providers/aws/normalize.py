"""AWS cost lines, one row per CUR line item. Twin: sql/20_aws.sql.

CUR 2.0 and legacy CUR, parquet or converted from csv, by the rules per line-item type of AWS's own
Cloud Intelligence Dashboards (aws-samples/aws-cudos-framework-deployment, summary_view.sql). AWS's
FOCUS export goes through aws_focus.py. `net` is the net column's value, else the gross column's.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.normalize.codes import codes_of
from pipelines.normalize.columns import (
    Raw,
    by_kind,
    constants,
    first_text,
    is_in,
    literal,
    lookup,
    no_amounts,
    only,
    require,
    units_per_usd,
)
from pipelines.normalize.copied import whole
from pipelines.normalize.tags import entries, pick_tag, tag_columns
from pipelines.providers.aws import ends, focus, money, tag_sources
from pipelines.providers.aws.contract import ENDS, REQUIRED
from pipelines.providers.aws.focus import is_focus
from pipelines.providers.aws.money import of_kind
from pipelines.tables.commitment_families import NONE, Family, families
from pipelines.tables.copied import copied
from pipelines.tables.schema import Context, ShapeError, cost_columns

__all__ = ["Context", "ShapeError", "columns", "is_focus", "normalize"]

TEXT = (
    "line_item_line_item_type",
    "line_item_operation",
    "line_item_usage_type",
    "line_item_product_code",
    "line_item_legal_entity",
    "line_item_line_item_description",
    "line_item_usage_account_id",
    "line_item_usage_account_name",
    "line_item_availability_zone",
    "line_item_resource_id",
    "line_item_currency_code",
    "bill_billing_entity",
    "bill_invoice_id",
    "bill_invoicing_entity",
    "bill_payer_account_id",
    "bill_payer_account_name",
    "pricing_unit",
    "pricing_rate_code",
    "product_product_name",
    "product_product_family",
    "product_region_code",
    "product_region",
    "product_sku",
    "reservation_reservation_a_r_n",
    "savings_plan_savings_plan_a_r_n",
)
NUMBERS = (
    "line_item_usage_amount",
    "line_item_unblended_cost",
    "line_item_net_unblended_cost",
    "pricing_public_on_demand_cost",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
    "reservation_net_unused_recurring_fee",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
    "savings_plan_amortized_upfront_commitment_for_billing_period",
    "savings_plan_net_amortized_upfront_commitment_for_billing_period",
    "savings_plan_recurring_commitment_for_billing_period",
    "savings_plan_net_recurring_commitment_for_billing_period",
)
TIMES = (
    "bill_billing_period_start_date",
    "bill_billing_period_end_date",
    "line_item_usage_start_date",
    "line_item_usage_end_date",
)
MAPS = ("resource_tags", "tags", "cost_category", "product")
FLAT_TAGS, FLAT_CATEGORIES = "resource_tags_", "cost_category_"

SPLIT_COST_ROWS = ("EKSPod-EC2", "ECSTask-EC2")
"""Operations of split cost allocation: these rows say once more what the EC2 rows cost already."""


def columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The columns of a raw file to read, and which of them to read dictionary-encoded."""
    if is_focus(schema):
        return focus.columns(schema)
    require(schema, REQUIRED["CUR"], "A Cost and Usage Report")
    flat = [name for name in schema.names if name.startswith((FLAT_TAGS, FLAT_CATEGORIES))]
    encoded = [name for name in (*TEXT, *MAPS) if name in schema.names] + flat
    plain = [name for name in (*NUMBERS, *TIMES, *ENDS) if name in schema.names]
    return encoded + plain, encoded + ends.encoded(schema)


def normalize(table: pa.Table, context: Context) -> pd.DataFrame:
    """The cost shape of one batch of raw rows: arrow-backed columns, text dictionary-encoded.

    Raises ShapeError when a required column is missing or a column has a type its rule cannot use.
    """
    if is_focus(table.schema):
        return focus.normalize(table, context)
    require(table.schema, REQUIRED["CUR"], "A Cost and Usage Report")
    raw = _without_split_cost_rows(Raw(table))
    n = raw.rows
    kind = raw.text("line_item_line_item_type")
    product = raw.text("line_item_product_code")
    product_name = entries(raw, "product").pick(lambda key: key == "product_name")
    region = first_text(raw.text("product_region_code"), raw.text("product_region"))
    plan = raw.text("savings_plan_savings_plan_a_r_n")
    reservation = raw.text("reservation_reservation_a_r_n")
    currency = raw.text("line_item_currency_code")
    start = raw.time("line_item_usage_start_date")
    tag = tag_sources.resource_tags(raw, FLAT_TAGS)
    amounts = money.amounts(raw, context.layout)
    net = amounts["net"]
    effective = money.cost("effective", kind, amounts)
    rate = units_per_usd(currency)
    return whole(
        cost_columns(context.tag_columns),
        raw,
        _COPIED,
        {
            # what
            "service_name": first_text(product_name, raw.text("product_product_name"), product),
            "region_id": region,
            "region_name": lookup(region, _REGION_NAME),
            # how much
            "pricing_category": _pricing_category(raw, kind),
            # money
            "billed_cost": net,
            "effective_cost": effective,
            "list_cost": money.cost("list", kind, amounts),
            "contracted_cost": money.cost("contracted", kind, amounts),
            # commitment
            "commitment_discount_id": first_text(plan, reservation),
            "commitment_discount_type": first_text(
                lookup(plan, lambda _: "Savings Plan"),
                lookup(reservation, lambda _: "Reserved Instance"),
            ),
            "commitment_discount_category": first_text(
                lookup(plan, lambda _: "Spend"), lookup(reservation, lambda _: "Usage")
            ),
            # tags
            "tags": tag.map(),
            **tag_columns(tag, context.tag_columns),
            # ours
            "x_cost_categories": tag_sources.cost_categories(raw, FLAT_CATEGORIES).map(),
            "x_account_tags": tag_sources.account_tags(raw).map(),
            "x_commitment_family": _commitment_family(raw, kind),
            "x_commitment_end": ends.commitment_end(raw, plan, reservation),
            "x_usage_date": start.cast(pa.date32(), safe=False),
            "x_partition": literal(context.partition, n),
            "x_credit_amount": by_kind(kind, {"Credit": net, "Refund": net}, otherwise=0.0),
            "x_credits": no_amounts(n),
            "x_currency_rate_usd": rate,
            "x_billed_cost_usd": net / rate,
            "x_effective_cost_usd": effective / rate,
            "x_fingerprint": literal(context.fingerprint, n),
            "x_dlt_load_id": literal(context.load_id, n),
        },
        partial(pick_tag, tag),
    )


_COPIED = copied("aws/columns")
_USED = {"Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"}
_REGION_NAME = constants("aws_regions.csv", "region_id", "region_name")


def _without_split_cost_rows(raw: Raw) -> Raw:
    split = is_in(raw.text("line_item_operation"), SPLIT_COST_ROWS)
    return Raw(raw.table.filter(pa.array(~split))) if split.any() else raw


def _commitment_family(raw: Raw, kind: pa.DictionaryArray) -> pa.DictionaryArray:
    """Of usage at any price the commitments that could pay for it."""
    product, usage_type = raw.text("line_item_product_code"), raw.text("line_item_usage_type")
    names = [NONE, *dict.fromkeys(each.name for each in families())]
    products = list(dict.fromkeys(each.product_code for each in families()))
    other = len(products)  # and NULL
    row = {code: number for number, code in enumerate(products)}
    rows = np.array([row.get(code, other) for code in (*product.dictionary.to_pylist(), None)])
    found = np.zeros((other + 1, len(usage_type.dictionary) + 1), np.int32)
    for column, text in enumerate(usage_type.dictionary.to_pylist()):
        for each in reversed(_matching(text or "")):  # the first of a product is written last
            found[row[each.product_code], column] = names.index(each.name)
    of_line = found[rows[codes_of(product, null=-1)], codes_of(usage_type, null=-1)]
    family = pa.DictionaryArray.from_arrays(pa.array(of_line), pa.array(names))
    return only(family, is_in(kind, _USED))


@lru_cache(maxsize=1 << 16)
def _matching(usage_type: str) -> tuple[Family, ...]:
    """The families whose expression a usage type has in it: asked for each batch."""
    return tuple(each for each in families() if re.search(each.usage_type, usage_type))


def _pricing_category(raw: Raw, kind: pa.DictionaryArray) -> pa.DictionaryArray:
    """By kind of line, but on-demand usage of spot instances is Dynamic."""
    usage_type = raw.text("line_item_usage_type")
    spot = lookup(usage_type, lambda name: "Dynamic" if "SpotUsage" in name else None)
    used = is_in(kind, {"Usage"})
    return first_text(only(spot, used), lookup(kind, of_kind("pricing_category")))

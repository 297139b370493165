"""The four costs of a CUR line, by its line_item_type. Twin: sql/20_aws.sql.

Rules of AWS's own Cloud Intelligence Dashboards (summary_view.sql) with the net columns where they
have a value. lookups/aws_line_items.csv says which amount a type of line has for each cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pipelines.normalize.columns import (
    Booleans,
    Floats,
    Raw,
    by_kind,
    constants,
    either,
    first,
    is_in,
    is_set,
    lookup,
)
from pipelines.providers.aws.contract import NET, WITH_NET
from pipelines.tables import line_items

_PAID_AHEAD = re.compile(
    r"one[- ]?time|up-?front (fee|payment)|all up-?front|purchase", re.IGNORECASE
)
_PLAN_OR_RESERVATION = re.compile(r"savings ?plan|reserv", re.IGNORECASE)
_NOT_THE_PURCHASE = re.compile(
    r"discount|\b(edp|spp|ppa)\b|private pric|usage|recurring|hourly|monthly", re.IGNORECASE
)
"""In the description of a refund: what it is of."""


def net(raw: Raw, has_net: bool) -> Floats:
    """What the invoice says.

    In a delivery with net amounts a discount is in those of the lines that it lowers: where its own
    row has none, it is 0 there.
    """
    billed = _net_or_gross(raw, NET, "line_item_unblended_cost")
    if not has_net:
        return billed
    is_discount = is_in(raw.text("line_item_line_item_type"), line_items.discounts())
    return np.where(is_discount & np.isnan(raw.number(NET)), 0.0, billed)


def amounts(raw: Raw, layout: str = "") -> dict[str, Floats]:
    """The amounts that lookups/aws_line_items.csv chooses from, by its names for them."""
    billed = net(raw, has_net=layout.startswith(WITH_NET))
    reservation = is_set(raw.text("reservation_reservation_a_r_n"))
    return {
        "net": billed,
        "gross": first(raw.number("line_item_unblended_cost"), billed),
        "0": np.zeros(raw.rows),
        "public": raw.number("pricing_public_on_demand_cost"),
        "reserved": _net_or_gross(
            raw, "reservation_net_effective_cost", "reservation_effective_cost"
        ),
        "covered": _net_or_gross(
            raw,
            "savings_plan_net_savings_plan_effective_cost",
            "savings_plan_savings_plan_effective_cost",
        ),
        "unused_reservation": _unused_reservation(raw),
        "unused_commitment": _unused_commitment(raw),
        "net_unless_reserved": np.where(reservation, 0.0, billed),
        "net_unless_purchase": np.where(_returns_a_purchase(raw), 0.0, billed),
    }


def cost(name: str, kind: pa.DictionaryArray, known: Mapping[str, Floats]) -> Floats:
    """The cost `name` of each line by the amounts that its type has for it.

    A type without a rule is billed, but its other costs are NULL, never guessed.
    """
    rules = line_items.amounts(name)
    special: dict[str, Floats | float] = {
        line_item_type: first(*(known[amount] for amount in names))
        for line_item_type, names in rules.items()
        if names != ("net",)
    }
    return by_kind(kind, special, otherwise=np.where(is_in(kind, rules), known["net"], np.nan))


def of_kind(column: str) -> Mapping[str, str]:
    """A column of lookups/aws_line_items.csv by line_item_type."""
    return constants("aws_line_items.csv", "line_item_type", column)


def _unused_reservation(raw: Raw) -> Floats:
    """Of a reservation's fee of the month what stayed unused."""
    return either(
        _net_or_gross(
            raw,
            "reservation_net_unused_amortized_upfront_fee_for_billing_period",
            "reservation_unused_amortized_upfront_fee_for_billing_period",
        ),
        _net_or_gross(
            raw, "reservation_net_unused_recurring_fee", "reservation_unused_recurring_fee"
        ),
    )


def _unused_commitment(raw: Raw) -> Floats:
    """What nobody used of a savings plan's commitment, at the discount that the plan's fee has.

    AWS gives the commitment and its used part before discounts only, and the fee both ways.
    """
    upfront = "amortized_upfront_commitment_for_billing_period"
    recurring = "recurring_commitment_for_billing_period"
    fee = either(raw.number(f"savings_plan_{upfront}"), raw.number(f"savings_plan_{recurring}"))
    net_fee = either(
        _net_or_gross(raw, f"savings_plan_net_{upfront}", f"savings_plan_{upfront}"),
        _net_or_gross(raw, f"savings_plan_net_{recurring}", f"savings_plan_{recurring}"),
    )
    is_net = _has_any(raw, f"savings_plan_net_{upfront}", f"savings_plan_net_{recurring}")
    share = first(
        _ratio(np.where(is_net, net_fee, np.nan), fee),
        _ratio(raw.number(NET), raw.number("line_item_unblended_cost")),
        np.ones(raw.rows),
    )
    commitment = raw.number("savings_plan_total_commitment_to_date")
    unused: Floats = (commitment - raw.number("savings_plan_used_commitment")) * share
    return unused


def _ratio(net_cost: Floats, gross: Floats) -> Floats:
    """Net over gross; NULL where the two do not show a discount."""
    known = (gross > 0) & (net_cost >= 0) & (net_cost <= gross)
    return np.where(known, net_cost, np.nan) / np.where(known, gross, 1.0)


def _has_any(raw: Raw, *names: str) -> Booleans:
    """Whether any of the columns has a value."""
    found: Booleans = np.any([~np.isnan(raw.number(name)) for name in names], axis=0)
    return found


def _returns_a_purchase(raw: Raw) -> Booleans:
    """Whether a refund takes back what a plan or reservation was paid ahead.

    The description decides: a refund of a discount or of usage has the plan's product code and
    ARN, too. Over a term effective then equals billed: the fee was 0 there, and its return is 0.
    """
    if "Refund" not in raw.text("line_item_line_item_type").dictionary.to_pylist():
        return np.zeros(raw.rows, bool)  # reading thousands of descriptions would decide nothing
    description = raw.text("line_item_line_item_description")
    reservation = is_set(raw.text("reservation_reservation_a_r_n"))
    names_plan = says(_PLAN_OR_RESERVATION, raw.text("line_item_product_code"))
    plan = is_set(raw.text("savings_plan_savings_plan_a_r_n")) | names_plan
    of_commitment = reservation | plan | says(_PLAN_OR_RESERVATION, description)
    paid_ahead = reservation | says(_PAID_AHEAD, description)
    return of_commitment & paid_ahead & ~says(_NOT_THE_PURCHASE, description)


def says(pattern: re.Pattern[str], text: pa.DictionaryArray) -> Booleans:
    """Whether the pattern is in each text; False where NULL."""
    return is_set(lookup(text, lambda words: "yes" if pattern.search(words) else None))


def _net_or_gross(raw: Raw, net_column: str, gross_column: str) -> Floats:
    return first(raw.number(net_column), raw.number(gross_column))

"""The four costs of a CUR line, by its line_item_type. Twin: sql/20_aws.sql.

Rules of AWS's own Cloud Intelligence Dashboards (summary_view.sql) with the net columns where they
have a value. lookups/aws_line_items.csv says which amount a type of line has for each cost.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pipelines.normalize.columns import (
    Floats,
    Raw,
    by_kind,
    constants,
    either,
    first,
    is_in,
    is_set,
)
from pipelines.tables import line_items


def net(raw: Raw) -> Floats:
    """Billed cost: the net column where it has a value, else the gross column."""
    return _net_or_gross(raw, "line_item_net_unblended_cost", "line_item_unblended_cost")


def amounts(raw: Raw) -> dict[str, Floats]:
    """The amounts that lookups/aws_line_items.csv chooses from, by its names for them."""
    billed = net(raw)
    reservation = is_set(raw.text("reservation_reservation_a_r_n"))
    is_plan = is_in(raw.text("line_item_product_code"), {"ComputeSavingsPlans"})
    return {
        "net": billed,
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
        "unused_commitment": raw.number("savings_plan_total_commitment_to_date")
        - raw.number("savings_plan_used_commitment"),
        "net_unless_reserved": np.where(reservation, 0.0, billed),
        "net_unless_plan": np.where(is_plan, 0.0, billed),
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


def _net_or_gross(raw: Raw, net_column: str, gross_column: str) -> Floats:
    return first(raw.number(net_column), raw.number(gross_column))

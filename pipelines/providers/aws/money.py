"""The four costs of a CUR line, by its line_item_type. Twin: sql/20_aws.sql.

Rules of AWS's own Cloud Intelligence Dashboards (summary_view.sql) with the net columns where they
have a value. A kind of line without a rule is billed, but its other costs are NULL.
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


def net(raw: Raw) -> Floats:
    """What the invoice says."""
    return _net_or_gross(raw, "line_item_net_unblended_cost", "line_item_unblended_cost")


def effective(raw: Raw, kind: pa.DictionaryArray, billed: Floats) -> Floats:
    """What was used, commitments spread over their use; of a purchase what stayed unused."""
    reserved = is_set(raw.text("reservation_reservation_a_r_n"))
    plan_refund = is_in(raw.text("line_item_product_code"), {"ComputeSavingsPlans"})
    rules: dict[str, Floats | float] = {
        "DiscountedUsage": _net_or_gross(
            raw,
            "reservation_net_effective_cost",
            "reservation_effective_cost",
        ),
        "RIFee": either(
            _net_or_gross(
                raw,
                "reservation_net_unused_amortized_upfront_fee_for_billing_period",
                "reservation_unused_amortized_upfront_fee_for_billing_period",
            ),
            _net_or_gross(
                raw,
                "reservation_net_unused_recurring_fee",
                "reservation_unused_recurring_fee",
            ),
        ),
        "Fee": np.where(reserved, 0.0, billed),
        "SavingsPlanCoveredUsage": _net_or_gross(
            raw,
            "savings_plan_net_savings_plan_effective_cost",
            "savings_plan_savings_plan_effective_cost",
        ),
        "SavingsPlanNegation": 0.0,
        "SavingsPlanRecurringFee": raw.number("savings_plan_total_commitment_to_date")
        - raw.number("savings_plan_used_commitment"),
        "SavingsPlanUpfrontFee": 0.0,
        "Refund": np.where(plan_refund, 0.0, billed),
    }
    return by_kind(kind, rules, otherwise=_known(kind, billed))


def list_cost(raw: Raw, kind: pa.DictionaryArray, billed: Floats) -> Floats:
    """At public on-demand prices."""
    public = raw.number("pricing_public_on_demand_cost")
    rules: dict[str, Floats | float] = {
        "Usage": first(public, billed),
        "DiscountedUsage": public,
        "RIFee": 0.0,
        "SavingsPlanCoveredUsage": first(public, billed),
        "SavingsPlanNegation": 0.0,
    }
    return by_kind(kind, rules, otherwise=_known(kind, billed))


def contracted(raw: Raw, kind: pa.DictionaryArray, billed: Floats) -> Floats:
    """At negotiated prices before commitments. The CUR has no such column; `net` comes nearest."""
    rules: dict[str, Floats | float] = {
        "DiscountedUsage": raw.number("pricing_public_on_demand_cost"),
        "RIFee": 0.0,
        "SavingsPlanNegation": 0.0,
    }
    return by_kind(kind, rules, otherwise=_known(kind, billed))


def of_kind(column: str) -> Mapping[str, str]:
    """A column of lookups/aws_line_items.csv by line_item_type."""
    return constants("aws_line_items.csv", "line_item_type", column)


def _known(kind: pa.DictionaryArray, billed: Floats) -> Floats:
    """`billed` where the kind has a rule; an unknown kind's other costs are NULL, never guessed."""
    return np.where(is_in(kind, of_kind("charge_category")), billed, np.nan)


def _net_or_gross(raw: Raw, net_column: str, gross_column: str) -> Floats:
    return first(raw.number(net_column), raw.number(gross_column))

"""The enterprise discount on the sandbox's line items, and the tax that is due after it.

AWS shows a private discount in one of two ways, by the export's configuration ("manual discount
compatibility"): as net columns and a `discount` map on every row, or as EdpDiscount rows beside
gross ones. Never both: whoever adds them counts the discount twice. Source: AWS Data Exports user
guide, "Discount columns".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from scripts.sandbox.aws import commitments, estate
from scripts.sandbox.aws.lines import Line, Month, line, money

_TAX_RATES = {estate.PRODUCTION: 0.0625, estate.STAGING: 0.0625, estate.DATA: 0.05}
_ELIGIBLE = {"Usage", "DiscountedUsage", "RIFee", "SavingsPlanCoveredUsage"} | {
    "SavingsPlanNegation",
    "SavingsPlanRecurringFee",
    "SavingsPlanUpfrontFee",
}
#: Amounts that a fee paid upfront is spread over; they keep the price of the day of purchase.
_UPFRONT = (
    "reservation_amortized_upfront_cost_for_usage",
    "reservation_amortized_upfront_fee_for_billing_period",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_upfront_value",
    "savings_plan_amortized_upfront_commitment_for_billing_period",
)
_RECURRING = (
    "reservation_recurring_fee_for_usage",
    "reservation_unused_recurring_fee",
    "savings_plan_recurring_commitment_for_billing_period",
    "split_line_item_split_cost",
    "split_line_item_unused_cost",
)
_BOUGHT = {r.arn: r.start for r in commitments.RESERVATIONS} | {
    plan.arn: plan.start for plan in (*commitments.SAVINGS_PLANS, commitments.RETURNED_PLAN)
}


def is_discounted(month: Month) -> bool:
    """Whether the discount agreement holds in this month."""
    return month.first >= commitments.DISCOUNT_START


def net_cost(row: Line) -> float:
    """What a row costs after the enterprise discount; the same for both ways of showing it."""
    cost: float = row["line_item_unblended_cost"]
    return money(cost * (1 - commitments.DISCOUNT)) if _is_eligible(row) else cost


def with_net_columns(row: Line) -> Line:
    """The row with its net columns and its `discount` map."""
    net = net_cost(row)
    taken = money(net - row["line_item_unblended_cost"])
    columns: Line = {
        "line_item_net_unblended_cost": net,
        "discount_bundled_discount": 0.0,
        "discount_total_discount": taken,
        "discount": {"edp_discount": taken} if taken else {},
    }
    if row.get("line_item_unblended_rate"):
        rate = float(row["line_item_unblended_rate"])
        share = 1 - commitments.DISCOUNT if _is_eligible(row) else 1
        columns["line_item_net_unblended_rate"] = f"{rate * share:.10f}"
    return {**row, **columns, **_net_commitment(row)}


def discount_rows(month: Month, rows: Sequence[Line]) -> Iterator[Line]:
    """One EdpDiscount row per day, account and product."""
    totals: dict[tuple[str, str, str], list[Line]] = defaultdict(list)
    for row in rows:
        if _is_eligible(row) and row["line_item_unblended_cost"]:
            start = row["line_item_usage_start_date"].date().isoformat()
            key = (start, row["line_item_usage_account_id"], row["line_item_product_code"])
            totals[key].append(row)
    accounts = {account.id: account for account in estate.ACCOUNTS}
    for (_, account, code), group in sorted(totals.items()):
        taken = sum(net_cost(row) - row["line_item_unblended_cost"] for row in group)
        start = group[0]["line_item_usage_start_date"].date()
        text = "Enterprise Program Discount"
        yield line(
            month, accounts[account], "EdpDiscount", code, taken, start=start, description=text
        )


def taxes(month: Month, rows: Sequence[Line]) -> Iterator[Line]:
    """US sales tax on what is due: a row per account and product, in cents."""
    due: dict[tuple[str, str], float] = defaultdict(float)
    net = net_cost if is_discounted(month) else (lambda row: row["line_item_unblended_cost"])
    for row in rows:
        if row["line_item_line_item_type"] not in {"Credit", "Refund"}:
            due[row["line_item_usage_account_id"], row["line_item_product_code"]] += net(row)
    for account, rate in _TAX_RATES.items():
        for code in estate.PRODUCTS:
            amount = round(due[account.id, code] * rate, 2)
            if amount > 0:
                yield line(
                    month,
                    account,
                    "Tax",
                    code,
                    amount,
                    description=f"Tax for product code {code}",
                    line_item_tax_type="USSalesTax",
                )


def _is_eligible(row: Line) -> bool:
    kind = row["line_item_line_item_type"]
    is_fee = kind == "Fee" and bool(row.get("reservation_reservation_a_r_n"))
    return (kind in _ELIGIBLE or is_fee) and row["bill_billing_entity"] == "AWS"


def _net_commitment(row: Line) -> Line:
    """reservation_net_…, savings_plan_net_… and split_line_item_net_… of the gross ones."""
    arn = row.get("savings_plan_savings_plan_a_r_n") or row.get("reservation_reservation_a_r_n")
    bought = _BOUGHT.get(arn or "")
    share = 1 - commitments.DISCOUNT
    upfront_share = share if bought and bought >= commitments.DISCOUNT_START else 1
    net = {_net(name): money(row[name] * upfront_share) for name in _UPFRONT if name in row}
    net |= {_net(name): money(row[name] * share) for name in _RECURRING if name in row}
    if "reservation_effective_cost" in row:
        net["reservation_net_effective_cost"] = money(
            net["reservation_net_amortized_upfront_cost_for_usage"]
            + net["reservation_net_recurring_fee_for_usage"]
        )
    if "savings_plan_savings_plan_effective_cost" in row:
        effective = row["savings_plan_savings_plan_effective_cost"]
        net["savings_plan_net_savings_plan_effective_cost"] = money(effective * share)
    return net


def _net(column: str) -> str:
    """`reservation_effective_cost` → `reservation_net_effective_cost`."""
    groups = ("split_line_item", "savings_plan", "reservation")
    group = next(g for g in groups if column.startswith(f"{g}_"))
    return f"{group}_net_{column.removeprefix(f'{group}_')}"

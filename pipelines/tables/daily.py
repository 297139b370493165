"""The shape of `costs_daily`: cost lines summed over the hours of a day, all else of them kept.

Marts, the report and Rill's cost model read it instead of the lines, so that what a reader waits
for does not grow with their number. Twins: normalize/daily.py, and `{daily:…}` in sql/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from pipelines.tables.privacy import KEEP
from pipelines.tables.schema import Column, cost_columns

NAME = "costs_daily"
VERSION = 1
"""One more whenever the rules below change: every partition's daily rows are then made again."""

SUMS = (
    "consumed_quantity",
    "pricing_quantity",
    "billed_cost",
    "effective_cost",
    "list_cost",
    "contracted_cost",
    "x_credit_amount",
)
COSTS = "billed_cost", "effective_cost"
LINES = "x_lines"
WITHOUT_COST = "x_lines_without_cost"
SPANS_DAYS = "x_spans_days"
LEFT_OUT = frozenset(
    {
        "billing_period_end",
        "charge_period_start",
        "charge_period_end",
        # as many values as lines, or maps
        "charge_description",
        "sku_price_id",
        "tags",
        "x_cost_categories",
        "x_account_tags",
        "x_credits",
        # the amounts by x_currency_rate_usd
        "x_billed_cost_usd",
        "x_effective_cost_usd",
    }
)
"""Columns of a cost line that its day does not have."""
_SPANS = "coalesce(lines.charge_period_end > lines.charge_period_start + interval 1 day, false)"


def without(name: str) -> str:
    """The column that counts the lines whose `name` is NULL."""
    return f"x_lines_without_{name.removeprefix('x_')}"


def daily_columns(tag_columns: Sequence[str]) -> tuple[Column, ...]:
    """The shape of `costs_daily`, with one tag_<name> column per configured tag key."""
    return tuple(_columns(tag_columns))


def key_names(tag_columns: Sequence[str]) -> list[str]:
    """The columns by which lines are summed: all but the sums and counts."""
    counts = {LINES, WITHOUT_COST, *SUMS, *map(without, SUMS)}
    return [each.name for each in daily_columns(tag_columns) if each.name not in counts]


def select_of(lines: str, tag_columns: Sequence[str]) -> str:
    """The daily rows of the cost lines in table `lines`, in the order of `daily_columns`."""
    keys = set(key_names(tag_columns))
    columns = ", ".join(_expression(column.name, keys) for column in daily_columns(tag_columns))
    return f"select {columns} from {lines} as lines group by {', '.join(map(key, sorted(keys)))}"


def rules(tag_columns: Sequence[str]) -> str:
    """A sentence about the table that changes when its rows would."""
    text = f"{select_of('', tag_columns)} {VERSION}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"Cost by day; a partition is replaced with its lines. Rules {digest}."


def _columns(tag_columns: Sequence[str]) -> Iterator[Column]:
    for column in cost_columns(tag_columns):
        if column.name not in LEFT_OUT:
            yield column
        if column.name == "x_usage_date":
            yield Column(SPANS_DAYS, "boolean", False, "The charge is for longer than a day.",
                         privacy=KEEP)  # fmt: skip
        if column.name == "x_credit_amount":
            yield Column(LINES, "integer", False, "Cost lines that the row sums up.", privacy=KEEP)
            yield Column(WITHOUT_COST, "integer", False,
                         "Those that have no billed_cost or no effective_cost.",
                         privacy=KEEP)  # fmt: skip
            for name in SUMS:
                yield Column(without(name), "integer", False,
                             f"Those that have no {name}: its sum is of the others.",
                             privacy=KEEP)  # fmt: skip


def _expression(name: str, keys: set[str]) -> str:
    if name in keys:
        return f"{key(name)} as {name}"
    if name in SUMS:
        return f"sum(lines.{name}) as {name}"
    if name == LINES:
        return f"count(*) as {name}"
    if name == WITHOUT_COST:
        return f"count(*) - count(lines.billed_cost + lines.effective_cost) as {name}"
    of = next(each for each in SUMS if without(each) == name)
    return f"count(*) - count(lines.{of}) as {name}"


def key(name: str) -> str:
    """The expression of a key over the table `lines`."""
    return _SPANS if name == SPANS_DAYS else f"lines.{name}"

"""The shape of `costs_daily`: cost lines summed over the hours of a day, all else of them kept.

Marts, the report and Rill's cost model read it instead of the lines, so that what a reader waits
for does not grow with their number. Twins: normalize/daily.py, and `{daily:…}` in sql/.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache

from pipelines.tables.privacy import KEEP, SCALE, SHIFT
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
    return _daily_columns(tuple(tag_columns))


@cache
def _daily_columns(tag_columns: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(_columns(tag_columns))


def sum_names() -> frozenset[str]:
    """The columns that are sums and counts."""
    return frozenset({LINES, WITHOUT_COST, *SUMS, *map(without, SUMS)})


def key_names(tag_columns: Sequence[str]) -> list[str]:
    """The columns by which lines are summed: all but the sums and counts."""
    return [each.name for each in daily_columns(tag_columns) if each.name not in sum_names()]


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


# fmt: off
# what the marts of the overview make of it
REPORTING = Column("reporting_currency", "text", False, "Currency of every amount in the row.",
                   privacy=KEEP)

COMPLETE_THROUGH: tuple[Column, ...] = (
    Column("source", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("state", "text", False,
           "live; stopped: over a week behind; monthly: usage by the month; no whole day.",
           privacy=KEEP),
    Column("complete_through", "date", True, "Its last whole day (UTC); NULL when it has none.",
           privacy=SHIFT),
    Column("as_of", "date", False, "The day that all live sources have reached.", privacy=SHIFT),
    Column("newest_day", "date", False, "The newest day of use of any line, also in the future.",
           privacy=SHIFT),
    Column("delivered_at", "timestamp", True, "When the provider wrote its newest delivery.",
           privacy=SHIFT),
)

MONTH_SOURCES: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    Column("source", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("state", "text", False, "The source's state, as in complete_through.", privacy=KEEP),
    Column("is_newest", "integer", False, "1 in rows of the month of as_of, else 0.",
           privacy=KEEP),
    Column("as_of", "date", False, "The day that all live sources have reached.", privacy=SHIFT),
    Column("source_as_of", "date", False,
           "The day up to which the source's days count; 1970-01-01 when it has no whole day.",
           privacy=SHIFT),
    Column("counted_through", "date", False, "The last day of the source that counts in the month.",
           privacy=SHIFT),
    Column("is_partial", "integer", False,
           "1 where the first days of the month are missing in a source, else 0.", privacy=KEEP),
    Column("month_state", "text", False,
           "The month's, of all sources: as in cost_overview; begun: after as_of.", privacy=KEEP),
    Column("compared_from", "integer", False,
           "The first day of the month that is compared with the month before.", privacy=KEEP),
    Column("compared_to", "integer", False,
           "The last such day: 31 is the whole month, 0 is none.", privacy=KEEP),
)

COST_DAYS: tuple[Column, ...] = (
    Column("source", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("day", "date", False, "Day of use (UTC).", privacy=SHIFT),
    REPORTING,
    Column("billed", "number", True, "Billed cost.", privacy=SCALE),
    Column("effective", "number", True, "Effective cost.", privacy=SCALE),
    Column("list", "number", True, "Cost at list prices.", privacy=SCALE),
    Column("credits", "number", True, "Credits and refunds within billed; negative.",
           privacy=SCALE),
    Column("daily_billed", "number", True, "Billed cost of what comes again every day.",
           privacy=SCALE),
    Column("daily_effective", "number", True, "Effective cost of what comes again every day.",
           privacy=SCALE),
    Column("monthly_billed", "number", True,
           "Billed cost of usage and fees for longer than a day, such as by the month.",
           privacy=SCALE),
    Column("monthly_effective", "number", True,
           "Effective cost of usage and fees for longer than a day.", privacy=SCALE),
    Column("usage_effective", "number", True, "Effective cost of usage that can have tags.",
           privacy=SCALE),
    Column("untagged_effective", "number", True, "The part of it without any configured tag.",
           privacy=SCALE),
    Column("line_items", "integer", False, "Cost lines of the day.", privacy=KEEP),
    Column("line_items_without_rate", "integer", False,
           "Those that no rate turns into the reporting currency.", privacy=KEEP),
    Column("line_items_without_cost", "integer", False,
           "Those with no billed or no effective cost.", privacy=KEEP),
)

COST_PROJECTION: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the newest month.", privacy=SHIFT),
    Column("as_of", "date", False, "Its last whole day of all live sources.", privacy=SHIFT),
    Column("run_rate_billed", "number", True, "What comes again every day, as billed, per day.",
           privacy=SCALE),
    Column("to_come_billed", "number", True, "Billed cost expected after as_of in the month.",
           privacy=SCALE),
    Column("low_billed", "number", True, "The low end of it.", privacy=SCALE),
    Column("high_billed", "number", True, "The high end of it.", privacy=SCALE),
    Column("run_rate_effective", "number", True, "The same of effective cost.", privacy=SCALE),
    Column("to_come_effective", "number", True, "Effective cost expected after as_of.",
           privacy=SCALE),
    Column("low_effective", "number", True, "The low end of it.", privacy=SCALE),
    Column("high_effective", "number", True, "The high end of it.", privacy=SCALE),
)
# fmt: on

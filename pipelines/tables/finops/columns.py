"""The marts that a team steers its cost by: sql/marts/55_… to 59_….

Money is in the reporting currency.
"""

from __future__ import annotations

from pipelines.tables.finops.billing import PLATFORM_COST, PROVIDER_TOTALS, RECONCILIATION
from pipelines.tables.privacy import KEEP, SCALE, SHIFT, pseudonym
from pipelines.tables.schema import Column

# fmt: off
_CURRENCY = Column("reporting_currency", "text", False, "Currency of every amount in the row.",
                   privacy=KEEP)

COST_ANOMALIES: tuple[Column, ...] = (
    Column("first_day", "date", False, "First unusual day (UTC).", privacy=SHIFT),
    Column("last_day", "date", False, "Last unusual day.", privacy=SHIFT),
    Column("days", "integer", False, "Number of unusual days between them.", privacy=KEEP),
    Column("is_ongoing", "integer", False,
           "1 where the source's newest whole day is unusual, else 0.", privacy=KEEP),
    Column("source", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("dimension", "text", False, "service, account or a tag's column, such as tag_team.",
           privacy=KEEP),
    Column("value", "text", False, "The service, account id or tag value; (none) without one.",
           privacy=pseudonym("tag", unless=("dimension", "service"))),
    Column("name", "text", False, "Name to display for value.",
           privacy=pseudonym("tag", unless=("dimension", "service"))),
    Column("direction", "text", False, "rise or drop.", privacy=KEEP),
    _CURRENCY,
    Column("expected", "number", False, "What the unusual days usually cost.", privacy=SCALE),
    Column("actual", "number", False, "Their effective cost.", privacy=SCALE),
    Column("impact", "number", False, "actual - expected.", privacy=SCALE),
)

BUDGETS: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    Column("as_of", "date", True,
           "The last whole day, by which projected goes on; NULL before the first.", privacy=SHIFT),
    # what the budget is of: an empty text is all
    Column("provider", "text", False, "Source or provider; empty for all.", privacy=KEEP),
    Column("account", "text", False, "Account id; empty for all.", privacy=pseudonym("account")),
    Column("service", "text", False, "Service name; empty for all.", privacy=KEEP),
    Column("tag_column", "text", False, "Column of the tag; empty for all.", privacy=KEEP),
    Column("tag_value", "text", False, "Value of the tag.", privacy=pseudonym("tag")),
    Column("product", "text", False, "Product by sql/products.csv; empty for all.",
           privacy=pseudonym("product")),
    # how far it is
    _CURRENCY,
    Column("budget", "number", True, "The month's budget; NULL without a rate.", privacy=SCALE),
    Column("burned", "number", True, "Effective cost to date; NULL when a part is not known.",
           privacy=SCALE),
    Column("projected", "number", True,
           "Effective cost of the whole month; NULL before its first whole day.", privacy=SCALE),
    Column("burned_share", "number", True, "burned / budget.", privacy=KEEP),
    Column("projected_share", "number", True, "projected / budget.", privacy=KEEP),
    Column("line_items", "integer", False, "Cost lines in burned.", privacy=KEEP),
    Column("line_items_without_cost", "integer", False,
           "Those without an effective cost or a rate.", privacy=KEEP),
)

COST_ALLOCATED: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    Column("team", "text", False, "Value of the team's tag; unallocated for the remainder.",
           privacy=pseudonym("tag", unless=("team", "unallocated"))),
    Column("product", "text", False, "Product by sql/products.csv, else unassigned.",
           privacy=pseudonym("product")),
    Column("shared", "text", False, "What is shared, by sql/allocation.csv; empty for own cost.",
           privacy=pseudonym("product")),
    Column("split", "text", False, "direct, even, cost, tag, fixed or none.", privacy=KEEP),
    _CURRENCY,
    Column("cost", "decimal", False,
           "Effective cost in cents; the rows of a month add up to its rounded cost.",
           privacy=SCALE),
    Column("line_items_without_cost", "integer", False,
           "Lines without an effective cost or a rate, which cost does not include.",
           privacy=KEEP),
)

UNIT_COST: tuple[Column, ...] = (
    Column("date", "date", False, "Day (UTC).", privacy=SHIFT),
    Column("unit", "text", False, "What is counted, by sql/units.csv.", privacy=KEEP),
    Column("quantity", "number", False, "How many of it.", privacy=SCALE),
    _CURRENCY,
    Column("cost", "number", True, "Effective cost of the day; NULL when a part is not known.",
           privacy=SCALE),
    Column("revenue", "number", True, "Gross revenue of the day; NULL when a part is not known.",
           privacy=SCALE),
    Column("cost_per_unit", "number", True, "cost / quantity.", privacy=KEEP),
    Column("cost_per_revenue", "number", True, "cost / revenue.", privacy=KEEP),
)

COST_CHANGES: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    _CURRENCY,
    Column("is_newest", "integer", False, "1 in rows of the newest month, else 0.", privacy=KEEP),
    Column("kind", "text", False,
           "service, account or a tag's column, such as tag_team.", privacy=KEEP),
    Column("provider_name", "text", False, "The cloud that sold the resource.", privacy=KEEP),
    Column("id", "text", False, "The service, account id or tag value; (none) without one.",
           privacy=pseudonym("tag", unless=("kind", "service"))),
    Column("name", "text", False, "Name to display for id.",
           privacy=pseudonym("tag", unless=("kind", "service"))),
    Column("effective", "number", True, "Effective cost on compared days.", privacy=SCALE),
    Column("previous_effective", "number", True,
           "Effective cost on the same days of the previous month.", privacy=SCALE),
    Column("change_effective", "number", True,
           "effective - previous_effective; the three causes add up to it.", privacy=SCALE),
    Column("change_by_usage", "number", True,
           "By other usage at list prices, at the share that was paid of them.", privacy=SCALE),
    Column("change_by_price", "number", True,
           "By another share of list prices: discounts, commitments, spot.", privacy=SCALE),
    Column("change_otherwise", "number", True,
           "Without a list cost in both months: new, gone, fees, credits.", privacy=SCALE),
)
# fmt: on

FINOPS_MARTS: dict[str, tuple[Column, ...]] = {
    "cost_anomalies": COST_ANOMALIES,
    "budgets": BUDGETS,
    "cost_allocated": COST_ALLOCATED,
    "unit_cost": UNIT_COST,
    "cost_changes": COST_CHANGES,
    "provider_totals": PROVIDER_TOTALS,
    "reconciliation": RECONCILIATION,
    "platform_cost": PLATFORM_COST,
}

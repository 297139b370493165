"""The marts that answer what a reader asks first, in sql/marts/50_cost_overview.sql and after it.

Money is in USD, and lines without a rate to it are left out and counted; in `restatements` it is in
the source's own currency.
"""

from __future__ import annotations

from pipelines.tables.privacy import KEEP, SCALE, SHIFT, pseudonym
from pipelines.tables.schema import Column

# fmt: off
COST_OVERVIEW: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    Column("as_of", "date", False, "The newest month: newest day of use; others: last day.",
           privacy=SHIFT),
    Column("is_newest", "integer", False, "1 in the row of the newest month, else 0.",
           privacy=KEEP),
    Column("days_elapsed", "integer", False, "Days of the month up to as_of.", privacy=KEEP),
    Column("days_in_month", "integer", False, "Days of the whole month.", privacy=KEEP),
    # to date
    Column("billed", "number", True, "Billed in the month to date, in USD.", privacy=SCALE),
    Column("effective", "number", True, "Effective cost to date, in USD.", privacy=SCALE),
    Column("list", "number", True, "At list prices, in USD.", privacy=SCALE),
    Column("credits", "number", True, "Credits and refunds within billed, in USD; negative.",
           privacy=SCALE),
    Column("usage_effective", "number", True, "Effective cost of usage, in USD.", privacy=SCALE),
    Column("untagged_effective", "number", True, "The part of it without any configured tag.",
           privacy=SCALE),
    # before
    Column("previous_billed", "number", True, "Billed in the same days of the month before.",
           privacy=SCALE),
    Column("previous_effective", "number", True, "Effective cost of those days.", privacy=SCALE),
    Column("previous_month_billed", "number", True, "Billed in the whole month before.",
           privacy=SCALE),
    Column("previous_month_effective", "number", True, "Effective cost of the month before.",
           privacy=SCALE),
    # to come
    Column("run_rate_billed", "number", True, "Billed a day, of what comes again every day.",
           privacy=SCALE),
    Column("run_rate_effective", "number", True, "Effective cost a day, likewise.", privacy=SCALE),
    Column("projected_billed", "number", True, "Billed to date and the run rate to the end.",
           privacy=SCALE),
    Column("projected_effective", "number", True, "Effective cost, likewise.", privacy=SCALE),
    Column("budget", "number", True, "The month's budget in USD; NULL when none is set.",
           privacy=SCALE),
    # how much of it is known
    Column("line_items", "integer", False, "Cost lines of the month.", privacy=KEEP),
    Column("line_items_without_usd", "integer", False, "Those that no rate turns into USD.",
           privacy=KEEP),
)

COST_MOVERS: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    Column("is_newest", "integer", False, "1 in rows of the newest month, else 0.", privacy=KEEP),
    Column("kind", "text", False, "service or account.", privacy=KEEP),
    Column("provider_name", "text", False, "The cloud that sold it.", privacy=KEEP),
    Column("id", "text", False, "The service, or the account's id; (none) without.",
           privacy=pseudonym("account", unless=("kind", "service"))),
    Column("name", "text", False, "The same for people.",
           privacy=pseudonym("account-name", unless=("kind", "service"))),
    Column("billed", "number", True, "Billed in the month to date, in USD.", privacy=SCALE),
    Column("effective", "number", True, "Effective cost to date, in USD.", privacy=SCALE),
    Column("previous_billed", "number", True, "Billed in the same days of the month before.",
           privacy=SCALE),
    Column("previous_effective", "number", True, "Effective cost of those days.", privacy=SCALE),
    Column("change_billed", "number", True, "billed less previous_billed.", privacy=SCALE),
    Column("change_effective", "number", True, "effective less previous_effective.",
           privacy=SCALE),
)

COMMITMENTS: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    Column("provider_name", "text", False, "The cloud that sold it.", privacy=KEEP),
    Column("commitment_type", "text", False, "Savings Plan, Reserved Instance; On demand.",
           privacy=KEEP),
    Column("commitment_id", "text", False, "The plan or reservation; empty for on demand.",
           privacy=pseudonym("commitment")),
    Column("used_cost", "number", True, "Effective cost of what it paid for, in USD.",
           privacy=SCALE),
    Column("unused_cost", "number", True, "Effective cost of what nobody used, in USD.",
           privacy=SCALE),
    Column("covered_list", "number", True, "What it covered, at list prices, in USD.",
           privacy=SCALE),
    Column("on_demand_list", "number", True, "What it could have covered, at list prices.",
           privacy=SCALE),
)

RESTATEMENTS: tuple[Column, ...] = (
    Column("source", "text", False, "The source's word.", privacy=KEEP),
    Column("source_partition", "text", False, "The partition that was published.", privacy=SHIFT),
    Column("month", "text", False, "The month it belongs to, such as 2026-10.", privacy=SHIFT),
    Column("billing_currency", "text", True, "Of the amounts; NULL when there are several.",
           privacy=KEEP),
    Column("delivery", "integer", False, "1 for the first publishing of the partition, and on.",
           privacy=KEEP),
    Column("kind", "text", False, "first, restated by the provider, or recalculated by us.",
           privacy=KEEP),
    Column("is_current", "integer", False, "1 for what readers see now, else 0.", privacy=KEEP),
    Column("line_items", "integer", False, "Rows of the partition after it.", privacy=KEEP),
    Column("billed", "number", False, "Billed cost of the partition after it.", privacy=SCALE),
    Column("effective", "number", False, "Effective cost of the partition after it.",
           privacy=SCALE),
    Column("line_items_change", "integer", False, "Rows more than before.", privacy=KEEP),
    Column("billed_change", "number", False, "Billed cost more than before.", privacy=SCALE),
    Column("effective_change", "number", False, "Effective cost more than before.", privacy=SCALE),
    Column("month_billed", "number", False, "Billed cost of the source's month after it.",
           privacy=SCALE),
    Column("month_effective", "number", False, "Effective cost of the source's month after it.",
           privacy=SCALE),
    Column("delivered_at", "timestamp", True, "When the provider wrote it.", privacy=SHIFT),
    Column("published_at", "timestamp", False, "When readers could first see it.", privacy=SHIFT),
)

FRESHNESS: tuple[Column, ...] = (
    Column("source", "text", False, "The source's word.", privacy=KEEP),
    Column("partitions", "integer", True, "Partitions that were published.", privacy=KEEP),
    Column("newest_partition", "text", True, "The last of them.", privacy=SHIFT),
    Column("newest_delivery", "timestamp", True, "When the provider last wrote something.",
           privacy=SHIFT),
    Column("newest_publishing", "timestamp", True, "When readers last saw something new.",
           privacy=SHIFT),
    Column("newest_day", "date", True, "The newest day: of use, of activity, of rates, of trades.",
           privacy=SHIFT),
)
# fmt: on

OVERVIEW_MARTS: dict[str, tuple[Column, ...]] = {
    "cost_overview": COST_OVERVIEW,
    "cost_movers": COST_MOVERS,
    "commitments": COMMITMENTS,
    "restatements": RESTATEMENTS,
    "freshness": FRESHNESS,
}

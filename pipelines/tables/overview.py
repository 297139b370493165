"""The marts that answer what a reader asks first, in sql/marts/50_cost_overview.sql and after it.

Money is in USD, and lines without a rate to it are left out and counted; in `restatements` it is in
the source's own currency.
"""

from __future__ import annotations

from pipelines.tables.schema import Column

COST_OVERVIEW: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC)."),
    Column("as_of", "date", False, "The newest month: newest day of use; others: last day."),
    Column("is_newest", "integer", False, "1 in the row of the newest month, else 0."),
    Column("days_elapsed", "integer", False, "Days of the month up to as_of."),
    Column("days_in_month", "integer", False, "Days of the whole month."),
    # to date
    Column("billed", "number", True, "Billed in the month to date, in USD."),
    Column("effective", "number", True, "Effective cost to date, in USD."),
    Column("list", "number", True, "At list prices, in USD."),
    Column("credits", "number", True, "Credits and refunds within billed, in USD; negative."),
    Column("usage_effective", "number", True, "Effective cost of usage, in USD."),
    Column("untagged_effective", "number", True, "The part of it without any configured tag."),
    # before
    Column("previous_billed", "number", True, "Billed in the same days of the month before."),
    Column("previous_effective", "number", True, "Effective cost of those days."),
    Column("previous_month_billed", "number", True, "Billed in the whole month before."),
    Column("previous_month_effective", "number", True, "Effective cost of the month before."),
    # to come
    Column("run_rate_billed", "number", True, "Billed a day, of what comes again every day."),
    Column("run_rate_effective", "number", True, "Effective cost a day, likewise."),
    Column("projected_billed", "number", True, "Billed to date and the run rate to the end."),
    Column("projected_effective", "number", True, "Effective cost, likewise."),
    Column("budget", "number", True, "The month's budget in USD; NULL when none is set."),
    # how much of it is known
    Column("line_items", "integer", False, "Cost lines of the month."),
    Column("line_items_without_usd", "integer", False, "Those that no rate turns into USD."),
)

COST_MOVERS: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC)."),
    Column("is_newest", "integer", False, "1 in rows of the newest month, else 0."),
    Column("kind", "text", False, "service or account."),
    Column("provider_name", "text", False, "The cloud that sold it."),
    Column("id", "text", False, "The service, or the account's id; (none) without."),
    Column("name", "text", False, "The same for people."),
    Column("billed", "number", False, "Billed in the month to date, in USD."),
    Column("effective", "number", False, "Effective cost to date, in USD."),
    Column("previous_billed", "number", False, "Billed in the same days of the month before."),
    Column("previous_effective", "number", False, "Effective cost of those days."),
    Column("change_billed", "number", False, "billed less previous_billed."),
    Column("change_effective", "number", False, "effective less previous_effective."),
)

COMMITMENTS: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC)."),
    Column("provider_name", "text", False, "The cloud that sold it."),
    Column("commitment_type", "text", False, "Savings Plan, Reserved Instance; On demand."),
    Column("commitment_id", "text", False, "The plan or reservation; empty for on demand."),
    Column("used_cost", "number", False, "Effective cost of what it paid for, in USD."),
    Column("unused_cost", "number", False, "Effective cost of what nobody used, in USD."),
    Column("covered_list", "number", False, "What it covered, at list prices, in USD."),
    Column("on_demand_list", "number", False, "What it could have covered, at list prices."),
)

RESTATEMENTS: tuple[Column, ...] = (
    Column("source", "text", False, "The source's word."),
    Column("source_partition", "text", False, "The partition that was published."),
    Column("month", "text", False, "The month it belongs to, such as 2026-10."),
    Column("billing_currency", "text", True, "Of the amounts; NULL when there are several."),
    Column("delivery", "integer", False, "1 for the first publishing of the partition, and on."),
    Column("kind", "text", False, "first, restated by the provider, or recalculated by us."),
    Column("is_current", "integer", False, "1 for what readers see now, else 0."),
    Column("line_items", "integer", False, "Rows of the partition after it."),
    Column("billed", "number", False, "Billed cost of the partition after it."),
    Column("effective", "number", False, "Effective cost of the partition after it."),
    Column("line_items_change", "integer", False, "Rows more than before."),
    Column("billed_change", "number", False, "Billed cost more than before."),
    Column("effective_change", "number", False, "Effective cost more than before."),
    Column("month_billed", "number", False, "Billed cost of the source's month after it."),
    Column("month_effective", "number", False, "Effective cost of the source's month after it."),
    Column("delivered_at", "timestamp", True, "When the provider wrote it."),
    Column("published_at", "timestamp", False, "When readers could first see it."),
)

FRESHNESS: tuple[Column, ...] = (
    Column("source", "text", False, "The source's word."),
    Column("partitions", "integer", True, "Partitions that were published."),
    Column("newest_partition", "text", True, "The last of them."),
    Column("newest_delivery", "timestamp", True, "When the provider last wrote something."),
    Column("newest_publishing", "timestamp", True, "When readers last saw something new."),
    Column("newest_day", "date", True, "The newest day: of use, of activity, of rates, of trades."),
)

OVERVIEW_MARTS: dict[str, tuple[Column, ...]] = {
    "cost_overview": COST_OVERVIEW,
    "cost_movers": COST_MOVERS,
    "commitments": COMMITMENTS,
    "restatements": RESTATEMENTS,
    "freshness": FRESHNESS,
}

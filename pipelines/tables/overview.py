"""The marts that answer what a reader asks first: sql/marts/15_partial_months.sql to 17, and 48 on.

Money is in the reporting currency, and lines without a rate to it are left out and counted; in
`restatements` it is in the source's own currency.
"""

from __future__ import annotations

import pyarrow as pa

from pipelines.tables.daily import (
    COMPLETE_THROUGH,
    COST_DAYS,
    COST_PROJECTION,
    MONTH_SOURCES,
    REPORTING,
)
from pipelines.tables.privacy import KEEP, SCALE, SHIFT, pseudonym
from pipelines.tables.schema import Column, arrow_of

# fmt: off
_PARTIAL = Column("is_partial", "integer", False,
                  "1 where the first days of a month are missing (partial_months), else 0.",
                  privacy=KEEP)

_STATE = Column("month_state", "text", False,
                "whole; open: days are still to come; partial: days of a source are missing.",
                privacy=KEEP)

PARTIAL_MONTHS: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    Column("source", "text", False, "Name of the source, such as gcp.", privacy=KEEP),
    Column("read_from", "date", False, "The first day whose partition is published.",
           privacy=SHIFT),
    Column("days_before", "integer", False, "Days of the month before read_from.", privacy=KEEP),
    Column("days_missing", "integer", False, "Those without any cost line.", privacy=KEEP),
)

COST_OVERVIEW: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    REPORTING,
    Column("as_of", "date", False,
           "In the newest month the day that all live sources have reached, else the last day.",
           privacy=SHIFT),
    Column("is_newest", "integer", False, "1 in the row of the month of that day, else 0.",
           privacy=KEEP),
    _STATE,
    _PARTIAL,
    Column("days_elapsed", "integer", False, "Days of the month up to as_of.", privacy=KEEP),
    Column("days_in_month", "integer", False, "Days of the whole month.", privacy=KEEP),
    # to date
    Column("billed", "number", True, "Billed in the month to date.", privacy=SCALE),
    Column("effective", "number", True, "Effective cost to date.", privacy=SCALE),
    Column("list", "number", True, "Cost to date at list prices.", privacy=SCALE),
    Column("credits", "number", True, "Credits and refunds within billed; negative.",
           privacy=SCALE),
    Column("usage_effective", "number", True, "Effective cost of usage that can have tags.",
           privacy=SCALE),
    Column("untagged_effective", "number", True, "The part of it without any configured tag.",
           privacy=SCALE),
    # before
    Column("compared_billed", "number", True,
           "The part of billed on days whose counterpart in the previous month was read.",
           privacy=SCALE),
    Column("compared_effective", "number", True, "The part of effective on those days.",
           privacy=SCALE),
    Column("previous_billed", "number", True,
           "Billed on the same days of the previous month.", privacy=SCALE),
    Column("previous_effective", "number", True,
           "Effective cost on the same days of the previous month.", privacy=SCALE),
    Column("previous_month_billed", "number", True, "Billed in the whole previous month.",
           privacy=SCALE),
    Column("previous_month_effective", "number", True,
           "Effective cost of the whole previous month.", privacy=SCALE),
    # to come: NULL but in the newest month, or equal to the month to date
    Column("later_billed", "number", True,
           "Billed cost dated later: days that are not whole or not reached by all, bills ahead.",
           privacy=SCALE),
    Column("later_effective", "number", True, "Effective cost dated later.", privacy=SCALE),
    Column("run_rate_billed", "number", True, "What comes again every day, as billed, per day.",
           privacy=SCALE),
    Column("run_rate_effective", "number", True, "The same of effective cost.", privacy=SCALE),
    Column("projected_billed", "number", True, "billed and what is expected until the month's end.",
           privacy=SCALE),
    Column("projected_billed_low", "number", True, "The low end of the projection.",
           privacy=SCALE),
    Column("projected_billed_high", "number", True, "The high end of the projection.",
           privacy=SCALE),
    Column("projected_effective", "number", True, "The same of effective cost.", privacy=SCALE),
    Column("projected_effective_low", "number", True, "The low end of the projection.",
           privacy=SCALE),
    Column("projected_effective_high", "number", True, "The high end of the projection.",
           privacy=SCALE),
    Column("budget", "number", True, "The month's budget NULL when none is set.",
           privacy=SCALE),
    # how much of it is known
    Column("line_items", "integer", False, "Cost lines of the month.", privacy=KEEP),
    Column("line_items_without_rate", "integer", False,
           "Those that no rate turns into the reporting currency.", privacy=KEEP),
    Column("line_items_without_cost", "integer", False,
           "Those with no billed or no effective cost: the sums do not include it.", privacy=KEEP),
)

COST_MOVERS: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    REPORTING,
    Column("as_of", "date", False, "As in cost_overview.", privacy=SHIFT),
    Column("is_newest", "integer", False, "1 in rows of the newest month, else 0.", privacy=KEEP),
    _STATE,
    _PARTIAL,
    Column("kind", "text", False, "service or account.", privacy=KEEP),
    Column("provider_name", "text", False, "The cloud that sold the resource.", privacy=KEEP),
    Column("id", "text", False, "Service name or account id; (none) when it is missing.",
           privacy=pseudonym("account", unless=("kind", "service"))),
    Column("name", "text", False, "Name to display for id.",
           privacy=pseudonym("account-name", unless=("kind", "service"))),
    Column("billed", "number", True, "Billed in the month to date.", privacy=SCALE),
    Column("effective", "number", True, "Effective cost to date.", privacy=SCALE),
    Column("previous_billed", "number", True,
           "Billed on the same days of the previous month.", privacy=SCALE),
    Column("previous_effective", "number", True,
           "Effective cost on the same days of the previous month.", privacy=SCALE),
    Column("change_billed", "number", True,
           "Change on compared days; NULL when there are none.", privacy=SCALE),
    Column("change_effective", "number", True,
           "Change on compared days; NULL when there are none.", privacy=SCALE),
)

COMMITMENTS: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    _PARTIAL,
    REPORTING,
    Column("provider_name", "text", False, "The cloud that sold the resource.", privacy=KEEP),
    Column("commitment_type", "text", False, "Savings Plan, Reserved Instance or On demand.",
           privacy=KEEP),
    Column("commitment_id", "text", False, "Id of the plan or reservation; empty for on demand.",
           privacy=pseudonym("commitment")),
    Column("used_cost", "number", True, "Effective cost of what it paid for.",
           privacy=SCALE),
    Column("unused_cost", "number", True, "Effective cost of what nobody used.",
           privacy=SCALE),
    Column("covered_list", "number", True, "What it covered, at list prices.",
           privacy=SCALE),
    Column("on_demand_list", "number", True, "What it could have covered, at list prices.",
           privacy=SCALE),
    Column("line_items_without_cost", "integer", False,
           "Its lines without effective cost or rate: used_cost or unused_cost is then NULL.",
           privacy=KEEP),
    Column("ends_on", "date", True,
           "Day on which it ends (UTC), its latest end; NULL where the bills do not say.",
           privacy=SHIFT),
    Column("days_left", "integer", True,
           "Days from the month's as_of, as in cost_overview, to ends_on; below 0 once it ended.",
           privacy=KEEP),
)

UNTAGGED: tuple[Column, ...] = (
    Column("month", "date", False, "First day of the month of use (UTC).", privacy=SHIFT),
    REPORTING,
    Column("is_newest", "integer", False, "1 in rows of the newest month, else 0.", privacy=KEEP),
    Column("tag_key", "text", False, "Column of a configured key, such as tag_team, or (any).",
           privacy=KEEP),
    Column("provider_name", "text", False, "The cloud that sold the resource.", privacy=KEEP),
    Column("service_name", "text", False, "The service; (none) when it is missing.",
           privacy=KEEP),
    Column("sub_account_id", "text", False, "The account; (none) when it is missing.",
           privacy=pseudonym("account")),
    Column("usage_effective", "number", True, "Effective cost of usage that can have tags.",
           privacy=SCALE),
    Column("untagged_effective", "number", True, "The part of it without the tag.",
           privacy=SCALE),
    Column("line_items", "integer", False, "Lines of that usage.", privacy=KEEP),
    Column("untagged_line_items", "integer", False, "Those without the tag.", privacy=KEEP),
)

RESTATEMENTS: tuple[Column, ...] = (
    Column("source", "text", False, "Name of the source, such as aws.", privacy=KEEP),
    Column("source_partition", "text", False, "The published partition.", privacy=SHIFT),
    Column("month", "text", False, "Month of the partition, such as 2026-10.", privacy=SHIFT),
    Column("billing_currency", "text", True,
           "Currency of the amounts; NULL when there are several.", privacy=KEEP),
    Column("delivery", "integer", False, "Number of this publishing of the partition, from 1.",
           privacy=KEEP),
    Column("kind", "text", False,
           "first, restated (by the provider) or recalculated (new rules or tag columns).",
           privacy=KEEP),
    Column("is_current", "integer", False, "1 for the publishing that readers see now, else 0.",
           privacy=KEEP),
    Column("line_items", "integer", False, "Rows of the partition after this publishing.",
           privacy=KEEP),
    Column("billed", "number", False, "Billed cost of the partition after this publishing.",
           privacy=SCALE),
    Column("effective", "number", False, "Effective cost of the partition after this publishing.",
           privacy=SCALE),
    Column("line_items_change", "integer", False,
           "Change in line_items since the previous publishing.", privacy=KEEP),
    Column("billed_change", "number", False, "Change in billed since the previous publishing.",
           privacy=SCALE),
    Column("effective_change", "number", False,
           "Change in effective since the previous publishing.", privacy=SCALE),
    Column("month_billed", "number", False,
           "Billed cost of the source's whole month after this publishing.", privacy=SCALE),
    Column("month_effective", "number", False,
           "Effective cost of the source's whole month after this publishing.", privacy=SCALE),
    Column("delivered_at", "timestamp", True, "When the provider wrote the delivery.",
           privacy=SHIFT),
    Column("published_at", "timestamp", False, "When the delivery became visible to readers.",
           privacy=SHIFT),
)

NEWEST_DELIVERIES: tuple[Column, ...] = (
    Column("source", "text", False,
           "Name of the source, such as aws; in freshness deribit_live is the live trades.",
           privacy=KEEP),
    Column("partitions", "integer", True, "Number of published partitions.", privacy=KEEP),
    Column("newest_partition", "text", True, "Newest published partition.", privacy=SHIFT),
    Column("newest_delivery", "timestamp", True, "When the provider wrote the newest delivery.",
           privacy=SHIFT),
    Column("newest_publishing", "timestamp", True,
           "When a delivery last became visible to readers.", privacy=SHIFT),
    Column("newest_day", "date", True, "Newest day of usage, activity, rates or trades.",
           privacy=SHIFT),
)

FRESHNESS: tuple[Column, ...] = (
    *NEWEST_DELIVERIES,
    Column("last_run", "timestamp", True,
           "When the last load ended, whether it found anything new or not.", privacy=SHIFT),
    Column("last_run_outcome", "text", True,
           "How it ended: well; partly, where partitions failed; failed.", privacy=KEEP),
    Column("last_good_run", "timestamp", True, "When a load last ended well.", privacy=SHIFT),
)

RUNS: tuple[Column, ...] = (
    Column("word", "text", False, "Name of the source, such as aws; marts of the marts.",
           privacy=KEEP),
    Column("command", "text", False, "What ran: load, ingest or marts.", privacy=KEEP),
    Column("started_at", "timestamp", False, "When the run began.", privacy=SHIFT),
    Column("ended_at", "timestamp", False, "When it ended.", privacy=SHIFT),
    Column("outcome", "text", False,
           "well; partly, where partitions failed; failed, where none could be tried.",
           privacy=KEEP),
    Column("loaded", "integer", False, "Partitions published, or marts computed.", privacy=KEEP),
    Column("unchanged", "integer", False, "Partitions that had not changed.", privacy=KEEP),
    Column("failed", "integer", False, "Partitions that failed.", privacy=KEEP),
    Column("kept", "integer", False, "Partitions kept, which would have lost rows.",
           privacy=KEEP),
)
# fmt: on

OVERVIEW_MARTS: dict[str, tuple[Column, ...]] = {
    "partial_months": PARTIAL_MONTHS,
    "complete_through": COMPLETE_THROUGH,
    "month_sources": MONTH_SOURCES,
    "cost_days": COST_DAYS,
    "cost_projection": COST_PROJECTION,
    "cost_overview": COST_OVERVIEW,
    "cost_movers": COST_MOVERS,
    "commitments": COMMITMENTS,
    "untagged": UNTAGGED,
    "restatements": RESTATEMENTS,
    "newest_deliveries": NEWEST_DELIVERIES,
    "freshness": FRESHNESS,
}


def runs_schema() -> pa.Schema:
    """The runs of a source as a reader sees them."""
    return arrow_of(RUNS)

"""The figures of the report's first page once more, by SQL of its own over the marts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Query = Callable[[str], list[tuple[Any, ...]]]
Expected = dict[str, list[Any]]

MONTH = "(select max(month) from cost_overview where is_newest = 1)"
AS_OF = "(select max(as_of) from cost_overview where is_newest = 1)"
#: The month to date, and the days of the month before up to the same one; here no month is over.
TO_DATE = f'"date" >= {MONTH} and "date" <= {AS_OF}'


def first_page(query: Query) -> Expected:
    """Values of every figure by its name, in the order of the page."""
    found: Expected = {}
    for part in (_cost, _changes, _teams, _commitments, _business, _reliance):
        for name, value in part(query):
            found.setdefault(name, []).append(value)
    return found


OF_MONTH = {
    "billed": "billed",
    "billed_change": "compared_billed / nullif(previous_billed, 0) - 1",
    "billed_before": "previous_billed",
    "billed_compared": "nullif(compared_billed, billed)",
    "effective": "effective",
    "effective_change": "compared_effective / nullif(previous_effective, 0) - 1",
    "effective_before": "previous_effective",
    "effective_compared": "nullif(compared_effective, effective)",
    "list": "list",
    "credits": "credits",
    "later": "nullif(later_billed, 0)",
    "projection": "projected_billed",
    "budget": "budget",
    "budget_share": "projected_billed / nullif(budget, 0)",
    "projection_low": "case when days_elapsed < days_in_month then projected_billed_low end",
    "projection_high": "case when days_elapsed < days_in_month then projected_billed_high end",
    "run_rate": "case when days_elapsed < days_in_month then run_rate_billed end",
}
"""Figures of cost_overview; one that is NULL is not on the page."""


def _cost(query: Query) -> Iterator[tuple[str, Any]]:
    (row,) = query(f"select {', '.join(OF_MONTH.values())} from cost_overview where is_newest = 1")
    for name, value in zip(OF_MONTH, row, strict=True):
        yield from [(name, value)] * (value is not None)
    for (part,) in query(
        f"select projected_share from budgets where month = {MONTH} "
        "and provider || account || service || tag_column || product <> '' "
        "and projected_share is not null "
        "order by projected_share desc limit 3"
    ):
        yield "budgets.share", part


def _changes(query: Query) -> Iterator[tuple[str, Any]]:
    for kind, table in (("service", "services"), ("account", "accounts")):
        of = f"from cost_movers where is_newest = 1 and kind = '{kind}'"
        if kind == "service":
            yield "moved", query(f"select sum(change_effective) {of}")[0][0]
            for sign, order in ((">= 0.5", "desc"), ("<= -0.5", "asc")):
                for (moved,) in query(
                    f"select change_effective {of} and change_effective {sign} "
                    f"order by change_effective {order} limit 3"
                ):
                    yield f"{table}.moved", moved
        else:
            for (moved,) in query(
                f"select change_effective {of} and change_effective is not null "
                "order by abs(change_effective) desc, id limit 2"
            ):
                yield f"{table}.moved", moved
    causes = "change_by_usage change_by_price change_otherwise".split()
    sums = ", ".join(f"sum({cause})" for cause in causes)
    of = f"from cost_changes where month = {MONTH}"
    (found,) = query(f"select {sums} {of} and kind = 'service'")
    yield from zip([f"moved.{cause}" for cause in causes], found, strict=True)
    for (moved,) in query(
        f"select change_effective {of} and kind like 'tag_%' and id <> '(none)' "
        "order by abs(change_effective) desc, kind, id limit 1"
    ):
        yield "moved.tag", moved
    days = "extract(day from x_usage_date) between compared_from and compared_to"
    is_now = f"x_usage_date >= {MONTH}"
    for (moved,) in query(
        f"select sum(case when {is_now} then effective_cost else -effective_cost end) as moved "
        "from costs_daily join month_sources on x_source = source "
        f"where month = {MONTH} and resource_id is not null and {days} "
        f"and x_usage_date >= cast({MONTH} - interval 1 month as date) "
        "and x_usage_date <= counted_through group by resource_id, service_name, sub_account_id "
        "order by abs(moved) desc limit 1"
    ):
        yield "moved.resource", moved
    unusual = f"from cost_anomalies where last_day >= {MONTH} and first_day <= {AS_OF}"
    ((number,),) = query(f"select count(*) {unusual}")
    yield from [("anomalies", number)] * bool(number)
    for (impact,) in query(f"select impact {unusual} order by abs(impact) desc limit 3"):
        yield "anomalies.impact", impact


def _teams(query: Query) -> Iterator[tuple[str, Any]]:
    of = f"from cost_allocated where month = {MONTH}"
    none = "sum(case when team = 'unallocated' then cost else 0 end)"
    ((whole, left),) = query(f"select sum(cost), {none} {of}")
    yield from (("allocated_share", float(whole - left) / float(whole)), ("unallocated", left))
    for name, key, without in (
        ("team_cost", "team", "unallocated"),
        ("product_cost", "product", "unassigned"),
    ):
        for (cost,) in query(
            f"select sum(cost) {of} and {key} <> '{without}' group by {key} "
            "order by sum(cost) desc limit 3"
        ):
            yield name, cost
    for (part,) in query(
        "select sum(untagged_effective) / sum(usage_effective) from untagged "
        f"where month = {MONTH} group by tag_key order by tag_key"
    ):
        yield "untagged_share", part


def _commitments(query: Query) -> Iterator[tuple[str, Any]]:
    columns = """sum(covered_list) / (sum(covered_list) + sum(on_demand_list)),
        sum(used_cost) / (sum(used_cost) + sum(unused_cost)), sum(unused_cost)"""
    found = query(f"select {columns} from commitments where month = {MONTH}")
    yield from zip(("coverage", "utilisation", "unused"), found[0], strict=True)
    end = f"date_diff('day', {AS_OF}, ends_on)"
    ids = query(
        f"select distinct commitment_id from commitments where month = {MONTH} "
        f"and ends_on is not null and {end} >= 0 and {end} <= 90"
    )
    if not query(f"select 1 from commitments where month = {MONTH} and ends_on is not null"):
        return
    yield "expiring", len(ids)
    if ids:
        ended = "is_newest = 0 or days_elapsed = days_in_month"
        named = ", ".join(f"'{name}'" for (name,) in ids)
        ((cost,),) = query(
            "select sum(used_cost) + sum(unused_cost) from commitments "
            f"where month = (select max(month) from cost_overview where {ended}) "
            f"and commitment_id in ({named})"
        )
        yield "expiring_cost", cost


def _business(query: Query) -> Iterator[tuple[str, Any]]:
    for (cost,) in query(
        f"select sum(cost) / sum(quantity) from unit_cost where {TO_DATE} "
        "group by unit order by unit"
    ):
        yield "unit_cost", cost
    if not query("select count(*) from revenue")[0][0]:
        return
    names = ("revenue_net", "fees", "cost_effective", "margin")
    sums = ", ".join(f"sum({name})" for name in names)
    ((net, fees, cost, margin),) = query(f"select {sums} from margin_daily where {TO_DATE}")
    yield from (("margin", margin), ("margin_share", margin / net))
    yield from (("revenue_net", net), ("fees", fees), ("cost_effective", cost))
    for (of_product,) in query(
        f"select sum(margin) from margin_by_product where {TO_DATE} and product <> 'unassigned' "
        "group by product order by product"
    ):
        yield "product_margin", of_product


def _reliance(query: Query) -> Iterator[tuple[str, Any]]:
    of = "from restatements where kind = 'restated'"
    ((number,),) = query(f"select count(*) {of}")
    yield "restated", number
    known = "case when billing_currency is not null then sum(billed_change) end"
    for (moved,) in query(
        f"select {known} {of} group by source, month, billing_currency "
        "order by max(published_at) desc limit 3"
    ):
        yield "restated.billed", moved
    for source, newest in query("select source, newest_day from freshness order by source"):
        whole = query(f"select complete_through from complete_through where source = '{source}'")
        yield "reached", whole[0][0] if whole else newest
        for verdict in ("agrees", "explained", "open"):
            ((agreed,),) = query(
                "select count(*) from reconciliation "
                f"where source = '{source}' and verdict = '{verdict}'"
            )
            yield from [(f"totals.{verdict}", agreed)] * bool(agreed)

"""Who a month's cost is of, what it earns, and how far the figures can be relied on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from html import escape

from pipelines.report.amounts import (
    Row,
    age,
    change,
    count,
    less,
    money,
    only_currency,
    part_of,
    percent,
    share,
    spell_day,
    spell_days,
    total,
)
from pipelines.report.answer import Answer, headline
from pipelines.report.cost_answers import NO_COST, SHOWN, expiring
from pipelines.report.figures import Figures
from pipelines.report.markup import bars, facts, figure

UNALLOCATED, UNASSIGNED = "unallocated", "unassigned"


def allocation(figures: Figures) -> Answer:
    """Cost by team and product with shared cost split, what has no team, and what has no tag."""
    title = "By team and product"
    if figures.month is None:
        return Answer(title, nothing=NO_COST)
    rows, before = figures.of_month(figures.allocated), figures.of_month(figures.allocated, 1)
    teams, were = by_name(rows, "team"), by_name(before, "team")
    whole, left = total(rows, "cost"), teams.pop(UNALLOCATED, 0.0)
    given = share(less(whole, left), whole)
    if given is None:
        return Answer(title, nothing="No cost of this month can be allocated.")
    body = headline(
        figure("allocated_share", given, percent(given), "teams"),
        f"of {money(whole, figures.currency)} has a team; "
        f"{figure('unallocated', left, money(left, figures.currency), 'teams')} has none",
    )
    largest = sorted(teams, key=lambda name: -teams[name])[:SHOWN]
    body += bars(
        [
            (
                f"{name} (the month before, whole: {money(were.get(name), figures.currency)})",
                teams[name],
                figure("team_cost", teams[name], money(teams[name], figures.currency), "teams"),
            )
            for name in largest
        ]
    )
    products = by_name(rows, "product")
    named = sorted((n for n in products if n != UNASSIGNED), key=lambda n: -products[n])[:SHOWN]
    amounts = {name: money(products[name], figures.currency) for name in named}
    said = [(n, figure("product_cost", products[n], amounts[n], "teams")) for n in named]
    said += [("Product", "none is named (<code>sql/products.csv</code>)")] if not named else []
    return Answer(
        title, body + facts(said + _untagged(figures)), f"{figures.first:%B %Y}, every day loaded"
    )


def _untagged(figures: Figures) -> list[tuple[str, str]]:
    """What usage lacks each configured tag, against the month before."""
    before = {r["tag_key"]: untagged_share(r) for r in figures.of_month(figures.untagged, 1)}
    found = []
    for row in figures.of_month(figures.untagged):
        now = untagged_share(row)
        name = "any tag" if row["tag_key"] == "(any)" else row["tag_key"].removeprefix("tag_")
        was = percent(before.get(row["tag_key"]))
        text = figure("untagged_share", now, percent(now), "untagged")
        found.append((f"Usage without {name}", f"{text} (the month before {was})"))
    return found


def untagged_share(row: Row) -> float | None:
    """The untagged part of usage; None when a part of it has no known cost."""
    if row["known"] < row["parts"]:
        return None
    return share(row["untagged_effective"], row["usage_effective"])


def commitments(figures: Figures) -> Answer:
    """Coverage, utilisation and what nobody used, against the month before; what ends soon."""
    title = "Commitments"
    if figures.month is None:
        return Answer(title, nothing=NO_COST)
    rows = figures.of_month(figures.commitments)
    if not any(row["commitment_id"] for row in rows):
        return Answer(title, nothing=f"No savings plan or reservation in {figures.first:%B %Y}.")
    now, before = covered(rows), covered(figures.of_month(figures.commitments, 1))
    body = headline(
        figure("coverage", now["coverage"], percent(now["coverage"]), "commitments"),
        "of the usage they could cover, at list prices; the month before "
        f"{percent(before['coverage'])}",
    )
    used = figure("utilisation", now["utilisation"], percent(now["utilisation"]), "commitments")
    unused = figure("unused", now["unused"], money(now["unused"], figures.currency), "commitments")
    said = [
        ("Utilisation", f"{used} (the month before {percent(before['utilisation'])})"),
        ("Unused", f"{unused} (the month before {money(before['unused'], figures.currency)})"),
        ("Expiring", expiring(figures)),
    ]
    return Answer(title, body + facts(said), f"{figures.first:%B %Y}, every day loaded")


def covered(rows: Sequence[Row]) -> dict[str, float | None]:
    """Coverage and utilisation as fractions, and what was not used."""
    unused = total(rows, "unused_cost")
    return {
        "coverage": part_of(total(rows, "covered_list"), total(rows, "on_demand_list")),
        "utilisation": part_of(total(rows, "used_cost"), unused),
        "unused": unused,
    }


def unit_cost(figures: Figures) -> Answer:
    """What one of each counted unit costs, against the same days of the month before."""
    title = "Unit cost"
    rows, before = figures.to_date(figures.units), figures.to_date(figures.units, 1)
    now, was = by_unit(rows), by_unit(before)
    if not now:
        return Answer(
            title, nothing="No units are counted: <code>sql/units.csv</code> takes them by day."
        )
    currency = only_currency(rows) or ""
    said = []
    for unit, value in now.items():
        moved = change(value, was.get(unit))
        text = figure("unit_cost", value, _precise(value, currency), "units")
        said.append(
            (f"One of {unit}", f"{text} ({percent(moved, sign=True)} on the same days before)")
        )
    first, last = rows[0]["date"], rows[-1]["date"]
    return Answer(title, facts(said), spell_days(first, last))


def by_unit(rows: Sequence[Row]) -> dict[str, float | None]:
    """Cost per unit over days; None when a day's cost is not known."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["unit"]].append(row)
    return {u: share(total(of, "cost"), total(of, "quantity")) for u, of in sorted(found.items())}


def _precise(value: float | None, currency: str) -> str:
    """An amount with its first three digits, however small it is."""
    if value is None or abs(value) >= 100:
        return money(value, currency)
    unit = money(0.0, currency).removesuffix("0")
    return f"{'−' if value < 0 else ''}{unit}{abs(value):.3g}"


def revenue(figures: Figures) -> Answer:
    """Net revenue, fees, cost and margin to date, and the margin by product."""
    title = "Revenue, fees and margin"
    if not figures.has_revenue:
        return Answer(
            title,
            nothing="No revenue is loaded: configure <code>sources.stripe</code> for margins.",
        )
    rows, before = figures.to_date(figures.margin), figures.to_date(figures.margin, 1)
    currency = only_currency(rows)
    if not rows or currency is None:
        return Answer(title, nothing="The days of this month have no revenue in one currency.")
    now, was = sums(rows), sums(before)
    moved = change(now["margin"], was["margin"])
    ratio = share(now["margin"], now["revenue_net"])

    def amount(name: str) -> str:
        return figure(name, now[name], money(now[name], currency), "margin")

    body = headline(
        amount("margin"),
        f"margin, {figure('margin_share', ratio, percent(ratio), 'margin')} of net revenue; "
        f"{percent(moved, sign=True)} on the same days before",
    )
    said = [
        (name, f"{amount(key)} ({percent(change(now[key], was[key]), sign=True)})")
        for name, key in (
            ("Net revenue", "revenue_net"),
            ("Fees", "fees"),
            ("Effective cost", "cost_effective"),
        )
    ]
    products = [r for r in figures.to_date(figures.products) if r["product"] != UNASSIGNED]
    margins = {
        n: total([r for r in products if r["product"] == n], "margin")
        for n in sorted({r["product"] for r in products})
    }
    said += [
        (f"Margin of {n}", figure("product_margin", v, money(v, currency), "products"))
        for n, v in margins.items()
    ]
    said += [("Product", "none is named (<code>sql/products.csv</code>)")] if not margins else []
    days = spell_days(rows[0]["date"], rows[-1]["date"])
    days += ", all sources; changes are against the same days before"
    return Answer(title, body + facts(said), days, is_bad=(now["margin"] or 0) < 0)


def sums(rows: Sequence[Row]) -> dict[str, float | None]:
    """Sums of margin_daily's amounts; None where a day's is not known."""
    names = ("revenue_net", "fees", "cost_effective", "margin")
    return {name: total(rows, name) for name in names}


def restated(figures: Figures) -> Answer:
    """What providers changed after the fact, and what may still change."""
    title = "What was restated, and what is still open"
    if figures.month is None:
        return Answer(title, nothing=NO_COST)
    changed = figures.restated
    number = sum(row["publishings"] for row in changed)
    months = [row for row in figures.months if row["month_state"] != "whole"]
    is_open = [row for row in figures.totals if row["verdict"] == "open"]
    if not (changed or months or is_open):
        return Answer(title, nothing="Nothing was restated, and nothing is open.")
    body = headline(
        figure("restated", number, count(number), "restatements"),
        f"{'time' if number == 1 else 'times'} a provider changed what was published",
    )
    said = [(f"{row['source']} {row['month']}", _restated(row)) for row in changed[:SHOWN]]
    said += [(f"{row['month']:%B %Y}", escape(_state(row))) for row in months]
    if is_open:
        differing = figure("open", len(is_open), count(len(is_open), "difference"), "totals")
        said.append(("Totals of providers", f"{differing} not explained"))
    return Answer(title, body + facts(said), "Every publishing so far", is_bad=bool(is_open))


def _restated(row: Row) -> str:
    moved = money(row["billed_change"], row["billing_currency"] or "", cents=True, sign=True)
    text = figure("restated.billed", row["billed_change"], moved, "restatements")
    return f"{text} billed, last on {spell_day(row['last_at'].date())}"


def _state(row: Row) -> str:
    if row["month_state"] == "open":
        return f"open: {row['days_elapsed']} of {count(row['days_in_month'], 'day')} are whole"
    return "partial: days of a source are missing"


def fresh(figures: Figures, made_at: datetime) -> Answer:
    """How far each source has come, how old it is, and whether it agrees with the provider."""
    title = "Freshness, completeness, agreement with the providers"
    if not figures.freshness:
        return Answer(title, nothing="No source is loaded.")
    reached = {row["source"]: row for row in figures.sources}
    said = []
    for row in figures.freshness:
        own, name = reached.get(row["source"]), row["source"]
        day = own["complete_through"] if own else row["newest_day"]
        what = "whole up to" if own else "newest day"
        text = f"{what} {figure('reached', day, spell_day(day), 'freshness')}"
        delivered = row["newest_delivery"]
        text += f", delivered {age(delivered, made_at)} ago" if delivered else ""
        text += f", {own['state']}" if own and own["state"] != "live" else ""
        text += f", last load: {row['last_run_outcome']}" if _is_failed(row) else ""
        said.append((name, f"{text}; {agreement(figures.totals, name)}"))
    is_bad = any(map(_is_failed, figures.freshness))
    return Answer(title, facts(said), f"{made_at:%Y-%m-%d %H:%M} UTC", is_bad=is_bad)


def _is_failed(row: Row) -> bool:
    """Whether the source's last load left something out; unknown is not a failure."""
    return (row.get("last_run_outcome") or "well") != "well"


def agreement(totals: Sequence[Row], source: str) -> str:
    """Whether a source's months agree with what its provider says of them, in words."""
    if not (own := [row["verdict"] for row in totals if row["source"] == source]):
        return "no totals of the provider"
    kinds = (("agrees", "agree"), ("explained", "explained"), ("open", "open"))
    return "totals: " + ", ".join(
        figure(f"totals.{kind}", own.count(kind), f"{own.count(kind)} {text}", "totals")
        for kind, text in kinds
        if own.count(kind)
    )


def by_name(rows: Sequence[Row], key: str) -> dict[str, float]:
    """Allocated cost by team or product; its rows are always known."""
    found: dict[str, float] = defaultdict(float)
    for row in rows:
        found[row[key]] += row["cost"]
    return dict(found)

"""The report as one HTML page: no file beside it, no request, the numbers in the markup.

Every figure is in `data-figure` (its name) and `data-value` (as the mart has it), beside the text
that people read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path

import plotly.io
import plotly.offline

from pipelines.report.charts import charts
from pipelines.report.figures import Figures, Row, month_to_date, tiles
from pipelines.report.notes import partial_note, source_notes, spell_day, totals_notes

STYLE = Path(__file__).with_name("page.css")
#: Only what is in the page itself: a browser refuses everything else.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
MOVERS = ("name", "effective", "previous_effective", "change_effective")
COMMITMENTS = (
    "commitment_type",
    "commitment_id",
    "used_cost",
    "unused_cost",
    "covered_list",
    "on_demand_list",
)
RESTATEMENTS = (
    "published_at",
    "source",
    "source_partition",
    "kind",
    "billing_currency",
    "line_items_change",
    "billed_change",
    "month_billed",
)
FRESHNESS = ("source", "newest_delivery", "newest_day", "newest_partition", "partitions")
HEADS = {
    "name": "",
    "effective": "Month to date",
    "previous_effective": "Same days before",
    "change_effective": "Change",
    "commitment_type": "Type",
    "commitment_id": "Commitment",
    "used_cost": "Used",
    "unused_cost": "Unused",
    "covered_list": "Covered (list)",
    "on_demand_list": "On demand (list)",
    "published_at": "Published (UTC)",
    "source_partition": "Partition",
    "kind": "What",
    "billing_currency": "Currency",
    "line_items_change": "Lines",
    "billed_change": "Billed",
    "month_billed": "Month after it",
    "newest_delivery": "Newest delivery (UTC)",
    "newest_day": "Newest day",
    "newest_partition": "Newest partition",
}
NO_COST = "No cost is loaded yet: <code>make run-etl</code> loads every source that is configured."


def page(figures: Figures, *, source: str, made_at: datetime) -> str:
    """The whole page; `source` says where the figures were read, `made_at` is in UTC."""
    title = f"Cloud cost, {figures.month['month']:%B %Y}" if figures.month else "Cloud cost"
    as_of = f"as of {spell_day(figures.as_of)}" if figures.as_of else "nothing loaded"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{STYLE.read_text(encoding="utf-8")}</style>
<script>{plotly.offline.get_plotlyjs()}</script>
</head><body><main>
<header><h1>{title}</h1>
<p>{as_of} · {escape(source)} · made {made_at:%Y-%m-%d %H:%M} UTC</p></header>
{_warning(figures)}
{_tiles(figures)}
{_charts(figures)}
{_tables(figures, made_at)}
<footer>Billed is what invoices say, credits taken off. Effective spreads commitments over their
use. The projection adds what the days that are left will cost, by weekday and trend; what is
charged once is not repeated. Every figure is a row, a sum or a ratio of the published marts.
</footer>
</main></body></html>
"""


def money(value: float | None, *, cents: bool = False) -> str:
    """$12,345, with a real minus sign; – for what is not known."""
    if value is None:
        return "–"
    text = f"{abs(value):,.2f}" if cents else f"{abs(value):,.0f}"
    return f"{'−' if value < 0 and text.strip('0.,') else ''}${text}"


def amount(value: float | None) -> str:
    """An amount such as 12,345, without a currency."""
    return money(value).replace("$", "")


def percent(value: float | None, *, sign: bool = False) -> str:
    """A fraction such as 0.123 as 12.3 %."""
    if value is None:
        return "–"
    text = f"{abs(value):.1%}".replace("%", " %")
    mark = "−" if value < 0 and text != "0.0 %" else "+" if sign else ""
    return f"{mark}{text}"


def _warning(figures: Figures) -> str:
    if not figures.month:
        return f'<p class="note">{NO_COST}</p>'
    missing = {
        "have no rate": figures.month["line_items_without_rate"],
        "have no known cost": figures.month["line_items_without_cost"],
    }
    return (
        source_notes(figures)
        + partial_note(figures)
        + totals_notes(figures)
        + "".join(
            f'<p class="note bad">{count:,} cost lines {reason} and are not in these figures; '
            "<code>python -m pipelines check</code> names them.</p>"
            for reason, count in missing.items()
            if count
        )
    )


def _tiles(figures: Figures) -> str:
    found = tiles(figures)
    before = percent(found["billed_change"], sign=True)
    budget = f"{percent(found['budget_share'])} of {money(found['budget'])}"
    between = f"between {money(found['projection_low'])} and {money(found['projection_high'])}"
    made = [
        _tile("Billed, month to date", "billed", found, money, f"{before} on the same days before"),
        _tile(
            "Effective, month to date",
            "effective",
            found,
            money,
            f"{percent(found['effective_change'], sign=True)} on the same days before",
        ),
        _tile(
            "Month-end projection",
            "projection",
            found,
            money,
            f"{between}; budget: {budget}" if found["budget"] else f"{between}; no budget is set",
            bad=(found["budget_share"] or 0) > 1,
        ),
        _tile("Run rate a day", "run_rate", found, money, "billed, what comes again every day"),
        _tile("Untagged", "untagged_share", found, percent, f"{money(found['untagged'])} of usage"),
        _tile("Credits and refunds", "credits", found, money, "within billed"),
        _tile("Commitment coverage", "coverage", found, percent, "of usage they could cover"),
        _tile(
            "Commitment utilisation",
            "utilisation",
            found,
            percent,
            f"{money(found['unused'])} unused",
        ),
    ]
    if rows := month_to_date(figures):
        currency = escape(str(rows[0]["reporting_currency"]))
        made += [
            _tile("Net revenue", "revenue_net", found, amount, f"{currency}, month to date"),
            _tile("Fees", "fees", found, amount, currency),
            _tile("Margin", "margin", found, amount, f"{percent(found['margin_share'])} of net"),
            _tile(
                "Cost of one unit of net revenue",
                "cost_per_revenue",
                found,
                lambda value: "–" if value is None else f"{value:.3f}",
                "effective cloud cost",
            ),
        ]
    return f'<section class="tiles">{"".join(made)}</section>'


def _tile(  # type: ignore[no-untyped-def]  # show is any of the formats above
    title: str, name: str, found: dict[str, float | None], show, below: str, *, bad: bool = False
) -> str:
    return (
        f'<div class="tile{" bad" if bad else ""}"><h2>{title}</h2>'
        f'<p class="value" {_data(name, found[name])}>{show(found[name])}</p>'
        f"<p>{below}</p></div>"
    )


def _data(name: str, value: object) -> str:
    text = "" if value is None else repr(value) if isinstance(value, float) else str(value)
    return f'data-figure="{name}" data-value="{escape(text)}"'


def _charts(figures: Figures) -> str:
    made = [
        f'<section class="chart {name}"><h2>{title}</h2>'
        + plotly.io.to_html(
            figure,
            include_plotlyjs=False,
            full_html=False,
            div_id=f"chart-{name}",
            config={"displaylogo": False, "displayModeBar": False, "responsive": True},
        )
        + "</section>"
        for name, (title, figure) in charts(figures).items()
    ]
    return f'<div class="grid">{"".join(made)}</div>'


def _tables(figures: Figures, made_at: datetime) -> str:
    newest = [
        row
        for row in figures.commitments
        if figures.month and row["month"] == figures.month["month"]
    ]
    made = [
        _table("services", "Movers by service", MOVERS, figures.services, "No cost yet."),
        _table("accounts", "Movers by account", MOVERS, figures.accounts, "No cost yet."),
        _table("commitments", "Commitments", COMMITMENTS, newest, "No commitments this month."),
        _table(
            "restatements",
            "Restatements, newest first",
            RESTATEMENTS,
            figures.restatements,
            "No partition was published a second time.",
        ),
        _table(
            "freshness",
            "Freshness",
            (*FRESHNESS, "age"),
            [row | {"age": _age(row["newest_delivery"], made_at)} for row in figures.freshness],
            "No source was loaded yet.",
        ),
    ]
    return f'<div class="grid">{"".join(made)}</div>'


def _table(name: str, title: str, columns: Sequence[str], rows: Sequence[Row], nothing: str) -> str:
    if not rows:
        return f'<section class="{name}"><h2>{title}</h2><p class="empty">{nothing}</p></section>'
    heads = "".join(
        f'<th class="{_kind("", rows[0][column])}">'
        f"{HEADS.get(column, column.replace('_', ' ').capitalize())}</th>"
        for column in columns
    )
    lines = "".join(f"<tr>{_cells(name, columns, row)}</tr>" for row in rows)
    return (
        f'<section class="{name}"><h2>{title}</h2><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></section>"
    )


def _cells(name: str, columns: Iterable[str], row: Row) -> str:
    return "".join(
        f'<td class="{_kind(column, row[column])}" {_data(f"{name}.{column}", row[column])}>'
        f"{escape(_text(column, row[column]))}</td>"
        for column in columns
    )


def _kind(column: str, value: object) -> str:
    if not isinstance(value, int | float):
        return "text"
    moved = column.endswith(("_effective", "_change")) and "change" in column
    return f"number {'up' if value > 0 else 'down'}" if moved and round(value, 2) else "number"


def _text(column: str, value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        text = money(value, cents=True)
        text = text if "change" not in column or value < 0 else f"+{text}"
        return text.replace("$", "") if column in ("billed_change", "month_billed") else text
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, int):
        return f"{value:+,}" if column.endswith("_change") else f"{value:,}"
    return str(value).rpartition("/")[2] if column == "commitment_id" else str(value)


def _age(moment: datetime | None, made_at: datetime) -> str:
    if moment is None:
        return ""
    hours = (made_at.replace(tzinfo=None) - moment).total_seconds() / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"

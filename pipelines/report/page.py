"""The report as one HTML page: no file beside it, no request, the numbers in the markup.

The ten questions come first, then the charts, then the tables that the figures link to. It is
complete without a script: the one that it has filters tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from pipelines.report import business_answers as business
from pipelines.report import cost_answers as cost
from pipelines.report.amounts import Row, spell_day
from pipelines.report.answer import Answer
from pipelines.report.charts import charts
from pipelines.report.details import details
from pipelines.report.figures import Figures
from pipelines.report.notes import partial_note, source_notes, totals_notes

HERE = Path(__file__).parent
#: Only what is in the page itself: a browser refuses everything else.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
NO_COST = "No cost is loaded yet: <code>make run-etl</code> loads every source that is configured."
ALL = {"month": "Every month", "provider": "Every provider", "team": "Every team"}


def page(figures: Figures, *, source: str, made_at: datetime) -> str:
    """The whole page; `source` says where the figures were read, `made_at` is in UTC."""
    title = f"Cloud cost, {figures.month['month']:%B %Y}" if figures.month else "Cloud cost"
    as_of = f"as of {spell_day(figures.as_of)}" if figures.as_of else "nothing loaded"
    asked = answers(figures, made_at)
    cards = "".join(answer.markup(number) for number, answer in enumerate(asked, 1))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{(HERE / "page.css").read_text(encoding="utf-8")}</style>
</head><body>
<a class="skip" href="#rows">Skip to the tables</a>
<main>
<header><h1>{title}</h1>
<p>{as_of} · {escape(source)} · made {made_at:%Y-%m-%d %H:%M} UTC</p></header>
{_warning(figures)}
<div class="questions">{cards}</div>
<div class="charts">{charts(figures)}</div>
{_rows(figures, made_at)}
<footer><p>Billed is what invoices say, credits taken off. Effective spreads commitments over their
use. The projection adds what the days that are left will cost, by weekday and trend; what is
charged once is not repeated. – is not known. Every figure is a row, a sum or a ratio of the
published marts.</p></footer>
</main>
<script>{(HERE / "page.js").read_text(encoding="utf-8")}</script>
</body></html>
"""


def answers(figures: Figures, made_at: datetime) -> list[Answer]:
    """The ten questions in their order."""
    return [
        cost.month_against_last(figures),
        cost.month_end(figures),
        cost.what_changed(figures),
        cost.anomalies(figures),
        business.allocation(figures),
        business.commitments(figures),
        business.unit_cost(figures),
        business.revenue(figures),
        business.restated(figures),
        business.fresh(figures, made_at),
    ]


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


def _rows(figures: Figures, made_at: datetime) -> str:
    """The tables, or nothing where nothing is loaded."""
    found = details(figures, made_at)
    title = '<h2 id="rows" class="part" tabindex="-1">The rows behind the figures</h2>'
    return f"{title}{_filters(figures)}{found}" if found else '<span id="rows"></span>'


def _filters(figures: Figures) -> str:
    """Selects by month, provider and team, which the script shows."""
    rows = [*figures.movers, *figures.allocated]
    months = sorted({f"{row['month']:%Y-%m}" for row in rows}, reverse=True)[:3]
    found = {
        "month": months,
        "provider": _names(rows, "provider_name"),
        "team": _names(rows, "team"),
    }
    fields = "".join(_select(name, options) for name, options in found.items() if options)
    if not fields:
        return ""
    return (
        f'<form id="filters" hidden>{fields}<button type="reset">All rows</button>'
        '<output id="filtered" aria-live="polite"></output></form>'
    )


def _names(rows: Sequence[Row], key: str) -> list[str]:
    return sorted({str(row[key]) for row in rows if row.get(key)})


def _select(name: str, options: Sequence[str]) -> str:
    items = "".join(f"<option>{escape(option)}</option>" for option in options)
    return (
        f'<label>{name.capitalize()} <select name="{name}" autocomplete="off">'
        f'<option value="">{ALL[name]}</option>{items}</select></label>'
    )

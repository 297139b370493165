"""What the report says beside its figures: which sources and months they do not have whole."""

from __future__ import annotations

from html import escape

from pipelines.report.amounts import Row, spell_day
from pipelines.report.figures import Figures


def source_notes(figures: Figures) -> str:
    """Which sources are ahead of the headline, and which it does not wait for."""
    notes = [text for row in figures.sources if (text := _source(row))]
    return "".join(f'<p class="note">{escape(text)}</p>\n' for text in notes)


def _source(row: Row) -> str:
    name, reached, as_of = row["source"], row["complete_through"], row["as_of"]
    if row["state"] == "stopped":
        return f"{name} has no whole day after {spell_day(reached)} and is not waited for."
    if row["state"] == "monthly":
        return f"{name} has its cost by the month: it counts up to {spell_day(reached)}."
    if reached is None:
        return f"{name} has no whole day yet and does not count."
    if row["newest_day"].replace(day=1) > as_of:
        return (
            f"{name} has begun {row['newest_day']:%B %Y}; these figures end on {spell_day(as_of)}."
        )
    return ""


def totals_notes(figures: Figures) -> str:
    """Each month that differs from what its provider says of it, without an explanation."""
    is_open = [row for row in figures.totals if row["verdict"] == "open"]
    notes = [
        f"{row['source']} {row['month']:%Y-%m}, {row['kind'].replace('_', ' ')}: the provider says "
        f"{row['theirs']:,.2f} {row['currency']}, {row['difference']:+,.2f} against what is "
        f"published ({row['reason']})."
        for row in is_open
    ]
    return "".join(f'<p class="note">{escape(text)}</p>\n' for text in notes)


def partial_note(figures: Figures) -> str:
    """Which months lack days that were never read, or pruned."""
    cut = [f"{row['month']:%B %Y}" for row in figures.months if row["is_partial"]]
    if not cut:
        return ""
    return f'<p class="note">Partial, without days at the beginning: {", ".join(cut)}.</p>\n'

"""How the report writes amounts, shares and days, and the arithmetic on values that may be unknown.

Unknown is None, and – on the page; it is never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

Row = dict[str, Any]
UNKNOWN = "–"
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}
"""Currencies with a sign that is theirs alone here; all others are written by their code."""
STEPS = ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k"))


def money(value: float | None, currency: str, *, cents: bool = False, sign: bool = False) -> str:
    """$12,345 or CHF 12,345, with a real minus sign; `sign` writes a plus, too."""
    if value is None:
        return UNKNOWN
    text = f"{abs(value):,.2f}" if cents else f"{abs(value):,.0f}"
    return f"{_mark(value, text, sign)}{_unit(currency)}{text}"


def short(value: float, currency: str = "") -> str:
    """An amount for an axis, such as $1.2 B: three digits at most."""
    size, unit = next(((s, u) for s, u in STEPS if abs(value) >= 0.9995 * s), (1.0, ""))
    text = f"{abs(value) / size:.3g}"
    return f"{_mark(value, text, sign=False)}{_unit(currency)}{text}{unit}"


def percent(value: float | None, *, sign: bool = False) -> str:
    """A fraction such as 0.123 as 12.3 %."""
    if value is None:
        return UNKNOWN
    text = f"{abs(value):,.1%}"
    return f"{_mark(value, text[:-1], sign)}{text[:-1]} %"


def count(value: float | None, noun: str = "", *, several: str = "") -> str:
    """1 source, 2 sources; the plural is `several` where an s does not make it."""
    if value is None:
        return UNKNOWN
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    return f"{text} {noun if value == 1 else several or noun + 's'}" if noun else text


def spell_day(day: date | None) -> str:
    """A date such as 3 October 2026."""
    return f"{day.day} {day:%B %Y}" if day else UNKNOWN


def spell_days(first: date, last: date) -> str:
    """Days such as 1–12 October 2026 or 30 October – 2 November 2026."""
    if first == last:
        return spell_day(last)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{spell_day(last)}"
    return f"{first.day} {first:%B} – {spell_day(last)}"


def age(moment: datetime | None, now: datetime) -> str:
    """How long ago that was: 5 hours, 3 days."""
    if moment is None:
        return UNKNOWN
    hours = (now.replace(tzinfo=None) - moment).total_seconds() / 3600
    return count(round(hours / 24), "day") if hours >= 48 else count(round(hours), "hour")


def share(part: float | None, all_of_it: float | None) -> float | None:
    """A fraction; None where there is nothing to divide, or by."""
    return part / all_of_it if part is not None and all_of_it else None


def change(now: float | None, before: float | None) -> float | None:
    """By what fraction `now` is more than `before`."""
    ratio = share(now, before)
    return None if ratio is None else ratio - 1


def less(one: float | None, other: float | None) -> float | None:
    """The difference; None when one is not known."""
    return None if one is None or other is None else one - other


def total(rows: Iterable[Row], name: str) -> float | None:
    """The sum of a column; None when a row has no value, or when there are no rows."""
    values = [row[name] for row in rows]
    return None if not values or None in values else sum(values)


def part_of(part: float | None, rest: float | None) -> float | None:
    """What fraction one of two parts is of both; None when one is not known."""
    return None if part is None or rest is None else share(part, part + rest)


def only_currency(rows: Sequence[Row]) -> str | None:
    """The reporting currency of all rows; None when there are several, which are never added."""
    found = {row["reporting_currency"] for row in rows}
    return found.pop() if len(found) == 1 else None


def _mark(value: float, text: str, sign: bool) -> str:
    if not text.strip("0.,"):
        return ""
    return "−" if value < 0 else "+" if sign else ""


def _unit(currency: str) -> str:
    return SYMBOLS.get(currency, f"{currency} " if currency else "")

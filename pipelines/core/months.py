"""Calendar months as texts, 2026-10, in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime


def month_of(moment: datetime | date) -> str:
    """The UTC month of a moment, such as 2026-10."""
    return f"{moment:%Y-%m}"


def start_of(month: str) -> int:
    """The first second of a month, in seconds since 1970 (UTC)."""
    return int(datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC).timestamp())


def after(month: str, count: int = 1) -> str:
    """The month `count` months later; an earlier one when `count` is negative."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 + count
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def between(first: str, last: str) -> Iterator[str]:
    """Every month from first to last, both included."""
    while first <= last:
        yield first
        first = after(first)

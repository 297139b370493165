"""Which creation months (UTC) an account has, and which of them may still change."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pipelines.core.months import after, between, start_of

EPOCH = "2011-09"
"""Stripe opened to the public in September 2011: no account is older."""


def first_month(has_before: Callable[[int], bool], last: str, known: Iterable[str]) -> str | None:
    """The month of the oldest transaction, None without any transaction.

    `has_before` says whether any transaction is older than an instant: a request each. When none
    is older than the oldest month that is known, that month is the answer; else bisection finds
    it in about eight requests.
    """
    oldest = min(known, default=None)
    if oldest is not None and not has_before(start_of(oldest)):
        return oldest
    low, high = EPOCH, after(oldest, -1) if oldest is not None else last
    if oldest is None and not has_before(start_of(after(high))):
        return None
    months = list(between(low, high))
    at, end = 0, len(months) - 1  # the first month with something older than its end
    while at < end:
        middle = (at + end) // 2
        if has_before(start_of(after(months[middle]))):
            end = middle
        else:
            at = middle + 1
    return months[at]

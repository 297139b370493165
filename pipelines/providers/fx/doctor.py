"""Examine the source of exchange rates: where the file lies, how new its newest rates are."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines import fx_pipeline
from pipelines.core.findings import Finding, origin, warning
from pipelines.core.partition import now
from pipelines.core.text import age

_SUBJECT = "source fx"
_STALE_DAYS = 6  # the longest holidays of the ECB are four days


def examine() -> Iterator[Finding]:
    """In the order in which a run needs it; one download."""
    settings = fx_pipeline.configuration()
    yield Finding(True, _SUBJECT, f"{settings.url} {origin('url')}")
    found = fx_pipeline.Rates(settings).partitions()
    if not found:
        fix = "Set sources.fx.first_year to a year that the file has."
        yield Finding(False, _SUBJECT, f"no rates from {settings.first_year} on", fix)
        return
    newest = found[-1]
    currencies = len({currency for _, currency, _ in newest.detail})
    detail = f"{currencies} currencies, newest rates {age(newest.delivered_at)} old"
    if (now() - newest.delivered_at).days > _STALE_DAYS:
        fix = "The ECB publishes on every business day: check sources.fx.url."
        yield warning(_SUBJECT, detail, fix)
        return
    yield Finding(True, _SUBJECT, detail)

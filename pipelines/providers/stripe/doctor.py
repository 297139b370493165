"""Examine the Stripe source: keys, what each may read, how new the newest transaction is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pipelines import stripe_pipeline
from pipelines.core.findings import Finding, origin
from pipelines.core.text import age
from pipelines.providers.stripe.api import VERSION

_SUBJECT = "source stripe"


def examine() -> Iterator[Finding]:
    """In the order in which a run needs it; one request per account, no key is shown."""
    settings = stripe_pipeline.configuration()
    names = ", ".join(sorted(settings.key_by_account()))
    key = "accounts" if settings.accounts else "stripe_secret_key"
    yield Finding(True, _SUBJECT, f"keys of {names} {origin(key)}")
    again = f"the last {settings.lookback_days} days are read again"
    yield Finding(True, _SUBJECT, f"API version {VERSION}, {again}")
    for api in settings.apis():
        newest = api.get("/v1/balance_transactions", limit=1).get("data")
        detail = "no balance transaction yet"
        if newest:
            created = datetime.fromtimestamp(newest[0]["created"], UTC)
            detail = f"newest balance transaction {age(created)} old"
        yield Finding(True, _SUBJECT, f"account {api.account} reachable, {detail}")

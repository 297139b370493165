"""Which accounts are configured, and for how long a month of theirs may change.

Without Stripe's client, which takes a while to import: `status` and `check` ask for it.
"""

from __future__ import annotations

from typing import Any

import dlt

from pipelines.core.finality import ByLookback

ONE = "main"
"""The name of the account when there is one key alone."""
LOOKBACK_DAYS = 35


def calendar() -> ByLookback:
    """Of the configuration; without a key no account is known."""
    config: Any = dlt.config  # both are typed as if every key were there
    secrets: Any = dlt.secrets
    accounts, connected = (
        config.get(f"sources.stripe.{key}", dict) or secrets.get(f"sources.stripe.{key}", dict)
        for key in ("accounts", "connected")
    )
    own = list(accounts or ())
    if not own and secrets.get("sources.stripe.stripe_secret_key"):
        own = [ONE]
    names = {*own, *(connected or ())} if own else set()
    days = config.get("sources.stripe.lookback_days", int)
    return ByLookback(tuple(sorted(names)), LOOKBACK_DAYS if days is None else days)

"""Prices of Stripe, one row per object as it is now; its fields stand in objects.FIELDS."""

from __future__ import annotations

from pipelines.providers.stripe.objects import Listing

__all__ = ["CHECKED", "connect", "source"]

_LIST = Listing("prices")
CHECKED, connect, source = _LIST.schema, _LIST.connect, _LIST.source

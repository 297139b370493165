"""When an export day is final: Google adds rows to it for some days, under its export time."""

from __future__ import annotations

from typing import Any

import dlt

from pipelines.core.finality import ByLookback

LOOKBACK_DAYS = 3


def calendar() -> ByLookback:
    """Of the configuration: an export day is read for every dataset at once."""
    config: Any = dlt.config  # typed as if every key were there
    is_configured = any(config.get(f"sources.gcp.{key}", list) for key in ("datasets", "tables"))
    days = config.get("sources.gcp.lookback_days", int)
    return ByLookback(("",) if is_configured else (), LOOKBACK_DAYS if days is None else days)

"""Examine the source ClickHouse Cloud: the key, the organisation, what this month costs so far."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines import clickhouse_cloud_pipeline
from pipelines.core.findings import Finding, origin

_SUBJECT = "source clickhouse_cloud"


def examine() -> Iterator[Finding]:
    """In the order in which a run needs it; two requests, no key is shown."""
    settings = clickhouse_cloud_pipeline.configuration()
    yield Finding(True, _SUBJECT, f"key {origin('key_id')}, secret {origin('key_secret')}")
    usage = clickhouse_cloud_pipeline.Usage(settings)
    found = usage.organization
    yield Finding(True, _SUBJECT, f"organisation {found.name or found.id}, since {found.created}")
    rows = usage.read(f"{usage.now():%Y-%m}")
    days = {row["usage_date"] for row in rows}
    cost = sum(row["amount_chc"] for row in rows)
    yield Finding(True, _SUBJECT, f"this month {len(days)} days, {cost:,.2f} CHC")

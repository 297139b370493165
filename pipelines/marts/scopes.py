"""What is configured, as rows for the checks: of which source which members are to be read."""

from __future__ import annotations

from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.registry import tables

PLACEHOLDER = "{scopes}"


def scopes() -> str:
    """A select of word, member and lookback_days; a source that is not configured has no member."""
    rows = [
        f"select {quoted(entry.raw_table.source_name)} as word, {quoted(member)} as member, "
        f"{calendar.lookback_days} as lookback_days"
        for entry in tables()
        if (calendar := entry.calendar())
        for member in calendar.scope
    ]
    return " union all ".join(rows or ["select '' as word, '' as member, 0 as lookback_days"])

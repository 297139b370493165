"""What is configured, for the checks: sources in use, and which members of them are to be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.registry import in_use, tables


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


def _names_in_use() -> str:
    """The configured sources as a list of literals."""
    return ", ".join(map(quoted, sorted(in_use(())) or [""]))


PLACEHOLDERS: Mapping[str, Callable[[], str]] = {"{scopes}": scopes, "{in_use}": _names_in_use}
"""What a check's text may name, and what it stands for."""

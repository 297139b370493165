"""How texts are written into ClickHouse statements."""

from __future__ import annotations


def quoted(text: str) -> str:
    """A ClickHouse string literal with quotes and backslashes escaped."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

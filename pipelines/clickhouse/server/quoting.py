"""Texts in statements."""

from __future__ import annotations


def quoted(text: str) -> str:
    """A text literal of ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

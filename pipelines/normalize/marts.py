"""The marts: what readers query. Twin: sql/30_marts.sql.

`costs` is one row per cost line of every cloud: the union of the normalised tables, which have one
shape. Locally it is a folder with each word's published files under a second name.
"""

from __future__ import annotations

MARTS: dict[str, tuple[str, ...]] = {"costs": ("aws",)}


def of(word: str) -> list[str]:
    """The marts that a word's partitions are part of."""
    return [name for name, members in MARTS.items() if word in members]

"""The marts: what readers query. Twin: sql/30_marts.sql.

`costs` is one row per cost line of every cloud: the union of the normalised tables, which have one
shape. `trades` is Deribit's. Locally they are folders with each source's published files under a
second name. The marts that are computed from others have one definition for both destinations, in
sql/marts (marts.py).
"""

from __future__ import annotations

from pipelines.tables.sources import COST_SOURCES, SOURCES

LINKED: dict[str, tuple[str, ...]] = {"costs": COST_SOURCES} | {
    name: tuple(source_name for source_name, source in SOURCES.items() if source.mart == name)
    for name in (source.mart for source in SOURCES.values())
    if name
}


def of(source_name: str) -> list[str]:
    """The linked marts that a source's partitions are part of."""
    return [name for name, members in LINKED.items() if source_name in members]

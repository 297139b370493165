"""Every raw table by its source, and the selects that have a part for each.

What a source declares is in providers/<word>/source.toml (sources.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipelines.tables.sources import COST_WORDS, SOURCES


@dataclass(frozen=True)
class Place:
    """A word's tables: raw dataset and table, the partition column.

    `raw_only`: rows that are read as they are, without a normalised table.
    """

    word: str
    dataset: str
    table: str
    column: str
    raw_only: bool = False

    @property
    def raw_table(self) -> str:
        """The raw table's name in ClickHouse."""
        return f"{self.dataset}__{self.table}"

    @property
    def normalized_table(self) -> str:
        """The normalised table's name in ClickHouse."""
        return f"normalized_{self.word}"

    @property
    def read_table(self) -> tuple[str, str]:
        """The table that readers read in ClickHouse, and its partition column."""
        if self.raw_only:
            return self.raw_table, self.column
        return self.normalized_table, "x_partition"


def _places() -> Iterator[Place]:
    for word, source in SOURCES.items():
        yield Place(word, source.dataset, source.table, source.partition)
        for each in source.lists:
            name = f"{word}_{each.table}"
            yield Place(name, source.dataset, each.table, each.partition, raw_only=True)


_PLACES = tuple(_places())
PLACES: Mapping[str, Place] = {place.word: place for place in _PLACES}
"""By word, in the order in which they are loaded."""


LINKED: dict[str, tuple[str, ...]] = {"costs": COST_WORDS} | {
    name: tuple(word for word, source in SOURCES.items() if source.mart == name)
    for name in (source.mart for source in SOURCES.values())
    if name
}
"""The marts that are a union of normalised tables, and their members. Twin: sql/30_marts.sql.

Locally they are folders with each word's published files under a second name."""


def linked_marts(word: str) -> list[str]:
    """The linked marts that a word's partitions are part of."""
    return [name for name, members in LINKED.items() if word in members]


def published_partitions(count: str) -> str:
    """A select of every partition and delivery that readers read; `count` counts rows."""
    return "\nunion all\n".join(_published(place, count) for place in _PLACES)


def raw_partitions() -> str:
    """A select of every loaded raw partition and delivery, for ClickHouse."""
    return "\nunion all\n".join(
        f'select \'{place.word}\' as word, "{place.column}" as "partition", '
        'x_fingerprint as fingerprint, toInt64(count()) as "rows", '
        "max(x_delivered_at) as delivered_at, max(x_dlt_load_id) as load_id "
        f'from {place.raw_table} group by "{place.column}", x_fingerprint'
        for place in _PLACES
    )


def _published(place: Place, count: str) -> str:
    table, column = place.read_table
    word, keys = ("x_source", "x_source, ") if not place.raw_only else (f"'{place.word}'", "")
    return (
        f'select {word} as word, "{column}" as "partition", x_fingerprint as fingerprint, '
        f'{count} as "rows" from {table} group by {keys}"{column}", x_fingerprint'
    )


def costs() -> str:
    """A select of every cost line; `{cost_columns}` is still to be filled in.

    Every column by its name: while a migration rebuilds one table, another is as it was.
    """
    return "\nunion all\n".join(
        f"select {{cost_columns}} from normalized_{word}" for word in COST_WORDS
    )


def daily_words() -> str:
    """The sources whose providers deliver every day, as a list of literals."""
    return ", ".join(f"'{word}'" for word, source in SOURCES.items() if source.daily)


def newest_days() -> str:
    """A select of the newest day that each source is about: word, newest_day."""
    parts = [
        "select x_source as word, max(x_usage_date) as newest_day from costs_daily "
        "group by x_source"
    ]
    for word, source in SOURCES.items():
        if source.newest_day:
            table, _, column = source.newest_day.partition(".")
            parts.append(
                f"select '{word}' as word, max({column}) as newest_day from {table} "
                "having count(*) > 0"
            )
    return "\nunion all\n".join(parts)

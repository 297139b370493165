"""Every raw table by its source, and the selects that have a part for each.

What a source declares is in providers/<source>/source.toml (sources.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipelines.tables.sources import COST_SOURCES, SOURCES


@dataclass(frozen=True)
class RawTable:
    """A source's tables: raw dataset and table, the partition column.

    `raw_only`: rows that are read as they are, without a normalised table.
    """

    source_name: str
    dataset: str
    table: str
    column: str
    raw_only: bool = False

    @property
    def clickhouse_name(self) -> str:
        """The raw table's name in ClickHouse."""
        return f"{self.dataset}__{self.table}"

    @property
    def normalized_table(self) -> str:
        """The normalised table's name in ClickHouse."""
        return f"normalized_{self.source_name}"

    @property
    def read_table(self) -> tuple[str, str]:
        """The table that readers read in ClickHouse, and its partition column."""
        if self.raw_only:
            return self.clickhouse_name, self.column
        return self.normalized_table, "x_partition"


def _list_raw_tables() -> Iterator[RawTable]:
    for source_name, source in SOURCES.items():
        yield RawTable(source_name, source.dataset, source.table, source.partition)
        for each in source.lists:
            name = f"{source_name}_{each.table}"
            yield RawTable(name, source.dataset, each.table, each.partition, raw_only=True)


_RAW_TABLES = tuple(_list_raw_tables())
RAW_TABLES: Mapping[str, RawTable] = {raw_table.source_name: raw_table for raw_table in _RAW_TABLES}
"""By name, in the order in which they are loaded."""


def published_partitions(count: str) -> str:
    """A select of every partition and delivery that readers read; `count` counts rows."""
    return "\nunion all\n".join(_published(raw_table, count) for raw_table in _RAW_TABLES)


def raw_partitions() -> str:
    """A select of every loaded raw partition and delivery, for ClickHouse."""
    return "\nunion all\n".join(
        f'select \'{raw_table.source_name}\' as word, "{raw_table.column}" as "partition", '
        'x_fingerprint as fingerprint, toInt64(count()) as "rows", '
        "max(x_delivered_at) as delivered_at, max(x_dlt_load_id) as load_id "
        f'from {raw_table.clickhouse_name} group by "{raw_table.column}", x_fingerprint'
        for raw_table in _RAW_TABLES
    )


def _published(raw_table: RawTable, count: str) -> str:
    table, column = raw_table.read_table
    source_name, keys = (
        ("x_source", "x_source, ") if not raw_table.raw_only else (f"'{raw_table.source_name}'", "")
    )
    return (
        f'select {source_name} as word, "{column}" as "partition", x_fingerprint as fingerprint, '
        f'{count} as "rows" from {table} group by {keys}"{column}", x_fingerprint'
    )


def costs() -> str:
    """A select of every cost line; `{cost_columns}` is still to be filled in.

    Every column by its name: while a migration rebuilds one table, another is as it was.
    """
    return "\nunion all\n".join(
        f"select {{cost_columns}} from normalized_{source_name}" for source_name in COST_SOURCES
    )


def daily_sources() -> str:
    """The sources whose providers deliver every day, as a list of literals."""
    return ", ".join(f"'{source_name}'" for source_name, source in SOURCES.items() if source.daily)


def newest_days() -> str:
    """A select of the newest day that each source is about: word, newest_day."""
    parts = [
        "select x_source as word, max(x_usage_date) as newest_day from costs_daily "
        "group by x_source"
    ]
    for source_name, source in SOURCES.items():
        if source.newest_day:
            table, _, column = source.newest_day.partition(".")
            parts.append(
                f"select '{source_name}' as word, max({column}) as newest_day from {table} "
                "having count(*) > 0"
            )
    return "\nunion all\n".join(parts)

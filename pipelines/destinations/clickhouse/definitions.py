"""What is defined in a database, as the publishing of a partition has to know it.

A run publishes hundreds of partitions, and each statement is a round trip. So all that is asked of
system.tables is one statement. It is asked for each partition, since a run can have lost its lease
without knowing. Columns are read again only where the server says that their table was changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines.clickhouse.schema.daily import require_rules
from pipelines.clickhouse.schema.statements import View
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.partition import PartitionError
from pipelines.destinations.clickhouse.leftovers import prefix
from pipelines.destinations.layout import RawTable
from pipelines.tables import daily
from pipelines.tables.sources import COST_SOURCES

_LOOK = """
select name, comment, toUnixTimestamp(metadata_modification_time), toUnixTimestamp(now())
from system.tables
where database = currentDatabase() and (startsWith(name, %(prefix)s) or name in %(names)s)
order by name
"""


class Definitions:
    """The tables and views of one database."""

    def __init__(self, manager: ClickHouseManager) -> None:
        self._manager = manager
        self._changed: dict[str, int] = {}  # when, of what cannot have changed again unseen
        self._columns: dict[str, tuple[int, dict[str, str]]] = {}

    def look(
        self, raw_table: RawTable, views: Sequence[View], tag_columns: Sequence[str]
    ) -> list[str]:
        """The private tables of a source that are there, tables before their views.

        Raises PartitionError where the database applies other rules than `views` and `tag_columns`.
        """
        names = {raw_table.clickhouse_name, raw_table.read_table[0], daily.NAME}
        names |= {view.name for view in views}
        begins = prefix(raw_table)
        rows = self._manager.execute(_LOOK, {"prefix": begins, "names": tuple(sorted(names))})
        # a change in the second of another one could not be told from it
        self._changed = {name: at for name, _, at, now in rows if 0 < at < now - 1}
        comments: dict[str, str] = {name: comment for name, comment, *_ in rows}
        self._require(raw_table, views, comments)
        if raw_table.source_name in COST_SOURCES and not raw_table.raw_only:
            require_rules(comments.get(daily.NAME), self._manager.config.database, tag_columns)
        return [name for name in comments if name.startswith(begins)]

    def columns(self, table: str) -> dict[str, str]:
        """The columns of a table or view with their types, as they are since the last look."""
        changed, known = self._changed.get(table), self._columns.get(table)
        if known and known[0] == changed:
            return known[1]
        rows = self._manager.execute(f"describe table {table}")
        columns: dict[str, str] = {row[0]: row[1] for row in rows}
        if changed is not None:
            self._columns[table] = changed, columns
        return columns

    def _require(
        self, raw_table: RawTable, views: Sequence[View], comments: Mapping[str, str]
    ) -> None:
        database = self._manager.config.database
        for view in views:
            if view.name not in comments:
                raise PartitionError(
                    f"{database} has no view {view.name}, which normalises "
                    f"{raw_table.clickhouse_name}. Run: make init-clickhouse"
                )
            if comments[view.name] != view.comment:
                raise PartitionError(
                    f"The view {view.name} of {database} has other rules, or other "
                    "normalize.tag_columns, than this installation. Run: make init-clickhouse"
                )
            # an insert by name would skip a column of the view that the table does not have
            given, taken = self.columns(view.name), self.columns(raw_table.normalized_table)
            if other := given.keys() - taken.keys():
                raise PartitionError(
                    f"{raw_table.normalized_table} has no {', '.join(sorted(other))}, which its "
                    "view makes. Run: make init-clickhouse"
                )

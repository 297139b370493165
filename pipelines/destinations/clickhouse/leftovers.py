"""The private tables of a source: their names, what killed runs left of them, and their removal."""

from __future__ import annotations

import logging

from pipelines.clickhouse.server.codes import TOO_LARGE_TO_DROP
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.destinations.clickhouse.history import Note
from pipelines.destinations.layout import RawTable

log = logging.getLogger(__name__)


def left_behind(manager: ClickHouseManager, raw_table: RawTable) -> dict[str, Note | None]:
    """The private tables of a source that are there, with the notes that they carry.

    Tables sort before their views, so a run that is still inserting fails at once rather than
    continuing without normalisation.
    """
    sql = "select name, comment from system.tables where database = currentDatabase()"
    sql = f"{sql} and startsWith(name, %(prefix)s) order by name"
    rows = manager.execute(sql, {"prefix": prefix(raw_table)})
    return {name: Note.read(comment) for name, comment in rows}


def drop(manager: ClickHouseManager, *tables: str) -> None:
    """Remove tables, whether they are there or not, in one statement where all of them may go."""
    if len(tables) > 1 and not manager.config.cluster:
        try:
            manager.execute(f"drop table if exists {', '.join(tables)} sync")
        except ClickHouseQueryError as error:
            if error.code != TOO_LARGE_TO_DROP:
                raise
        else:
            return
    for table in tables:
        try:
            manager.execute(f"drop table if exists {table} sync")
        except ClickHouseQueryError as error:
            if error.code != TOO_LARGE_TO_DROP:
                raise
            # nobody reads it, so later partitions need not wait for somebody to lift the limit
            log.warning("%s stays: %s", table, error)


def prefix(raw_table: RawTable) -> str:
    """How the names of a source's private tables begin."""
    return f"_stage_{raw_table.source_name}__"

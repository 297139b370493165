"""The private tables in which a partition is made before readers see it, and how they see it.

A token in their names keeps two loaders apart, even when neither knows of the other. What is left
of a killed run nobody reads; the next run takes note of it and drops it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.tools import insert_file

from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.errors import ClickHouseError
from pipelines.clickhouse.manager import ClickHouseManager
from pipelines.clickhouse.problems import server_code
from pipelines.clickhouse.statements import quoted
from pipelines.destinations.history import Note
from pipelines.destinations.layout import Place
from pipelines.destinations.parquet_columns import Files
from pipelines.partitions import PartitionError

log = logging.getLogger(__name__)

_UNKNOWN_TABLE = 60
_THREADS = 2
_INSERT = {
    "async_insert": 0,
    "input_format_skip_unknown_fields": 0,
    "input_format_null_as_default": 1,  # only maps have a default, {}; all else is Nullable
    "max_insert_threads": 1,
}
# What is merged here is read once and moved away: the published table merges what it gets.
_UNMERGED = (
    "settings max_bytes_to_merge_at_max_space_in_pool = 1, "
    "max_bytes_to_merge_at_min_space_in_pool = 1"
)


@contextmanager
def connect(config: ClickHouseConfig) -> Iterator[Client]:
    """A clickhouse-connect client (HTTP), for files."""
    client = clickhouse_connect.get_client(
        **config.to_connect_arguments(),
        autogenerate_session_id=False,
        send_receive_timeout=3600,
        dedicated_pool=True,  # closing it closes its connections
    )
    try:
        yield client
    finally:
        client.close()


class Staging:
    """The private tables of one publishing, dropped at its end: `raw` and `normalised`."""

    def __init__(
        self, config: ClickHouseConfig, manager: ClickHouseManager, place: Place, note: Note
    ) -> None:
        self._config, self._manager, self._place, self._note = config, manager, place, note
        token = f"{_prefix(place)}{uuid4().hex[:12]}"
        self.raw, self.normalised = f"{token}_raw", f"{token}_norm"
        self._made: set[str] = set()

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The server may have gone; what is left then is dropped by the next run."""
        if not self._manager.health_check():
            return
        try:
            there = left_behind(self._manager, self._place)
            drop(self._manager, self.raw, self.normalised)
        except ClickHouseError as reason:
            log.debug("%s and %s stay: %s", self.raw, self.normalised, reason)
            return
        if error and server_code(error) == _UNKNOWN_TABLE and not self._made <= there.keys():
            raise PartitionError(
                f"{self._note.word} {self._note.partition}: another run has taken over, since this "
                "one was not heard of for long, and dropped its private tables. Run again."
            ) from error

    def fill_raw(self, files: Files, defaults: Mapping[str, str]) -> None:
        """A table like raw with the files in it; `defaults` are expressions by column."""
        comment = f"comment {quoted(self._note.text)}" if self._place.raw_only else ""
        self._manager.execute(
            f"create table {self.raw} as {self._place.raw_table} {_UNMERGED} {comment}"
        )
        self._made.add(self.raw)
        changes = [f"modify column {name} default {value}" for name, value in defaults.items()]
        self._manager.execute(f"alter table {self.raw} {', '.join(changes)}")
        self._insert(self.raw, files)
        self._check(self.raw, self._place.column, files)

    def fill_normalised(self, files: Files) -> None:
        """A table like the normalised one with files that are normalised already."""
        self._create_normalised()
        self._insert(self.normalised, files)
        self._check(self.normalised, "x_partition", files)

    def normalise(self, views: list[str]) -> None:
        """The same, made of the staged raw rows by the views' own selects."""
        self._create_normalised()
        for view in views:
            self._run(view)

    def publish(self, table: str, staged: str) -> None:
        """One step for readers; from an empty table the partition is dropped on purpose."""
        literal = quoted(self._note.partition)
        if self._manager.execute(f"select count() from {staged}")[0][0]:
            self._manager.execute(f"alter table {table} replace partition {literal} from {staged}")
        else:
            self._manager.execute(f"alter table {table} drop partition {literal}")

    def _create_normalised(self) -> None:
        like, comment = self._place.normalized_table, quoted(self._note.text)
        self._manager.execute(
            f"create table {self.normalised} as {like} {_UNMERGED} comment {comment}"
        )
        self._made.add(self.normalised)

    def _insert(self, table: str, files: Files) -> None:
        def insert(path: Path) -> None:
            insert_file(client, table, str(path), "Parquet", None, self._config.database, _INSERT)

        with connect(self._config) as client, ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(insert, files.paths))

    def _check(self, table: str, column: str, files: Files) -> None:
        note = self._note
        foreign = f"{column} != %(partition)s or x_fingerprint != %(fingerprint)s"
        count, strangers = self._manager.execute(
            f"select count(), countIf({foreign}) from {table}",
            {"partition": note.partition, "fingerprint": note.fingerprint},
        )[0]
        if count != files.rows or strangers:
            raise PartitionError(
                f"{note.word} {note.partition}: {count:,} rows were staged, {strangers:,} of them "
                f"of another partition; the files have {files.rows:,}. Run again."
            )

    def _run(self, view: str) -> None:
        """The view's own select over the staging table, by column name as the view itself does."""
        source = re.compile(
            rf"(`?{re.escape(self._config.database)}`?\.)`?{self._place.raw_table}\b`?"
        )
        select, found = source.subn(self.raw, view)
        if found != 1:
            raise PartitionError(
                f"{self._place.raw_table} does not stand once in its view. "
                "Run: make init-clickhouse"
            )
        columns = ", ".join(f"`{row[0]}`" for row in self._manager.execute(f"describe ({select})"))
        self._manager.execute(f"insert into {self.normalised} ({columns}) {select}")


def left_behind(manager: ClickHouseManager, place: Place) -> dict[str, Note | None]:
    """The private tables of a word that are there, with the notes that they carry."""
    sql = "select name, comment from system.tables where database = currentDatabase()"
    rows = manager.execute(f"{sql} and startsWith(name, %(prefix)s)", {"prefix": _prefix(place)})
    return {name: Note.read(comment) for name, comment in rows}


def drop(manager: ClickHouseManager, *tables: str) -> None:
    """Remove tables, whether they are there or not."""
    for table in tables:
        manager.execute(f"drop table if exists {table} sync")


def _prefix(place: Place) -> str:
    return f"_stage_{place.word}__"

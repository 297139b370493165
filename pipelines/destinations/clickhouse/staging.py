"""The private tables in which a partition is made before readers see it, and how they see it.

A token in their names keeps two loaders apart, even when neither knows of the other. What is left
of a killed run nobody reads; the next run takes note of it and drops it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from clickhouse_connect.driver.binding import quote_identifier
from clickhouse_connect.driver.exceptions import Error as ConnectError

from pipelines.clickhouse.schema.daily import insert_daily, partition_of
from pipelines.clickhouse.schema.statements import View
from pipelines.clickhouse.server.codes import UNKNOWN_TABLE
from pipelines.clickhouse.server.errors import (
    ClickHouseConnectionError,
    ClickHouseError,
)
from pipelines.clickhouse.server.http_client import KeptClient
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.patience import RowsMissing, until_seen
from pipelines.clickhouse.server.problems import redacted, server_code
from pipelines.clickhouse.server.quoting import quoted
from pipelines.clickhouse.server.settings import log_comment
from pipelines.core.partition import PartitionError
from pipelines.destinations.clickhouse.history import Note
from pipelines.destinations.clickhouse.leftovers import drop, left_behind, prefix
from pipelines.destinations.clickhouse.parquet_columns import Files
from pipelines.destinations.clickhouse.work import step
from pipelines.destinations.layout import RawTable
from pipelines.tables import daily

log = logging.getLogger(__name__)

_THREADS = 2
_CHUNK = 1 << 20  # bytes that are sent at a time
_INSERT = {
    "input_format_null_as_default": 1,  # only maps have a default, {}; all else is Nullable
    "max_insert_threads": 1,
}
# What is staged is read once and moved away: the published table merges what it gets, into parts of
# a file per column. Here a part is one file: a part of raw's columns would be 500.
_UNMERGED = (
    "settings max_bytes_to_merge_at_max_space_in_pool = 1, "
    "max_bytes_to_merge_at_min_space_in_pool = 1, min_bytes_for_wide_part = 1000000000000"
)


class Staging:
    """The private tables of one publishing, dropped at its end: `raw`, `normalised` and `daily`.

    Private views fill `normalised` with every block that is inserted into `raw`. `daily` sums up
    cost lines when all of them are there.
    """

    def __init__(
        self, manager: ClickHouseManager, client: KeptClient, raw_table: RawTable, note: Note
    ) -> None:
        self._config, self._manager, self._client = manager.config, manager, client
        self._raw_table, self._note = raw_table, note
        self._token = token = f"{prefix(raw_table)}{uuid4().hex[:12]}"
        self.raw, self.normalised = f"{token}_raw", f"{token}_norm"
        self.daily = f"{token}_day"
        self._view = f"{token}_view"  # a number follows
        self._made: set[str] = set()
        self._rows: dict[str, int] = {}  # of each table, as its inserts made them
        self._counted: dict[str, object] = {}  # the connection on which all of them were seen
        self.seconds = {"stage": note.stage_seconds or 0.0}

    @property
    def note(self) -> Note:
        """The note, with the seconds that the steps took so far."""
        known = {"read": self._note.read_seconds} if self._note.read_seconds is not None else {}
        return self._note.took(known | self.seconds)

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop the private tables; if the server is unreachable, the next run drops them."""
        there, mine = set[str](), set(self._made)
        if error and not self._manager.health_check():
            return
        try:
            if error:  # one whose answer was lost may be there, too
                there = {*left_behind(self._manager, self._raw_table)}
                mine |= {
                    self.raw,
                    self.normalised,
                    *(n for n in there if n.startswith(self._token)),
                }
            drop(self._manager, *sorted(mine))
        except ClickHouseError as reason:
            log.debug("%s and %s stay: %s", self.raw, self.normalised, reason)
            return
        if error and server_code(error) == UNKNOWN_TABLE and not self._made <= there:
            raise PartitionError(
                f"{self._note.source_name} {self._note.partition}: another run has taken over, "
                "because this one did not renew its lease, and dropped its private tables. Run "
                "again."
            ) from error

    @step("stage")
    def fill(self, files: Files, defaults: Mapping[str, str], views: Sequence[View]) -> None:
        """The tables, from the files; `defaults` of raw are expressions by column.

        The selects of `views` over the staged rows normalise a block while the next one is read and
        other files are inserted. Nothing is read back for it, and no core waits for the last file.
        A raw-only table has none.
        """
        comment = f"comment {quoted(self._note.text)}" if self._raw_table.raw_only else ""
        self._manager.execute(
            f"create table {self.raw} as {self._raw_table.clickhouse_name} {_UNMERGED} {comment}"
        )
        self._made.add(self.raw)
        changes = [f"modify column {name} default {value}" for name, value in defaults.items()]
        self._manager.execute(f"alter table {self.raw} {', '.join(changes)}")
        selects = [view.select(self.raw) for view in views]
        if views:
            self._create_normalised()
        for number, (view, select) in enumerate(zip(views, selects, strict=True)):
            # to filter all rows out of every block takes a tenth of a load
            if not view.layout or view.layout in defaults["x_form"].strip("'").split():
                self._create_view(f"{self._view}{number}", select)
        self._insert(self.raw, files)
        self._check(self.raw, self._raw_table.column, files, selects)

    @step("stage")
    def fill_normalised(self, files: Files) -> None:
        """A table like the normalised one with files that are normalised already."""
        self._create_normalised()
        self._insert(self.normalised, files)
        self._check(self.normalised, "x_partition", files)

    @step("normalise", "sum up")
    def fill_daily(self, tag_columns: Sequence[str]) -> None:
        """A table like the daily one, from `normalised`."""
        self._manager.execute(f"create table {self.daily} as {daily.NAME} {_UNMERGED} comment ''")
        self._made.add(self.daily)
        self._manager.execute(insert_daily(self.daily, self.normalised, tag_columns))
        self._await(self._check_daily)
        self._counted[self.daily] = self._manager.connection

    def publish_daily(self) -> None:
        """In one step for readers, too."""
        note = self._note
        self._replace(daily.NAME, partition_of(note.source_name, note.partition), self.daily)

    def publish(self, table: str, staged: str) -> None:
        """One step for readers; from an empty table the partition is dropped on purpose."""
        self._replace(table, quoted(self._note.partition), staged)

    @step("publish")
    def _replace(self, table: str, literal: str, staged: str) -> None:
        if self._rows[staged]:
            # on the replica that replaces it, all of it has to be there
            if self._counted.get(staged) is not self._manager.connection:
                self._await(lambda: self._count(staged, self._rows[staged]))
            self._manager.execute(f"alter table {table} replace partition {literal} from {staged}")
        else:
            self._manager.execute(f"alter table {table} drop partition {literal}")

    def _create_normalised(self) -> None:
        like, comment = self._raw_table.normalized_table, quoted(self._note.text)
        self._manager.execute(
            f"create table {self.normalised} as {like} {_UNMERGED} comment {comment}"
        )
        self._made.add(self.normalised)

    def _create_view(self, name: str, select: str) -> None:
        self._manager.execute(f"create materialized view {name} to {self.normalised} as {select}")
        self._made.add(name)

    def _insert(self, table: str, files: Files) -> None:
        def insert(path: Path) -> None:
            # a column that is not named is not the parquet reader's to fill, which is slow at it
            columns = ", ".join(map(quote_identifier, files.filled[path]))
            into = f"{quote_identifier(self._config.database)}.{table}"
            statement = f"insert into {into} ({columns or '*'}) format Parquet\n"
            client.raw_insert("", None, _with_file(statement, path), settings)

        settings = {**_INSERT, "log_comment": log_comment()}
        try:
            with self._client.use() as client, ThreadPoolExecutor(_THREADS) as threads:
                list(threads.map(insert, files.filled))
        except ConnectError as error:
            if "timed out" not in str(error):
                raise
            self._count_arrived(table, files, error)

    def _count_arrived(self, table: str, files: Files, error: ConnectError) -> None:
        """An insert's answer was lost. Goes on when all rows are there, else says how many are."""
        (arrived,) = self._manager.execute(f"select count() from {table}")[0]
        waited = f"{self._config.answer_timeout:g} s (CLICKHOUSE_ANSWER_TIMEOUT)"
        if arrived == files.rows:
            log.warning("no answer to an insert in %s; all %s rows arrived", waited, arrived)
            return
        raise ClickHouseConnectionError(
            f"no answer to an insert in {waited}; {arrived:,} of {files.rows:,} rows arrived in a "
            "private table, nothing was published. Fix: look at system.processes for what holds "
            "it up, or allow more seconds; then run the command again"
        ) from redacted(error, self._config)

    def _await(self, check: Callable[[], None]) -> None:
        until_seen(self._config, check)

    def _count(self, table: str, rows: int) -> None:
        (count,) = self._manager.execute(f"select count() from {table}")[0]
        if count != rows:
            raise RowsMissing(self._where(f"{count:,} rows of {rows:,} staged ones are there"))

    def _check_daily(self) -> None:
        """Each line is in one day; so the days of any lines are not none."""
        lines = self._rows[self.normalised]
        sql = f"select count(), sum({daily.LINES}) from {self.daily}"
        days, counted = self._manager.execute(sql)[0]
        if counted != lines:
            raise RowsMissing(self._where(f"{counted:,} lines of {lines:,} are in the daily rows"))
        self._rows[self.daily] = days

    def _where(self, what: str) -> str:
        return f"{self._note.source_name} {self._note.partition}: {what}. Run again."

    def _check(self, table: str, column: str, files: Files, selects: Sequence[str] = ()) -> None:
        """All rows of the files are there, of this delivery alone, and what `selects` make of them
        is, though views saw it block by block."""
        self._rows[table] = files.rows
        self._await(lambda: self._check_rows(table, column, files, selects))
        tables = (table, self.normalised) if selects else (table,)
        self._counted |= dict.fromkeys(tables, self._manager.connection)

    def _check_rows(self, table: str, column: str, files: Files, selects: Sequence[str]) -> None:
        note = self._note
        asked = f"(select count() from {table}), (select countIf({column} != %(partition)s or "
        asked += f"x_fingerprint != %(fingerprint)s) from {table})"
        if selects:
            wanted = " + ".join(f"(select count() from ({select}))" for select in selects)
            asked += f", (select count() from {self.normalised}), {wanted.replace('%', '%%')}"
        given = {"partition": note.partition, "fingerprint": note.fingerprint}
        count, strangers, *made = self._manager.execute(f"select {asked}", given)[0]
        if count != files.rows or strangers:
            kind = PartitionError if strangers else RowsMissing
            raise kind(
                self._where(
                    f"{count:,} rows were staged, {strangers:,} of them from another partition; "
                    f"the files have {files.rows:,}"
                )
            )
        if selects and made[0] != made[1]:
            raise RowsMissing(
                self._where(f"{made[0]:,} normalised rows were staged, the files give {made[1]:,}")
            )
        if selects:
            self._rows[self.normalised] = made[0]


def _with_file(statement: str, path: Path) -> Generator[bytes]:
    """The body of a request: a report can have too many columns for an address."""
    yield statement.encode()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk

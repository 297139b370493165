"""The sink's table in ClickHouse: rows and offsets in one insert.

Each row carries its topic, partition and offset. A consumer goes on after the largest offset that
the table has, and an insert takes only rows after it: so a batch that is sent twice, by a retry or
by a sink that slept through a rebalance, is written once. The rows of an insert are one part, so a
server that dies has all of them or none. The deduplication token is for two tries that overlap; an
insert of a sink that was killed is waited for before the table is asked where it ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ConnectError
from urllib3.exceptions import HTTPError

from pipelines.clickhouse.server.cluster import all_replicas
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import (
    ClickHouseConnectionError,
    ClickHouseError,
    ClickHouseQueryError,
)
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.problems import diagnose, explain, server_code
from pipelines.clickhouse.server.quoting import quoted
from pipelines.clickhouse.server.rules import Kind
from pipelines.streaming.contract import TableColumn
from pipelines.streaming.topics import Topic

_PLACE = ("kafka_topic", "kafka_partition", "kafka_offset")
_ARROW = {
    "String": pa.string(),
    "Bool": pa.bool_(),
    "Int32": pa.int32(),
    "UInt16": pa.uint16(),
    "UInt32": pa.uint32(),
    "Int64": pa.int64(),
    "UInt64": pa.uint64(),
    "Float32": pa.float32(),
    "Float64": pa.float64(),
}
_SETTINGS = {"async_insert": 0, "wait_end_of_query": 1, "max_insert_threads": 1}
ANSWER = 60.0  # seconds: an insert that takes longer is tried again, and written once
_COLUMNS = """
select name, type, default_kind != '' from system.columns
where database = currentDatabase() and table = {table:String} order by position
"""


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be read: where it is, and why."""

    partition: int
    offset: int
    reason: str
    key: str


@dataclass
class LiveTable:
    """The table of a topic. Every method raises ClickHouseError, and may be repeated."""

    config: ClickHouseConfig
    topic: Topic
    _client: Client | None = field(default=None, repr=False)
    _open: ExitStack = field(default_factory=ExitStack, repr=False)

    def columns(self) -> list[TableColumn]:
        """Its columns. Raises ClickHouseQueryError when there is no such table."""
        with self._connected() as client:
            rows = client.query(_COLUMNS, parameters={"table": self.topic.table}).result_rows
        if not rows:
            raise ClickHouseQueryError(
                f"{self.config.database} has no table {self.topic.table}. Run: make init-clickhouse"
            )
        return [TableColumn(name, kind, bool(default)) for name, kind, default in rows]

    def inserts(self) -> set[str]:
        """Ids of the inserts into it that the server is at: a killed sink's goes on there.

        None where this user may not see what runs.
        """
        processes = all_replicas(self.config.cluster, "system.processes")
        sql = (
            f"select query_id from {processes} where query_kind = 'Insert' "
            f"and startsWith(lower(query), {quoted(f'insert into {self.topic.table} ')})"
        )
        try:
            with self._connected() as client:
                return {row[0] for row in client.query(sql).result_rows}
        except ClickHouseQueryError:
            return set()

    def next_offsets(self) -> dict[int, int]:
        """By partition the offset after the last row."""
        with self._connected() as client:
            return {row[0]: row[1] + 1 for row in client.query(self._last()).result_rows}

    def dead(self, first: Mapping[int, int]) -> set[tuple[int, int]]:
        """Partition and offset of known dead letters from these offsets on."""
        sql = (
            f"select kafka_partition, kafka_offset from {self.topic.dead} "
            f"where kafka_topic = {quoted(self.topic.name)}"
        )
        with self._connected() as client:
            rows = client.query(sql).result_rows
        return {(p, offset) for p, offset in rows if offset >= first.get(p, 0)}

    def add_dead(self, letters: Sequence[DeadLetter]) -> None:
        """Note dead letters; one that is there already is merged with it."""
        names = ["kafka_topic", "kafka_partition", "kafka_offset", "reason", "record_key"]
        rows = [(self.topic.name, e.partition, e.offset, e.reason, e.key) for e in letters]
        with self._connected() as client:
            client.insert(self.topic.dead, rows, column_names=names, settings={"async_insert": 0})

    def insert(
        self, rows: Sequence[Mapping[str, Any]], columns: Sequence[TableColumn], token: str
    ) -> None:
        """Write those rows that come after what the table has; `columns` are those to fill."""
        shape = [(column.name, _ARROW[column.plain_type]) for column in columns]
        data = _stream(pa.Table.from_pylist(list(rows), pa.schema(shape)))
        names = ", ".join(f"`{column.name}`" for column in columns)
        typed = ", ".join(f"`{column.name}` {_input_type(column)}" for column in columns)
        sql = (
            f"insert into {self.topic.table} ({names}) "
            f"with (select mapFromArrays(groupArray(p), groupArray(o)) from "
            f"({self._last('p', 'o')})) as known "
            f"select {names} from input({quoted(typed)}) where not mapContains(known, "
            "kafka_partition) or kafka_offset > known[kafka_partition] format ArrowStream"
        )
        with self._connected() as client:
            client.command(
                sql, data=data, settings=_SETTINGS | {"insert_deduplication_token": token}
            )

    def run(self, sql: str) -> list[Sequence[Any]]:
        """Another statement, and its rows."""
        with self._connected() as client:
            return list(client.query(sql).result_rows)

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        self._client = None
        self._open.close()

    def _last(self, partition: str = "p", offset: str = "o") -> str:
        return (
            f"select kafka_partition as {partition}, max(kafka_offset) as {offset} "
            f"from {self.topic.table} where kafka_topic = {quoted(self.topic.name)} "
            "group by kafka_partition"
        )

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        try:
            if self._client is None:
                opening = connect(self.config, answer_seconds=ANSWER)
                self._client = self._open.enter_context(opening)
            yield self._client
        except (ConnectError, HTTPError, OSError) as error:
            self.close()
            raise self._told(error) from None

    def _told(self, error: Exception) -> ClickHouseError:
        text, code = explain(error, self.config), server_code(error)
        if code is None or diagnose(error, self.config).kind is Kind.NETWORK:
            return ClickHouseConnectionError(text)
        return ClickHouseQueryError(text, code)


def await_inserts(
    inserts: Callable[[], set[str]], sleep: Callable[[float], None], stopped: Callable[[], bool]
) -> None:
    """Until those have ended that run now: what a killed sink sent may not be seen yet."""
    left, end = inserts(), time.monotonic() + ANSWER
    while left and time.monotonic() < end and not stopped():
        sleep(0.05)
        left &= inserts()


def to_fill(columns: Sequence[TableColumn], names: set[str]) -> list[TableColumn]:
    """The columns that records of these fields fill, and where they came from."""
    return [column for column in columns if column.name in names or column.name in _PLACE]


def _input_type(column: TableColumn) -> str:
    return f"Nullable({column.plain_type})" if column.is_nullable else column.plain_type


def _stream(table: pa.Table) -> bytes:
    target = pa.BufferOutputStream()
    with pa.ipc.new_stream(target, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(target.getvalue().to_pybytes())

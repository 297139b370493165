"""Read sessions: rows dealt to streams, and pieces of a stream as messages of arrow.

A session reads the table in which a query's result is kept, as it was when the session was opened.
Types are those of the Storage Read API (cloud.google.com/bigquery/docs/reference/storage).
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from scripts.sandbox.bigquery.errors import ApiError
from scripts.sandbox.bigquery.jobs import Job

#: Sessions that are kept; BigQuery's expire after six hours.
KEPT = 32
#: Fewer rows than this have no stream of their own.
STREAM_ROWS = 1_000
#: The most rows of a message; BigQuery's have some megabytes.
MESSAGE_ROWS = 2_048


@dataclass
class Session:
    """`streams` are the rows of each stream; `codec` is how buffers are compressed."""

    name: str
    table: str
    schema: pa.Schema
    streams: list[pa.Table]
    codec: str | None

    def stream_name(self, number: int) -> str:
        """A stream's full name."""
        return f"{self.name}/streams/{number}"


class Sessions:
    """The sessions that were opened."""

    def __init__(self, location: str) -> None:
        self._location = location.lower()
        self._numbers = itertools.count(1)
        self._kept: OrderedDict[str, Session] = OrderedDict()

    def open(
        self, job: Job, table: str, fields: list[str], codec: str | None, most: int, rows: int
    ) -> Session:
        """A session on a job's result in at most `most` streams (0: ours to choose) of `rows` rows
        or more. Raises ApiError for a field that is not there."""
        whole = arrow(job)
        if missing := [name for name in fields if name not in whole.column_names]:
            raise ApiError("INVALID_ARGUMENT", f"request failed: No such field: {missing[0]}")
        if fields:
            whole = whole.select([name for name in whole.column_names if name in fields])
        count = min(most or 4, -(-whole.num_rows // rows))
        size = -(-whole.num_rows // count) if count else 0
        name = f"projects/{job.place.project}/locations/{self._location}/sessions"
        session = Session(
            f"{name}/sandbox{next(self._numbers)}",
            table,
            whole.schema,
            [whole.slice(first, size) for first in range(0, whole.num_rows, size or 1)],
            codec,
        )
        self._kept[session.name] = session
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return session

    def stream(self, name: str) -> tuple[Session, pa.Table]:
        """A stream's session and rows. Raises ApiError."""
        session = self._kept.get(name.partition("/streams/")[0])
        number = name.rpartition("/")[2]
        if not session or not number.isdigit() or int(number) >= len(session.streams):
            raise ApiError("NOT_FOUND", f"request failed: Stream not found: {name}")
        return session, session.streams[int(number)]


def messages(session: Session, rows: pa.Table, size: int) -> Iterator[tuple[bytes, int]]:
    """Batches of at most `size` rows, serialised, and how many rows each has."""
    options = pa.ipc.IpcWriteOptions(compression=session.codec)
    for first in range(0, rows.num_rows, size):
        sink = pa.BufferOutputStream()
        piece = rows.slice(first, size).combine_chunks()
        with pa.ipc.new_stream(sink, session.schema, options=options) as writer:
            writer.write_table(piece)
        reader = pa.ipc.MessageReader.open_stream(sink.getvalue())
        reader.read_next_message()  # the schema
        yield reader.read_next_message().serialize().to_pybytes(), piece.num_rows


def arrow(job: Job) -> pa.Table:
    """A job's result in the types of the Storage Read API."""
    if job.result is None:
        raise ApiError("NOT_FOUND", f"request failed: the result of {job.id} is not there")
    fields = [(name, _served(kind)) for name, kind in zip(
        [name for name, _ in job.columns], job.result.schema.types, strict=True
    )]  # fmt: skip
    return job.result.rename_columns([name for name, _ in fields]).cast(pa.schema(fields))


def _served(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_integer(kind) or pa.types.is_null(kind):
        return pa.int64()
    if pa.types.is_decimal(kind):  # a HUGEINT is DuckDB's sum of INT64
        return pa.int64() if kind.scale == 0 else pa.decimal128(38, 9)
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_list(kind):
        return pa.list_(_served(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _served(field.type)) for field in kind])
    return kind

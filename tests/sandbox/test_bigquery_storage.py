"""The sandbox's Storage Read API as the real client sees it: sessions, streams, offsets, errors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from tests.support.providers.bigquery_fixtures import ClientFactory

if TYPE_CHECKING:
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient

    from scripts.sandbox.bigquery.server import BigQueryServer

TABLE = "example-billing.d.t"
LABELS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
SCHEMA = pa.schema(
    {
        "n": pa.int64(),
        "cost": pa.float64(),
        "price": pa.decimal128(38, 9),
        "is_on": pa.bool_(),
        "day": pa.date32(),
        "at": pa.timestamp("us", "UTC"),
        "local": pa.timestamp("us"),
        "bytes": pa.binary(),
        "project": pa.struct([("id", pa.string()), ("labels", LABELS)]),
    }.items()
)


def row(n: int) -> dict[str, Any]:
    at = datetime(2026, 10, 1 + n % 30, n % 24, tzinfo=UTC)
    labels = [{"key": "a", "value": None}] * (n % 3)
    made: dict[str, Any] = {
        "cost": n / 7,
        "price": Decimal(n).scaleb(-9),
        "is_on": n % 2 == 0,
        "day": at.date(),
        "at": at,
        "local": at.replace(tzinfo=None),
        "bytes": bytes([n % 256]),
        "project": {"id": f"ü{n}", "labels": labels},
    }
    return {"n": n} | (dict.fromkeys(made) if n % 11 == 5 else made)


ROWS = [row(n) for n in range(500)]


@pytest.fixture
def reader(bigquery_server: BigQueryServer) -> Iterator[BigQueryReadClient]:
    """The real client, of a server with a table."""
    import grpc
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
        BigQueryReadGrpcTransport,
    )

    bigquery_server.load(TABLE, pa.Table.from_pylist(ROWS, SCHEMA))
    bigquery_server.set_pace(stream_rows=100, message_rows=30)
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(urlsplit(bigquery_server.storage_url).netloc, options) as channel:
        yield BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))


@pytest.fixture
def result(bigquery_server: BigQueryServer, bigquery_client: ClientFactory) -> str:
    """The table of a query's result."""
    job = bigquery_client(bigquery_server).query(f"select * from `{TABLE}` order by n")
    job.result()
    name: str = job.destination.to_bqstorage()
    return name


def opened(reader: BigQueryReadClient, table: str, streams: int = 0, **options: Any) -> Any:
    session: Any = {"table": table, "data_format": "ARROW", "read_options": options}
    return reader.create_read_session(
        parent="projects/example-billing", read_session=session, max_stream_count=streams
    )


def rows(reader: BigQueryReadClient, session: Any, number: int = 0, offset: int = 0) -> list[Any]:
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
    found: list[Any] = []
    for message in reader.read_rows(session.streams[number].name, offset):
        content = pa.py_buffer(message.arrow_record_batch.serialized_record_batch)
        batch = pa.ipc.read_record_batch(content, schema)
        assert batch.num_rows == message.row_count <= 30
        found += batch.to_pylist()
    return found


@pytest.mark.parametrize("codec", ["COMPRESSION_UNSPECIFIED", "LZ4_FRAME", "ZSTD"])
def test_every_type_comes_as_it_was_loaded(
    reader: BigQueryReadClient, result: str, codec: str
) -> None:
    session = opened(reader, result, 1, arrow_serialization_options={"buffer_compression": codec})
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
    assert schema.equals(SCHEMA)
    assert session.estimated_row_count == 500
    assert rows(reader, session) == ROWS


def test_streams_hold_each_row_once_and_begin_at_any_row(
    reader: BigQueryReadClient, result: str
) -> None:
    session = opened(reader, result, 3)
    found = [rows(reader, session, number) for number in range(3)]
    assert [len(each) for each in found] == [167, 167, 166]
    assert [*found[0], *found[1], *found[2]] == ROWS
    assert rows(reader, session, 1, 95) == found[1][95:]
    assert rows(reader, session, 1, 167) == []
    assert len(opened(reader, result).streams) == 4
    assert len(opened(reader, result, 9).streams) == 5


def test_fields_can_be_selected(reader: BigQueryReadClient, result: str) -> None:
    session = opened(reader, result, 1, selected_fields=["at", "n"])
    assert rows(reader, session) == [{"n": each["n"], "at": each["at"]} for each in ROWS]


def test_what_is_not_there_is_refused(reader: BigQueryReadClient, result: str) -> None:
    from google.api_core import exceptions

    table = "projects/example-billing/datasets/d/tables/t"
    for refused, text in (
        ({"table": table}, "only that of a query's result"),
        ({"table": result, "selected_fields": ["x"]}, "No such field: x"),
        ({"table": result, "row_restriction": "n = 1"}, "results are read whole"),
    ):
        with pytest.raises(exceptions.InvalidArgument, match=text):
            opened(reader, **refused)
    session = opened(reader, result, 1)
    with pytest.raises(exceptions.OutOfRange, match="only 500 rows"):
        rows(reader, session, 0, 501)
    with pytest.raises(exceptions.NotFound, match="Stream not found"):
        next(iter(reader.read_rows(f"{session.name}/streams/7")))

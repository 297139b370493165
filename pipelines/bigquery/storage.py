"""BigQuery's Storage Read API: a query's result as arrow over gRPC, in several streams at once.

A broken stream goes on at the row where it broke: the package counts the rows of each. The package
would try for a day where the service is away; here it gives up as soon as other requests do. Rules:
cloud.google.com/bigquery/docs/reference/storage.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
import pyarrow as pa
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.cloud.bigquery import QueryJob
from google.cloud.bigquery_storage_v1 import BigQueryReadClient
from google.cloud.bigquery_storage_v1.reader import ReadRowsStream
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
    BigQueryReadGrpcTransport,
)
from google.cloud.bigquery_storage_v1.types import (
    ArrowSerializationOptions,
    DataFormat,
    ReadSession,
)

from pipelines.bigquery.errors import told
from pipelines.core.ahead import ahead

STREAMS = 4
"""The most streams of a day: each has a thread, and some megabytes of rows waiting."""

REFUSALS = (exceptions.GoogleAPIError, GoogleAuthError)
"""Before the first row, whatever it is: REST may fare better, and else says what is wrong."""

_OPENING = 5.0
"""Seconds to try to open a session: without one there are still REST pages."""
_LONGEST = 6 * 3600.0
"""Seconds of one stream: BigQuery's sessions last so long."""

_ROLE = "Grant roles/bigquery.readSessionUser on the project that runs the queries"
_ENABLE = "Enable the API bigquerystorage.googleapis.com in the project that runs the queries"
_REACH = "Let bigquerystorage.googleapis.com be reached over gRPC (port 443)"


@dataclass(frozen=True)
class Reader:
    """Google's client, which gives up `seconds` after the last row that came."""

    client: BigQueryReadClient
    seconds: float

    def batches(self, job: QueryJob) -> Generator[pa.RecordBatch]:
        """Every row of a query's result once, in the order of streams. Raises Google's errors."""
        session = self._session(job, STREAMS)
        schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema))
        with ExitStack() as ending:
            streams = []
            for each in session.streams:
                messages = self.client.read_rows(
                    each.name, retry=_retry(self.seconds), timeout=_LONGEST
                )
                found = ahead(_batches(messages, schema), "stream")
                streams.append(ending.enter_context(closing(found)))
                ending.callback(messages.cancel)  # before the thread is waited for
            while streams:
                for one in tuple(streams):
                    if (batch := next(one, None)) is None:
                        streams.remove(one)
                    else:
                        yield batch

    def refusal(self, job: QueryJob) -> Exception | None:
        """What keeps a query's result from being read; asking costs nothing."""
        try:
            self._session(job, 1)
        except REFUSALS as error:
            return error
        return None

    def _session(self, job: QueryJob, streams: int) -> ReadSession:
        lz4 = ArrowSerializationOptions.CompressionCodec.LZ4_FRAME
        options = {"arrow_serialization_options": {"buffer_compression": lz4}}
        patience = min(_OPENING, self.seconds)
        return self.client.create_read_session(
            parent=f"projects/{job.project}",
            read_session=ReadSession(
                table=job.destination.to_bqstorage(),
                data_format=DataFormat.ARROW,
                read_options=options,
            ),
            max_stream_count=streams,
            retry=_retry(patience),
            timeout=patience,
        )


def open_storage(credentials: Any, url: str, seconds: float) -> Reader:
    """A reader of the service at `url`; http:// is a stand-in, asked without TLS and credentials.

    Opens no connection yet.
    """
    address = urlsplit(url)
    if address.scheme != "http":
        options = {"api_endpoint": address.netloc}
        client = BigQueryReadClient(credentials=credentials, client_options=options)
        return Reader(client, seconds)
    unlimited = [(f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")]
    channel = grpc.insecure_channel(
        address.netloc, options=[*unlimited, ("grpc.enable_http_proxy", 0)]
    )
    return Reader(BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel)), seconds)


def fix(error: Exception) -> str:
    """What to do about a refusal."""
    if not isinstance(error, exceptions.Forbidden):
        return _REACH
    return _ENABLE if "disabled" in told(error) else _ROLE


def _batches(messages: ReadRowsStream, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for message in messages:
        content = pa.py_buffer(message.arrow_record_batch.serialized_record_batch)
        yield pa.ipc.read_record_batch(content, schema)


def _retry(seconds: float) -> Retry:
    away = if_exception_type(exceptions.ServiceUnavailable)
    return Retry(away, initial=0.1, maximum=10.0, multiplier=2.0, timeout=seconds)

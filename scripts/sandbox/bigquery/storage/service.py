"""The methods of google.cloud.bigquery.storage.v1.BigQueryRead, served over gRPC on loopback.

Faults strike by kind of request, `CreateReadSession` and `ReadRows`, whose target is the table. An
error has the reason of a REST error or gRPC's own code, as RESOURCE_EXHAUSTED; OK ends a stream
without its rows, as if it were whole. A `cut` ends one with UNAVAILABLE after so many messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import grpc
from google.cloud.bigquery_storage_v1 import types
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from scripts.sandbox.bigquery.errors import REASONS, ApiError
from scripts.sandbox.bigquery.faults import Fault
from scripts.sandbox.bigquery.jobs import Job
from scripts.sandbox.bigquery.storage import sessions
from scripts.sandbox.bigquery.storage.sessions import Session, Sessions

_NAME = "google.cloud.bigquery.storage.v1.BigQueryRead"
_TABLE = re.compile(r"projects/([^/]+)/datasets/([^/]+)/tables/([^/]+)")
_CODECS = {0: None, 1: "lz4", 2: "zstd"}


class Owner(Protocol):
    """What the service asks."""

    def arrived(self, kind: str, target: str) -> list[Fault]:
        """Record a request; the faults that strike it."""

    def result(self, project: str, dataset: str, table: str) -> Job:
        """The query whose result is kept in a table. Raises ApiError."""


class StorageService:
    """Entering it starts the server on a free port, leaving it ends it and its streams."""

    def __init__(self, owner: Owner, location: str) -> None:
        self._owner = owner
        self._sessions = Sessions(location)
        self.stream_rows, self.message_rows = sessions.STREAM_ROWS, sessions.MESSAGE_ROWS
        self._server = grpc.server(
            ThreadPoolExecutor(16, "bigquery-storage"),
            handlers=[grpc.method_handlers_generic_handler(_NAME, self._methods())],
            options=[("grpc.so_reuseport", 0)],
        )
        self.address = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def start(self) -> None:
        """Answer requests."""
        self._server.start()

    def stop(self) -> None:
        """End what is under way."""
        self._server.stop(None).wait()

    def _methods(self) -> dict[str, Any]:
        return {
            "CreateReadSession": grpc.unary_unary_rpc_method_handler(
                self._create,
                types.CreateReadSessionRequest.deserialize,
                types.ReadSession.serialize,
            ),
            "ReadRows": grpc.unary_stream_rpc_method_handler(
                self._read, types.ReadRowsRequest.deserialize, types.ReadRowsResponse.serialize
            ),
        }

    def _create(
        self, request: types.CreateReadSessionRequest, context: grpc.ServicerContext
    ) -> types.ReadSession:
        try:
            return self._opened(request)
        except ApiError as error:
            _abort(context, error)
            raise

    def _opened(self, request: types.CreateReadSessionRequest) -> types.ReadSession:
        wanted = request.read_session
        parts = _TABLE.fullmatch(wanted.table)
        for fault in self._struck("CreateReadSession", wanted.table):
            if fault.error:
                raise fault.error
        if wanted.data_format != types.DataFormat.ARROW:
            raise ApiError("INVALID_ARGUMENT", "request failed: only ARROW is known here")
        if wanted.read_options.row_restriction or wanted.table_modifiers.snapshot_time:
            raise ApiError("INVALID_ARGUMENT", "request failed: results are read whole here")
        if not parts:
            raise ApiError("INVALID_ARGUMENT", f"request failed: no table: {wanted.table}")
        codec = _CODECS[int(wanted.read_options.arrow_serialization_options.buffer_compression)]
        found = self._sessions.open(
            self._owner.result(*parts.groups()),
            wanted.table,
            list(wanted.read_options.selected_fields),
            codec,
            request.max_stream_count,
            self.stream_rows,
        )
        return _described(found)

    def _read(
        self, request: types.ReadRowsRequest, context: grpc.ServicerContext
    ) -> Iterator[types.ReadRowsResponse]:
        try:
            yield from self._rows(request)
        except ApiError as error:
            if error.reason != "OK":
                _abort(context, error)

    def _rows(self, request: types.ReadRowsRequest) -> Iterator[types.ReadRowsResponse]:
        session, rows = self._sessions.stream(request.read_stream)
        faults = self._struck("ReadRows", session.table)
        if error := next((fault.error for fault in faults if fault.error), None):
            raise error
        cut = next((fault.cut_after for fault in faults if fault.cut_after is not None), None)
        if request.offset > rows.num_rows:
            raise ApiError("OUT_OF_RANGE", f"there are only {rows.num_rows} rows in the stream")
        first = {"arrow_schema": {"serialized_schema": session.schema.serialize().to_pybytes()}}
        pieces = sessions.messages(session, rows.slice(request.offset), self.message_rows)
        for number, (piece, count) in enumerate(pieces):
            if number == cut:
                raise ApiError("UNAVAILABLE", "Stream removed")
            batch = {"serialized_record_batch": piece, "row_count": count}
            yield types.ReadRowsResponse(arrow_record_batch=batch, row_count=count, **first)
            first = {}

    def _struck(self, kind: str, target: str) -> list[Fault]:
        faults = self._owner.arrived(kind, target)
        for call in [fault.call for fault in faults if fault.call]:
            call()
        return faults


def _described(session: Session) -> types.ReadSession:
    rows = sum(stream.num_rows for stream in session.streams)
    return types.ReadSession(
        name=session.name,
        table=session.table,
        data_format=types.DataFormat.ARROW,
        arrow_schema={"serialized_schema": session.schema.serialize().to_pybytes()},
        streams=[{"name": session.stream_name(n)} for n in range(len(session.streams))],
        estimated_row_count=rows,
    )


def _abort(context: grpc.ServicerContext, error: ApiError) -> None:
    """End the call with this error; RESOURCE_EXHAUSTED says when to ask again, as BigQuery does."""
    name = REASONS[error.reason][1] if error.reason in REASONS else error.reason
    code = grpc.StatusCode[name]
    status = Status(code=code.value[0], message=error.message)
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        detail = AnyMessage()
        detail.Pack(RetryInfo(retry_delay=Duration(nanos=1_000_000)))
        status.details.append(detail)
    context.abort_with_status(rpc_status.to_status(status))

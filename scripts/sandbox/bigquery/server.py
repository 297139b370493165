"""BigQuery on loopback: REST API v2 for the real client, over tables in DuckDB.

    with BigQueryServer() as server:
        server.load("example-billing.billing_export.gcp_billing_export_v1_…", arrow_table)
        client = bigquery.Client(
            project="example-billing",
            credentials=service_account.Credentials.from_service_account_info(
                server.service_account()
            ),
            client_options={"api_endpoint": server.url},
        )

SQL is really executed (scripts/sandbox/bigquery/sql.py says which), results are paged, bytes follow
the columns and partitions that a query selects, errors have Google's form. Faults strike by kind of
request, which is Google's name of the method (`jobs.insert`, `jobs.getQueryResults`,
`tabledata.list`, `token` …), or strike a job's execution (`fail_job`).

Results of queries are also read by the Storage Read API, gRPC at `storage_url`
(scripts/sandbox/bigquery/storage/service.py); other tables are not. No legacy SQL, no DDL or DML,
no INFORMATION_SCHEMA, no load, copy and extract jobs.

The variable BIGQUERY_EMULATOR_HOST=<url> does what `api_endpoint` does; credentials are still
needed, anonymous ones or these. GOOGLE_APPLICATION_CREDENTIALS may name a file that holds
service_account(). google-auth asks iamcredentials.googleapis.com, in a thread of its own, where a
service account may work, and no setting stops it: `environ` makes this server the proxy for
https, where it refuses. gRPC heeds the same variables, so that a client of Google's own address
of the Storage Read API is told at once that it cannot be reached.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

import pyarrow as pa

from scripts.sandbox.bigquery.api import Api, Request
from scripts.sandbox.bigquery.auth import JOB_TOKEN, Tokens
from scripts.sandbox.bigquery.errors import ApiError
from scripts.sandbox.bigquery.faults import Fault, Faults
from scripts.sandbox.bigquery.http import ServiceHandler
from scripts.sandbox.bigquery.jobs import Job
from scripts.sandbox.bigquery.storage.service import StorageService
from scripts.sandbox.bigquery.storage.sessions import MESSAGE_ROWS, STREAM_ROWS
from scripts.sandbox.bigquery.tables import TableId, Tables
from scripts.sandbox.http import LoopbackServer


class BigQueryServer(LoopbackServer):
    """A server on a free loopback port (or on `port`) while the block runs.

    With `anonymous` a request needs no token; a wrong or expired one is refused all the same.
    `refused` are hosts that clients tried to reach through it, as their proxy.
    """

    def __init__(
        self,
        project: str = "example-billing",
        *,
        location: str = "US",
        anonymous: bool = True,
        port: int = 0,
    ) -> None:
        self.project = project
        self.anonymous = anonymous
        self.tables = Tables()
        self._faults = Faults()
        self._api = Api(self.tables, location, before_job=self._before_job)
        self.refused: list[str] = []
        super().__init__(ServiceHandler, port)
        self.url = self.address
        self._tokens = Tokens(self.url, project)
        self._storage = StorageService(self, location)
        self.storage_url = self._storage.address

    def __enter__(self) -> Self:
        self._storage.start()
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._storage.stop()
        super().__exit__(kind, error, trace)
        self.tables.close()

    # data

    def load(self, table: str, rows: pa.Table) -> None:
        """Create or replace `project.dataset.table`. A column `_PARTITIONTIME` makes it
        partitioned by ingestion time; its other columns are the schema, null arrays empty."""
        self.tables.put(TableId.parse(table), rows)

    def drop(self, table: str) -> None:
        """Remove a table. Raises KeyError without it."""
        self.tables.drop(TableId.parse(table))

    def deny(self, table: str, *, allowed: bool = False) -> None:
        """Refuse this table to everyone with accessDenied, or allow it again."""
        change = self._api.denied.discard if allowed else self._api.denied.add
        change(TableId.parse(table))

    # what happened

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Kind and target of every request so far; the target is a table, dataset or job id."""
        return self._faults.requests

    @property
    def counts(self) -> Counter[str]:
        """How many requests of each kind came, those that were failed included."""
        return self._faults.counts

    @property
    def queries(self) -> list[str]:
        """The SQL of every query job and dry run so far."""
        return self._api.queries

    def reset(self) -> None:
        """No faults, no counts, nothing denied, no slowness; the data stays."""
        self._faults.reset()
        self._api.queries.clear()
        self._api.denied.clear()
        self.set_pace()

    # what shall happen

    def fail(
        self,
        kinds: str,
        reason: str,
        *,
        status: int = 0,
        message: str = "",
        target: str = "*",
        after: int = 0,
        times: int | None = 1,
    ) -> None:
        """Answer requests of these kinds with this error: `accessDenied`, `quotaExceeded`,
        `rateLimitExceeded` (403), `notFound` (404), `backendError` (503), `internalError` (500),
        `authError` (401) or any other, numbers `after + 1 … after + times` of them."""
        error = ApiError(reason, message, status=status)
        self._faults.add(Fault(frozenset(kinds.split()), target, after, times, error=error))

    def fail_job(
        self, reason: str, message: str = "", *, after: int = 0, times: int | None = 1
    ) -> None:
        """Let query jobs end with this error, which jobs.get shows as theirs."""
        error = ApiError(reason, message)
        self._faults.add(Fault(frozenset({"job"}), "*", after, times, error=error))

    def cut(self, kinds: str, after_bytes: int, *, after: int = 0, times: int | None = 1) -> None:
        """End the connection after so many bytes of an answer, its length being promised."""
        fault = Fault(frozenset(kinds.split()), "*", after, times, cut_after=after_bytes)
        self._faults.add(fault)

    def before(self, kinds: str, call: Callable[[], object], *, nth: int = 1) -> None:
        """Call once, just before the nth request of these kinds is answered."""
        self._faults.add(Fault(frozenset(kinds.split()), "*", nth - 1, 1, call=call))

    def set_pace(
        self,
        *,
        polls: int = 0,
        page_rows: int | None = None,
        stream_rows: int | None = None,
        message_rows: int | None = None,
    ) -> None:
        """Let each new job be seen running `polls` times, and end pages after `page_rows`, streams
        of the Storage Read API after `stream_rows`, their messages after `message_rows`."""
        self._api.polls = polls
        self._api.page_rows = page_rows or type(self._api).page_rows
        self._storage.stream_rows = stream_rows or STREAM_ROWS
        self._storage.message_rows = message_rows or MESSAGE_ROWS

    # authorisation

    @property
    def environ(self) -> dict[str, str]:
        """Variables for a process that shall use this server and reach nothing else of Google."""
        proxy = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), self.url)
        storage = {"SOURCES__GCP__STORAGE_URL": self.storage_url}
        return {"BIGQUERY_EMULATOR_HOST": self.url, **proxy, **storage}

    def service_account(self) -> dict[str, str]:
        """A key file in Google's form whose token_uri is this server."""
        return self._tokens.service_account()

    def job_environ(self) -> dict[str, str]:
        """Variables that GitHub gives to a job with `id-token: write`."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/identity?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": JOB_TOKEN,
        }

    def expire_tokens(self) -> None:
        """Refuse every token that was given so far, as Google does after an hour."""
        self._tokens.expire()

    # what the handler asks

    def arrived(self, kind: str, target: str) -> list[Fault]:
        """Record a request; the faults that strike it."""
        return self._faults.arrived(kind, target)

    def result(self, project: str, dataset: str, table: str) -> Job:
        """The query whose result is kept in a table. Raises ApiError."""
        return self._api.result(project, dataset, table)

    def answer(self, request: Request, authorization: str | None) -> bytes:
        """The body of an answer. Raises ApiError or TokenError."""
        if request.kind == "token":
            return json.dumps(self._tokens.issue(request.body)).encode()
        if request.kind == "identity":  # of GitHub, and here by the way
            audience = request.parameters.get("audience", "")
            return json.dumps(self._tokens.identity(audience, authorization)).encode()
        self._tokens.check(authorization, anonymous=self.anonymous)
        return self._api.answer(request)

    def _before_job(self) -> None:
        # a job is no request: it is not recorded among them
        with self._faults.lock:
            struck = [fault for fault in self._faults.faults if fault.strikes("job", "")]
        for fault in struck:
            if fault.error:
                raise fault.error

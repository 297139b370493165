"""Query jobs of the BigQuery sandbox: run once, then polled, paged through and cancelled."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from scripts.sandbox.bigquery import sql, types
from scripts.sandbox.bigquery.errors import ApiError, unsupported
from scripts.sandbox.bigquery.sql import Place
from scripts.sandbox.bigquery.tables import TableId, Tables

#: Results that are kept; older jobs answer 404, as BigQuery's do after a day.
KEPT = 32
#: The dataset of results, which nobody sees.
HIDDEN = "_5b1d"
_MESSAGES = [
    (r'Referenced column "(.+?)" not found', r"Unrecognized name: \1"),
    (r'Referenced table "(.+?)" not found', r"Unrecognized name: \1"),
    (r'Could not find key "(.+?)" in struct', r"Field name \1 does not exist in STRUCT"),
    (r'Table "(.+?)" does not have a column named "(.+?)"', r"Name \2 not found inside \1"),
    (r"division by zero", "division by zero"),
    (r"column \"(.+?)\" must appear in the GROUP BY clause", r"Column \1 is not grouped"),
]


@dataclass
class Query:
    """What a job's configuration or a jobs.query request asks for."""

    text: str
    parameters: list[dict[str, Any]]
    maximum_bytes: int | None
    is_dry_run: bool
    is_legacy: bool
    configuration: dict[str, Any]

    @classmethod
    def parse(cls, query: dict[str, Any], *, dry_run: bool) -> Query:
        """From a QueryRequest or the `query` of a JobConfiguration."""
        limit = query.get("maximumBytesBilled")
        keys = "query useLegacySql queryParameters parameterMode maximumBytesBilled defaultDataset"
        return cls(
            text=query.get("query", ""),
            parameters=query.get("queryParameters", []),
            maximum_bytes=int(limit) if limit is not None else None,
            is_dry_run=dry_run,
            is_legacy=bool(query.get("useLegacySql", True)),
            configuration={key: query[key] for key in keys.split() if key in query},
        )


@dataclass
class Job:
    """A query job. `polls` is how often it will still be seen running."""

    id: str
    place: Place
    query: Query
    polls: int = 0
    error: ApiError | None = None
    bytes_processed: int = 0
    bytes_billed: int = 0
    columns: list[tuple[str, DuckDBPyType]] = field(default_factory=list)
    result: pa.Table | None = None
    created: int = field(default_factory=lambda: int(time.time() * 1000))

    def run(self) -> None:
        """Execute; an error becomes the job's."""
        try:
            self._execute()
        except ApiError as error:
            self.error = error
        except duckdb.Error as error:
            self.error = ApiError("invalidQuery", _explained(error))

    def poll(self) -> bool:
        """Whether it is done, as one more request sees it."""
        self.polls -= 1
        return self.polls < 0

    @property
    def reference(self) -> dict[str, str]:
        """A JobReference."""
        names = {"projectId": self.place.project, "jobId": self.id}
        return names | {"location": self.place.location}

    @property
    def destination(self) -> dict[str, str]:
        """The TableReference of the hidden table in which BigQuery keeps the result for a day."""
        return TableId(self.place.project, HIDDEN, f"anon{self.id}").reference

    @property
    def schema(self) -> dict[str, Any]:
        """The result's TableSchema."""
        return {"fields": [types.field(*column) for column in self.columns]}

    def resource(self, *, state: str) -> dict[str, Any]:
        """The job as jobs.get answers it."""
        query: dict[str, Any] = {
            "statementType": "SELECT",
            "totalBytesProcessed": str(self.bytes_processed),
            "totalBytesBilled": "0" if self.query.is_dry_run else str(self.bytes_billed),
            "cacheHit": False,
        }
        if self.query.is_dry_run and not self.error:
            query["schema"] = self.schema
        status: dict[str, Any] = {"state": state}
        if self.error and state == "DONE":
            status |= {"errorResult": self.error.proto, "errors": [self.error.proto]}
        moments = {"creationTime": str(self.created), "startTime": str(self.created)}
        if state == "DONE":
            moments["endTime"] = str(self.created + 1)
        place = {} if self.query.is_dry_run else {"destinationTable": self.destination}
        configuration = {"jobType": "QUERY", "query": self.query.configuration | place}
        dry = {"dryRun": True} if self.query.is_dry_run else {}
        return {
            "kind": "bigquery#job",
            "id": f"{self.place.project}:{self.place.location}.{self.id}",
            "jobReference": self.reference,
            "configuration": configuration | dry,
            "status": status,
            "statistics": {
                **moments,
                "totalBytesProcessed": str(self.bytes_processed),
                "query": query,
            },
        }

    def _execute(self) -> None:
        if self.query.is_legacy:
            raise unsupported("legacy SQL")
        statement = sql.translate(self.query.text, self.query.parameters, self.place)
        self.bytes_processed = statement.bytes_processed
        self.bytes_billed = statement.bytes_billed
        relation = self.place.tables.cursor().sql(statement.sql)
        self.columns = list(zip(relation.columns, relation.types, strict=True))
        _check_types(self.columns)
        if self.query.is_dry_run:
            return
        limit = self.query.maximum_bytes
        if limit is not None and self.bytes_billed > limit:
            text = f"Query exceeded limit for bytes billed: {limit}."
            text += f" {self.bytes_billed} or higher required."
            raise ApiError("bytesBilledLimitExceeded", text)
        self.result = relation.to_arrow_table()


class Jobs:
    """The jobs that were run, the newest of them with their results."""

    def __init__(self, tables: Tables, location: str) -> None:
        self.tables = tables
        self.location = location
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def run(self, job: Job, *, before: Callable[[], None]) -> Job:
        """Run a new job and keep it unless it is a dry run; `before` may raise its error.
        Raises ApiError duplicate for an id that was used."""
        if job.id in self._jobs:
            whole = f"{job.place.project}:{job.place.location}.{job.id}"
            raise ApiError("duplicate", f"Already Exists: Job {whole}")
        try:
            before()
        except ApiError as error:
            job.error = error
        else:
            job.run()
        if not job.query.is_dry_run:
            self._jobs[job.id] = job
        while len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)
        return job

    def get(self, project: str, name: str) -> Job:
        """A job. Raises ApiError notFound."""
        job = self._jobs.get(name)
        if not job:
            raise ApiError("notFound", f"Not found: Job {project}:{self.location}.{name}")
        return job


def _check_types(columns: list[tuple[str, DuckDBPyType]]) -> None:
    for name, kind in columns:
        try:
            types.field(name, kind)
        except KeyError as error:
            raise unsupported(f"a result of the type {kind}, column {name}") from error


def _explained(error: duckdb.Error) -> str:
    """DuckDB's error as BigQuery would say it, where it is a usual one."""
    text = str(error)
    for pattern, said in _MESSAGES:
        if match := re.search(pattern, text):
            return match.expand(said)
    return text.partition("\n")[0]

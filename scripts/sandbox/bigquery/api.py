"""The methods of BigQuery's REST API v2 that the sandbox answers, by Google's names for them."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scripts.sandbox.bigquery import rows
from scripts.sandbox.bigquery.errors import ApiError, unsupported
from scripts.sandbox.bigquery.jobs import HIDDEN, Job, Jobs, Query
from scripts.sandbox.bigquery.rows import Page
from scripts.sandbox.bigquery.sql import Place
from scripts.sandbox.bigquery.tables import Table, TableId, Tables


@dataclass
class Request:
    """One request: its method's name, what the path names, its parameters and its JSON."""

    kind: str
    names: dict[str, str]
    parameters: dict[str, str]
    body: dict[str, Any]

    @property
    def target(self) -> str:
        """What is asked for: a table, a dataset, a job's id, or ''."""
        return self.names.get("table") or self.names.get("dataset") or self.names.get("job", "")


@dataclass
class Api:
    """Answers requests from the tables."""

    tables: Tables
    location: str
    before_job: Callable[[], None] = lambda: None
    denied: set[TableId] = field(default_factory=set)
    polls: int = 0
    page_rows: int = rows.PAGE_ROWS
    queries: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._jobs = Jobs(self.tables, self.location)
        self._numbers = itertools.count(1)
        self._methods: dict[str, Callable[[Request], bytes]] = {
            "datasets.get": self._get_dataset,
            "datasets.list": self._list_datasets,
            "jobs.cancel": self._cancel,
            "jobs.get": self._get_job,
            "jobs.getQueryResults": self._get_results,
            "jobs.insert": self._insert,
            "jobs.query": self._query,
            "tabledata.list": self._list_rows,
            "tables.get": self._get_table,
            "tables.list": self._list_tables,
        }

    def answer(self, request: Request) -> bytes:
        """The JSON of an answer. Raises ApiError."""
        return self._methods[request.kind](request)

    # jobs

    def _insert(self, request: Request) -> bytes:
        configuration = request.body.get("configuration", {})
        if "query" not in configuration:
            raise ApiError("invalid", "Only query jobs are known here.")
        if configuration["query"].get("destinationTable"):
            raise unsupported("a destination table")
        reference = request.body.get("jobReference", {})
        query = Query.parse(configuration["query"], dry_run=bool(configuration.get("dryRun")))
        job = self._run(request, query, reference.get("jobId"), reference.get("location"))
        if query.is_dry_run and job.error:
            raise job.error
        return _json(job.resource(state="DONE" if query.is_dry_run else "RUNNING"))

    def _query(self, request: Request) -> bytes:
        if request.body.get("queryResultsFormat", "STRUCT_ENCODING") != "STRUCT_ENCODING":
            raise ApiError("invalid", "Results in Arrow need the Storage API, which is gRPC.")
        query = Query.parse(request.body, dry_run=bool(request.body.get("dryRun")))
        job = self._run(request, query, None, request.body.get("location"))
        if query.is_dry_run and not job.error:
            return _json(
                {
                    "kind": "bigquery#queryResponse",
                    "jobComplete": True,
                    "jobReference": {**job.reference, "jobId": ""},
                    "schema": job.schema,
                    "totalBytesProcessed": str(job.bytes_processed),
                    "cacheHit": False,
                }
            )
        options = request.body.get("formatOptions", {})
        parameters = {"formatOptions.useInt64Timestamp": str(options.get("useInt64Timestamp"))}
        if "maxResults" in request.body:
            parameters["maxResults"] = str(request.body["maxResults"])
        return self._results(job, "bigquery#queryResponse", parameters)

    def _run(self, request: Request, query: Query, name: str | None, where: str | None) -> Job:
        project = request.names["project"]
        location = where or self.location
        is_elsewhere = location.upper() != self.location.upper()
        place = Place(self.tables, project, location, is_elsewhere, denied=self.denied)
        default = query.configuration.get("defaultDataset")
        if default:
            place.default_dataset = (default.get("projectId", project), default["datasetId"])
        self.queries.append(query.text)
        job = Job(name or f"job_{next(self._numbers):08d}", place, query, polls=self.polls)
        return self._jobs.run(job, before=self.before_job)

    def _get_job(self, request: Request) -> bytes:
        job = self._job(request)
        return _json(job.resource(state="DONE" if job.poll() else "RUNNING"))

    def _get_results(self, request: Request) -> bytes:
        return self._results(
            self._job(request), "bigquery#getQueryResultsResponse", request.parameters
        )

    def _cancel(self, request: Request) -> bytes:
        job = self._job(request)
        if job.polls > 0:
            job.polls, job.error = 0, ApiError("stopped")
        resource = job.resource(state="DONE")
        return _json({"kind": "bigquery#jobCancelResponse", "job": resource})

    def _job(self, request: Request) -> Job:
        return self._jobs.get(request.names["project"], request.names["job"])

    def result(self, project: str, dataset: str, table: str) -> Job:
        """The query whose result is kept in a hidden table. Raises ApiError."""
        if dataset != HIDDEN:
            raise unsupported("the Storage Read API of a table; only that of a query's result")
        return self._jobs.get(project, table.removeprefix("anon"))

    def _results(self, job: Job, kind: str, parameters: dict[str, str]) -> bytes:
        made: dict[str, Any] = {"kind": kind, "jobReference": job.reference}
        if job.polls > 0:
            job.poll()
            return _json(made | {"jobComplete": False})
        if job.error or job.result is None:
            raise job.error or ApiError("internalError")
        made |= {
            "jobComplete": True,
            "schema": job.schema,
            "totalRows": str(job.result.num_rows),
            "totalBytesProcessed": str(job.bytes_processed),
            "cacheHit": False,
        }
        page = _page(parameters, job.id, self.page_rows)
        texts = rows.of_arrow(self.tables.cursor(), job.result, job.columns, page)
        return _paged(made, texts, page, job.result.num_rows, job.id)

    # tables

    def _get_table(self, request: Request) -> bytes:
        table, day = self._table(request)
        resource = table.resource(self.location)
        if day:
            count = rows.count(self.tables.cursor(), table, day)
            named = table.id._replace(table=request.names["table"])
            resource |= {"numRows": str(count), "tableReference": named.reference}
        return _json(resource)

    def _list_rows(self, request: Request) -> bytes:
        table, day = self._table(request)
        count = rows.count(self.tables.cursor(), table, day)
        made = {"kind": "bigquery#tableDataList", "etag": "sandbox", "totalRows": str(count)}
        page = _page(request.parameters, str(table.id), self.page_rows)
        chosen = request.parameters.get("selectedFields")
        columns = _selected(table, chosen.split(",")) if chosen else table.columns
        texts = rows.of_table(self.tables.cursor(), table, columns, page, day)
        return _paged(made, texts, page, count, str(table.id))

    def _list_tables(self, request: Request) -> bytes:
        found = self.tables.list(request.names["project"], request.names["dataset"])
        entries = [table.summary(self.location) for table in found]
        return _listed(request, "tables", entries, totalItems=len(entries))

    def _list_datasets(self, request: Request) -> bytes:
        names = sorted(self.tables.datasets)
        project = request.names["project"]
        entries = [self._dataset(*name) for name in names if name[0] == project]
        return _listed(request, "datasets", entries)

    def _get_dataset(self, request: Request) -> bytes:
        project, dataset = request.names["project"], request.names["dataset"]
        self.tables.list(project, dataset)
        return _json(self._dataset(project, dataset))

    def _dataset(self, project: str, dataset: str) -> dict[str, Any]:
        return {
            "kind": "bigquery#dataset",
            "id": f"{project}:{dataset}",
            "datasetReference": {"projectId": project, "datasetId": dataset},
            "location": self.location,
        }

    def _table(self, request: Request) -> tuple[Table, str]:
        """A table and the partition that a decorator (`table$20261001`) names."""
        name, _, day = request.names["table"].partition("$")
        whole = TableId(request.names["project"], request.names["dataset"], name)
        if whole in self.denied:
            text = f"Access Denied: Table {whole}: Permission bigquery.tables.get denied on table"
            raise ApiError("accessDenied", f"{text} {whole} (or it may not exist).")
        self.tables.list(whole.project, whole.dataset)
        table = self.tables.get(whole)
        if not table:
            raise ApiError("notFound", f"Not found: Table {whole}")
        return table, day


def _selected(table: Table, names: list[str]) -> list[Any]:
    known = dict(table.columns)
    if missing := [name for name in names if name not in known]:
        raise ApiError("invalid", f"No such field: {missing[0]}")
    return [(name, known[name]) for name in names]


def _page(parameters: dict[str, str], owner: str, most: int) -> Page:
    """What of the rows is asked for. Raises ApiError for a page token that is not ours."""
    first = int(parameters.get("startIndex", 0))
    if token := parameters.get("pageToken"):
        try:
            name, _, text = base64.urlsafe_b64decode(token).decode().rpartition(" ")
            first = int(text)
        except (ValueError, binascii.Error) as error:
            raise ApiError("invalid", "Invalid page token") from error
        if name != owner:
            raise ApiError("invalid", "Invalid page token")
    limit = parameters.get("maxResults")
    flag = parameters.get("formatOptions.useInt64Timestamp", "")
    size = most if limit is None else min(int(limit), most)
    return Page(first, size, int64_timestamps=flag.lower() == "true")


def _paged(made: dict[str, Any], texts: Iterator[str], page: Page, total: int, owner: str) -> bytes:
    """An answer with as many rows as fit, and the token of the next page."""
    found = list(rows.fitting(texts))
    end = page.first + len(found)
    if found and end < total:
        made["pageToken"] = base64.urlsafe_b64encode(f"{owner} {end}".encode()).decode()
    text = json.dumps(made)
    return f'{text[:-1]}, "rows": [{", ".join(found)}]}}'.encode() if found else text.encode()


def _listed(request: Request, what: str, entries: list[Any], **more: Any) -> bytes:
    first = int(request.parameters.get("pageToken") or 0)
    end = first + int(request.parameters.get("maxResults") or len(entries) or 1)
    made = {"kind": f"bigquery#{what[:-1]}List", "etag": "sandbox", what: entries[first:end]}
    return _json(made | more | ({"nextPageToken": str(end)} if end < len(entries) else {}))


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()

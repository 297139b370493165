"""The Storage Read API: the rows of REST pages, each once, and what is done when it is refused.

Google's own client reads from the sandbox over gRPC.
"""

from __future__ import annotations

import logging
import socket
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.support.commands import Commands
from tests.support.providers.gcp_days import billed, environ, put
from tests.support.providers.raw_gcp import TABLE
from tests.support.providers.relay import Relay

if TYPE_CHECKING:
    from pipelines.bigquery.jobs import Jobs
    from scripts.sandbox.bigquery.server import BigQueryServer

ROWS = 6_000
NUMBERS = "example-billing.d.numbers"
SQL = f"select n, cost from `{NUMBERS}`"
SCHEMA = pa.schema([("n", pa.int64()), ("cost", pa.float64())])
KINDS = "example-billing.d.kinds"


@pytest.fixture
def server(bigquery_server: BigQueryServer, monkeypatch: pytest.MonkeyPatch) -> BigQueryServer:
    """A server with a table of ROWS rows, and the variables that lead to it."""
    for name, value in environ(bigquery_server).items():
        monkeypatch.setenv(name, value)
    numbers = pa.table({"n": range(ROWS), "cost": [n / 7 for n in range(ROWS)]}, SCHEMA)
    bigquery_server.load(NUMBERS, numbers)
    bigquery_server.set_pace(message_rows=100)
    return bigquery_server


def jobs(**options: Any) -> Jobs:
    """Of the configuration."""
    from pipelines.providers.gcp.settings import configuration, open_jobs

    return open_jobs(configuration(**options))


def read(given: Jobs, sql: str = SQL, schema: pa.Schema = SCHEMA, count: int = ROWS) -> pa.Table:
    """All rows of a query, in the order of their first column."""
    found = pa.concat_tables(given.result(sql, {}, "here", count).tables(schema))
    return found.sort_by(schema.names[0])


def is_whole(found: pa.Table) -> bool:
    """Whether every row of the table came once."""
    numbers, costs = (pc.sum(found[name]).as_py() for name in ("n", "cost"))
    total = ROWS * (ROWS - 1) // 2
    is_all = found["n"].to_pylist() == list(range(ROWS))
    return bool(is_all and numbers == total and abs(costs - total / 7) < 1e-6)


def asked(server: BigQueryServer) -> dict[str, int]:
    """How often each method that gives rows was called."""
    names = ("CreateReadSession", "ReadRows", "jobs.getQueryResults")
    return {name: server.counts[name] for name in names if server.counts[name]}


# the same rows


def test_days_of_many_rows_come_in_several_streams(server: BigQueryServer) -> None:
    assert is_whole(read(jobs()))
    assert asked(server) == {"CreateReadSession": 1, "ReadRows": 4}


def test_few_rows_come_with_the_query_and_need_no_session(server: BigQueryServer) -> None:
    found = read(jobs(), f"{SQL} where n < 1000", count=1000)
    assert found["n"].to_pylist() == list(range(1000))
    assert asked(server) == {}


def test_it_can_be_switched_off(server: BigQueryServer) -> None:
    assert is_whole(read(jobs(storage_api=False)))
    assert "CreateReadSession" not in asked(server)


def kinds(n: int) -> dict[str, Any]:
    """A row with a value of each kind, or with none."""
    at = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(hours=n, microseconds=n)
    labels = [{"key": f"k{each}", "value": None if each else "ü\n\"'"} for each in range(n % 3)]
    row = {
        "text": f'it\'s "n" \\ \n\t{n} ü€😀',
        "cost": -n / 7,
        "eighths": n / 8,
        "price": Decimal(n).scaleb(-9) - n,
        "rows": n * 10**12,
        "is_on": n % 2 == 0,
        "day": at.date(),
        "at": at,
        "local": at.replace(tzinfo=None),
        "bytes": bytes([n % 256]),
        "project": {"id": f"p{n % 5}", "labels": labels},
        "credits": [{"amount": -n / 3, "type": None}][: n % 2],
    }
    gone: Any = dict.fromkeys(row) | {"credits": []}
    return {"n": n} | (gone if n % 7 == 3 else row)


LABELS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
OF_KINDS = pa.schema(
    {
        "n": pa.int64(),
        "text": pa.string(),
        "cost": pa.float64(),
        "eighths": pa.float64(),
        "price": pa.decimal128(38, 9),
        "rows": pa.int64(),
        "is_on": pa.bool_(),
        "day": pa.date32(),
        "at": pa.timestamp("us", "UTC"),
        "local": pa.timestamp("us"),
        "bytes": pa.binary(),
        "project": pa.struct([("id", pa.string()), ("labels", LABELS)]),
        "credits": pa.list_(pa.struct([("amount", pa.float64()), ("type", pa.string())])),
    }.items()
)
#: A query's columns, and the types in which they are landed: other numbers than the table's too.
LANDED = {
    "n": pa.int64(),
    "text": pa.string(),
    "cost": pa.float64(),
    "eighths as as_numeric": pa.decimal128(38, 9),
    "price": pa.decimal128(38, 9),
    "price as as_float": pa.float64(),
    "`rows`": pa.int64(),
    "`rows` as rows_as_float": pa.float64(),
    "is_on": pa.bool_(),
    "day": pa.date32(),
    "at": pa.timestamp("us", "UTC"),
    "to_json_string(local) as local_json": pa.string(),
    "to_json_string(bytes) as bytes_json": pa.string(),
    "project.id as project_id": pa.string(),
    "to_json_string(project.labels) as project_labels": pa.string(),
    "to_json_string(credits) as credits_json": pa.string(),
}


def test_every_kind_of_value_is_the_same_as_of_pages(server: BigQueryServer) -> None:
    rows = [kinds(n) for n in range(1200)]
    server.load(KINDS, pa.Table.from_pylist(rows, OF_KINDS))
    sql = f"select {', '.join(LANDED)} from `{KINDS}`"
    names = [each.rpartition(" ")[2].strip("`") for each in LANDED]
    landed = pa.schema(list(zip(names, LANDED.values(), strict=True)))
    by_storage = read(jobs(), sql, landed, 1200)
    assert asked(server)["ReadRows"] == 2
    assert by_storage.equals(read(jobs(storage_api=False), sql, landed, 1200))
    for name in ("n", "text", "cost", "price", "at"):
        assert by_storage[name].to_pylist() == [row[name] for row in rows]
    assert by_storage["as_float"].to_pylist() == [
        None if row["price"] is None else float(row["price"]) for row in rows
    ]


@pytest.mark.thorough
@pytest.mark.parametrize("is_detailed", [True, False])
def test_a_whole_export_is_the_same_as_of_pages(server: BigQueryServer, is_detailed: bool) -> None:
    from pipelines.providers.gcp.columns import arrow_schema, selected
    from scripts.sandbox.gcp import exports

    name = exports.DETAILED_USD if is_detailed else exports.STANDARD_USD
    server.load(name, exports.tables()[name])
    columns = selected(jobs().schema(name), name)
    listed = ", ".join(f"{each.sql} as `{each.name}`" for each in columns)
    sql, landed = f"select {listed} from `{name}`", arrow_schema(columns)
    count = exports.tables()[name].num_rows
    order = [(each, "ascending") for each in landed.names]
    by_storage, by_pages = (
        read(jobs(storage_api=is_on), sql, landed, count).sort_by(order) for is_on in (True, False)
    )
    assert by_storage.num_rows == count > 1000
    assert by_storage.equals(by_pages)
    assert asked(server)["ReadRows"] > 1


# broken streams


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("UNAVAILABLE", "Socket closed"),
        ("RESOURCE_EXHAUSTED", "Too many streams; BigQuery says when to ask again."),
    ],
)
def test_a_stream_that_is_refused_for_a_moment_is_asked_again(
    server: BigQueryServer, code: str, message: str
) -> None:
    server.cut("ReadRows", 3, times=2)
    server.fail("ReadRows", code, message=message, after=4, times=1)
    assert is_whole(read(jobs()))
    assert asked(server) == {"CreateReadSession": 1, "ReadRows": 7}


def test_streams_that_break_again_and_again_give_every_row_once(server: BigQueryServer) -> None:
    server.cut("ReadRows", 1, times=30)
    server.cut("ReadRows", 7, after=30, times=5)
    assert is_whole(read(jobs()))
    assert asked(server)["ReadRows"] > 30
    assert asked(server)["CreateReadSession"] == 1


def test_connections_that_break_in_the_middle_of_a_row_give_every_row_once(
    server: BigQueryServer,
) -> None:
    port = urlsplit(server.storage_url).port
    assert port is not None
    with Relay(port, breaks=[30_003, 20_011, 40_009]) as relay:
        assert is_whole(read(jobs(storage_url=f"http://127.0.0.1:{relay.port}")))
        assert relay.left == 0
    assert asked(server)["ReadRows"] > 4
    assert "jobs.getQueryResults" not in asked(server)


# refusals


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What we say; google-auth's own search for a machine's account is refused here as well."""
    return [each.message for each in caplog.records if each.name.startswith("pipelines.")]


@pytest.mark.quick("UNIMPLEMENTED", "DATA_LOSS")
@pytest.mark.parametrize(
    ("kind", "code", "message", "fix"),
    [
        (
            "CreateReadSession",
            "PERMISSION_DENIED",
            "Permission 'bigquery.readsessions.create' denied on resource",
            "Grant roles/bigquery.readSessionUser on the project",
        ),
        (
            "CreateReadSession",
            "PERMISSION_DENIED",
            "BigQuery Storage API has not been used in project 1 before or it is disabled.",
            "Enable the API bigquerystorage.googleapis.com",
        ),
        ("CreateReadSession", "UNIMPLEMENTED", "Not here.", "over gRPC"),
        ("CreateReadSession", "RESOURCE_EXHAUSTED", "Quota exceeded.", "over gRPC"),
        ("CreateReadSession", "DEADLINE_EXCEEDED", "Deadline Exceeded", "over gRPC"),
        ("CreateReadSession", "UNAUTHENTICATED", "No credentials.", "over gRPC"),
        ("ReadRows", "PERMISSION_DENIED", "bigquery.readsessions.getData", "Grant roles/"),
        ("ReadRows", "DATA_LOSS", "Gone.", "over gRPC"),
    ],
)
def test_a_refusal_before_the_first_row_is_said_once_and_pages_are_read(
    server: BigQueryServer,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    code: str,
    message: str,
    fix: str,
) -> None:
    server.fail(kind, code, message=message, times=None)
    given = jobs()
    with caplog.at_level(logging.WARNING):
        assert is_whole(read(given))
        assert is_whole(read(given))
    (line,) = told(caplog)
    assert line.startswith("gcp: BigQuery's Storage Read API cannot be used (")
    assert message in line
    assert fix in line
    assert server.counts["CreateReadSession"] == 1


def test_a_port_that_nobody_answers_means_pages(
    server: BigQueryServer, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with caplog.at_level(logging.WARNING):
        assert is_whole(read(jobs(storage_url=f"http://127.0.0.1:{port}", retry_seconds=0.2)))
    (line,) = told(caplog)
    assert line.startswith("gcp: BigQuery's Storage Read API cannot be used (ServiceUnavailable: ")
    assert "Let bigquerystorage.googleapis.com be reached over gRPC" in line


def test_google_s_own_address_out_of_reach_means_pages(
    server: BigQueryServer, caplog: pytest.LogCaptureFixture
) -> None:
    address = "https://bigquerystorage.googleapis.com"
    with caplog.at_level(logging.WARNING):
        assert is_whole(read(jobs(storage_url=address, retry_seconds=0.2)))
    assert "bigquerystorage.googleapis.com" in server.refused
    assert len(told(caplog)) == 1


# commands

MANY = {"2026-10-29": [4.0], "2026-10-30": [n / 8 for n in range(1500)]}


def test_a_load_reads_its_large_days_by_storage(server: BigQueryServer, commands: Commands) -> None:
    put(server, MANY)
    ran = commands("load", "gcp")
    assert (ran.status, "Storage Read API" in ran.err) == (0, False)
    assert asked(server) == {"CreateReadSession": 1, "ReadRows": 2}
    commands.well("normalize gcp")
    assert billed(commands.data) == MANY


@pytest.mark.thorough
def test_a_refused_load_says_so_and_is_well(server: BigQueryServer, commands: Commands) -> None:
    put(server, MANY)
    server.fail("CreateReadSession", "PERMISSION_DENIED", times=None)
    ran = commands("load", "gcp")
    assert ran.status == 0
    assert ran.err.count("Storage Read API cannot be used (PermissionDenied") == 1
    commands.well("normalize gcp")
    assert billed(commands.data) == MANY


@pytest.mark.thorough
def test_an_error_after_the_first_rows_is_the_day_s_and_what_is_published_stays(
    server: BigQueryServer, commands: Commands
) -> None:
    old = {"2026-10-29": [4.0], "2026-10-30": [1.0]}
    put(server, old)
    commands.well("load gcp", "normalize gcp")
    put(server, MANY)
    server.cut("ReadRows", 1, times=2)
    server.fail("ReadRows", "DATA_LOSS", message="Gone.", after=2, times=None)
    ran = commands("load", "gcp")
    assert ran.status == 1
    assert f"{TABLE}, day 2026-10-30: BigQuery failed (DataLoss: Gone.)" in ran.err
    commands.well("normalize gcp")
    assert billed(commands.data) == old
    server.reset()
    commands.well("load gcp", "normalize gcp")
    assert billed(commands.data) == MANY


@pytest.mark.thorough
def test_a_stream_that_ends_too_early_is_noticed_by_the_number_of_rows(
    server: BigQueryServer, commands: Commands
) -> None:
    put(server, MANY)
    server.fail("ReadRows", "OK", after=1)
    ran = commands("load", "gcp")
    assert (ran.status, ran.out) == (1, "gcp: 1 loaded, 0 unchanged, 1 failed\n")
    assert "BigQuery has 1,500 rows of the query and sent 750." in ran.err
    commands.well("load gcp", "normalize gcp")
    assert billed(commands.data) == MANY


def test_the_doctor_opens_a_session(server: BigQueryServer, commands: Commands) -> None:
    put(server, MANY)
    ran = commands("doctor", "gcp")
    assert "ok   source gcp: days are read by the Storage Read API" in ran.out
    server.fail("CreateReadSession", "PERMISSION_DENIED", message="No.", times=None)
    ran = commands("doctor", "gcp")
    assert (
        "warn source gcp: BigQuery's Storage Read API cannot be used (PermissionDenied: No.): "
        "days are read as REST pages, which takes longer" in ran.out
    )
    assert "fix: Grant roles/bigquery.readSessionUser on the project" in ran.out
    commands.set({"SOURCES__GCP__STORAGE_API": "false"})
    assert "ok   source gcp: days are read as REST pages" in commands("doctor", "gcp").out

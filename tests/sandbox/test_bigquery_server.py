"""The BigQuery sandbox as the real client sees it: rows, errors, tokens, and SQL that is run."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.cloud import bigquery
from google.cloud.bigquery import ArrayQueryParameter, QueryJobConfig, ScalarQueryParameter
from google.oauth2 import service_account

from scripts.sandbox.bigquery import rows as bigquery_rows
from scripts.sandbox.bigquery.server import BigQueryServer
from tests.support.providers.bigquery_fixtures import ClientFactory

TABLE = "example-billing.d.costs"
MIB = 2**20
#: The client's own retries, in hundredths of its time.
QUICK = bigquery.DEFAULT_RETRY.with_delay(initial=0.01, maximum=0.02).with_timeout(20)
NO_TIME = QUICK.with_timeout(0.001)

SCHEMA = pa.schema(
    {
        "n": pa.int64(),
        "cost": pa.float64(),
        "price": pa.decimal128(38, 9),
        "text": pa.string(),
        "is_on": pa.bool_(),
        "day": pa.date32(),
        "at": pa.timestamp("us", "UTC"),
        "local": pa.timestamp("us"),
        "bytes": pa.binary(),
        "project": pa.struct(
            [("id", pa.string()), ("labels", pa.list_(pa.struct([("key", pa.string())])))]
        ),
        "credits": pa.list_(
            pa.struct([("amount", pa.float64()), ("type", pa.string()), ("name", pa.string())])
        ),
        "words": pa.list_(pa.string()),
        "_PARTITIONTIME": pa.timestamp("us", "UTC"),
    }.items()
)
SHOWN = pa.schema([field for field in SCHEMA if field.name != "_PARTITIONTIME"])


def row(n: int) -> dict[str, Any]:
    at = datetime(2026, 10, 1 + n % 3, 6, 59, 59, 1 + n, tzinfo=UTC)
    return {
        "n": n,
        "cost": n / 7,
        "price": Decimal(n).scaleb(-9) + n,
        "text": f'it\'s "n" \\ \n\t{n} ü€😀',
        "is_on": n % 2 == 0,
        "day": at.date(),
        "at": at,
        "local": at.replace(tzinfo=None),
        "bytes": bytes([n % 256, 255]),
        "project": {"id": f"p{n % 2}", "labels": [{"key": "a"}, {"key": None}]},
        "credits": [
            {"amount": -1.5, "type": "PROMOTION", "name": "a"},
            {"amount": -float(n), "type": "DISCOUNT", "name": None},
        ],
        "words": ["x", str(n)],
        "_PARTITIONTIME": at.replace(hour=0, minute=0, second=0, microsecond=0),
    }


def empty_row() -> dict[str, Any]:
    lists: dict[str, Any] = {"credits": [], "words": []}
    return (
        dict.fromkeys(SCHEMA.names) | lists | {"_PARTITIONTIME": datetime(2026, 10, 1, tzinfo=UTC)}
    )


def costs(rows: int = 10) -> pa.Table:
    return pa.Table.from_pylist([*map(row, range(rows)), empty_row()], schema=SCHEMA)


@pytest.fixture
def server(bigquery_server: BigQueryServer) -> BigQueryServer:
    bigquery_server.load(TABLE, costs())
    return bigquery_server


@pytest.fixture
def client(server: BigQueryServer, bigquery_client: ClientFactory) -> bigquery.Client:
    return bigquery_client(server)


def answers(client: bigquery.Client, sql: str, *parameters: Any, **config: Any) -> list[Any]:
    """A query's rows as plain dicts."""
    job = client.query(sql, job_config=QueryJobConfig(query_parameters=parameters, **config))
    return [dict(found) for found in job.result()]


def value(client: bigquery.Client, expression: str, *parameters: Any) -> Any:
    (found,) = answers(client, f"SELECT {expression} AS v", *parameters)
    return found["v"]


def raw(server: BigQueryServer, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.url}/bigquery/v2/projects/{path}") as answer:
        return dict(json.load(answer))


# rows and pages


def test_every_type_comes_back_as_it_was_loaded(client: bigquery.Client) -> None:
    expected = costs().select(SHOWN.names).to_pylist()
    listed = client.list_rows(TABLE).to_arrow(create_bqstorage_client=False)
    assert listed.to_pylist() == expected
    queried = client.query(f"SELECT * FROM `{TABLE}` ORDER BY n NULLS LAST").result()
    assert queried.to_arrow(create_bqstorage_client=False).to_pylist() == expected
    assert pa.Table.from_batches(queried.client.list_rows(TABLE).to_arrow_iterable()).equals(listed)


def test_a_table_shows_its_schema_size_and_partitioning(client: bigquery.Client) -> None:
    table = client.get_table(TABLE)
    modes = [(field.name, field.field_type, field.mode) for field in table.schema]
    assert modes == [
        ("n", "INTEGER", "NULLABLE"),
        ("cost", "FLOAT", "NULLABLE"),
        ("price", "NUMERIC", "NULLABLE"),
        ("text", "STRING", "NULLABLE"),
        ("is_on", "BOOLEAN", "NULLABLE"),
        ("day", "DATE", "NULLABLE"),
        ("at", "TIMESTAMP", "NULLABLE"),
        ("local", "DATETIME", "NULLABLE"),
        ("bytes", "BYTES", "NULLABLE"),
        ("project", "RECORD", "NULLABLE"),
        ("credits", "RECORD", "REPEATED"),
        ("words", "STRING", "REPEATED"),
    ]
    inner = [(field.name, field.field_type, field.mode) for field in table.schema[9].fields]
    assert inner == [("id", "STRING", "NULLABLE"), ("labels", "RECORD", "REPEATED")]
    assert table.num_rows == 11
    # 8 + 8 + 16 + (2 + 22) + 1 + 8 + 8 + 8 + (2 + 2) + (2 + 2) + (2 + 1) + …: logical bytes
    fixed = 8 + 8 + 16 + 1 + 8 + 8 + 8
    texts = (2 + 24) + (2 + 2) + (2 + 2) + (2 + 1)
    lists = (8 + (2 + 9) + (2 + 1)) + (8 + (2 + 8)) + (2 + 1) + (2 + 1)
    assert len(row(0)["text"].encode()) == 24
    assert table.num_bytes == 10 * (fixed + texts + lists)
    assert table.time_partitioning == bigquery.TimePartitioning(type_="DAY")


def test_a_required_column_says_so(server: BigQueryServer, client: bigquery.Client) -> None:
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False), ("b", pa.int64())])
    server.load("example-billing.d.strict", pa.Table.from_pylist([{"a": 1}], schema=schema))
    table = client.get_table("example-billing.d.strict")
    assert [field.mode for field in table.schema] == ["REQUIRED", "NULLABLE"]
    assert table.time_partitioning is None


def test_a_table_is_read_in_pages(server: BigQueryServer, client: bigquery.Client) -> None:
    rows = client.list_rows(TABLE, page_size=4)
    assert [len(list(page)) for page in rows.pages] == [4, 4, 3]
    assert server.counts == {"tables.get": 1, "tabledata.list": 3}
    some = client.list_rows(TABLE, start_index=8, max_results=2)
    assert [found["n"] for found in some] == [8, 9]


def test_a_query_is_read_in_pages(server: BigQueryServer, client: bigquery.Client) -> None:
    sql = f"SELECT n FROM `{TABLE}` WHERE n IS NOT NULL ORDER BY n DESC"
    assert [found["n"] for found in client.query(sql).result(page_size=3)] == [*range(9, -1, -1)]
    assert server.counts == {"jobs.insert": 1, "jobs.get": 1, "jobs.getQueryResults": 4}
    assert [r["n"] for r in client.query_and_wait(sql, page_size=6)] == [*range(9, -1, -1)]
    some = client.query(sql).result(start_index=8, max_results=1)
    assert [found["n"] for found in some] == [1]


def test_the_server_may_make_pages_smaller(server: BigQueryServer, client: bigquery.Client) -> None:
    server.set_pace(page_rows=2)
    assert len(list(client.list_rows(TABLE, page_size=5))) == 11
    assert server.counts["tabledata.list"] == 6


@pytest.mark.thorough
def test_a_page_ends_at_ten_megabytes(server: BigQueryServer, client: bigquery.Client) -> None:
    server.load("example-billing.d.wide", pa.table({"a": ["x" * 3_000_000] * 7}))
    pages = client.list_rows("example-billing.d.wide").pages
    assert [len(list(page)) for page in pages] == [3, 3, 1]
    assert bigquery_rows.PAGE_BYTES == 10_000_000


def test_an_empty_result_keeps_its_schema(client: bigquery.Client) -> None:
    rows = client.query(f"SELECT n, credits FROM `{TABLE}` WHERE n > 99").result()
    assert list(rows) == []
    assert [(f.name, f.field_type, f.mode) for f in rows.schema] == [
        ("n", "INTEGER", "NULLABLE"),
        ("credits", "RECORD", "REPEATED"),
    ]


def test_identical_rows_are_kept(server: BigQueryServer, client: bigquery.Client) -> None:
    server.load(TABLE, pa.Table.from_pylist([row(3)] * 3, schema=SCHEMA))
    assert [found["n"] for found in client.list_rows(TABLE)] == [3, 3, 3]
    assert answers(client, f"SELECT COUNT(*) c FROM `{TABLE}`") == [{"c": 3}]


def test_timestamps_are_whole_micros_when_asked_for(server: BigQueryServer) -> None:
    path = "example-billing/datasets/d/tables/costs/data?maxResults=1&selectedFields=at"
    micros = raw(server, f"{path}&formatOptions.useInt64Timestamp=true")
    assert micros["rows"] == [{"f": [{"v": "1790837999000001"}]}]
    assert raw(server, path)["rows"] == [{"f": [{"v": "1790837999.000001"}]}]


def test_cells_have_the_form_of_the_rest_api(server: BigQueryServer) -> None:
    path = "example-billing/datasets/d/tables/costs/data?startIndex=1&maxResults=1"
    answer = raw(server, f"{path}&formatOptions.useInt64Timestamp=true")
    assert answer["totalRows"] == "11"
    assert answer["rows"] == [
        {
            "f": [
                {"v": "1"},
                {"v": "0.14285714285714285"},
                {"v": "1.000000001"},
                {"v": 'it\'s "n" \\ \n\t1 ü€😀'},
                {"v": "false"},
                {"v": "2026-10-02"},
                {"v": "1790924399000002"},
                {"v": "2026-10-02T06:59:59.000002"},
                {"v": "Af8="},
                {"v": {"f": [{"v": "p1"}, {"v": [_record("a"), _record(None)]}]}},
                {"v": [_record("-1.5", "PROMOTION", "a"), _record("-1.0", "DISCOUNT", None)]},
                {"v": [{"v": "x"}, {"v": "1"}]},
            ]
        }
    ]


def _record(*values: str | None) -> dict[str, Any]:
    return {"v": {"f": [{"v": each} for each in values]}}


def test_a_partition_can_be_listed_alone(client: bigquery.Client) -> None:
    assert [found["n"] for found in client.list_rows(f"{TABLE}$20261002")] == [1, 4, 7]
    assert client.get_table(f"{TABLE}$20261002").num_rows == 3
    with pytest.raises(exceptions.BadRequest, match="Invalid partition decorator"):
        list(client.list_rows(f"{TABLE}$october", selected_fields=client.get_table(TABLE).schema))


def test_a_page_token_of_another_table_is_refused(client: bigquery.Client) -> None:
    schema = client.get_table(TABLE).schema
    with pytest.raises(exceptions.BadRequest, match="Invalid page token"):
        list(client.list_rows(TABLE, selected_fields=schema, page_token="bm9wZSA0"))


def test_a_table_can_be_replaced_while_it_is_read(
    server: BigQueryServer, client: bigquery.Client
) -> None:
    server.before("tabledata.list", lambda: server.load(TABLE, costs(2)), nth=2)
    assert len(list(client.list_rows(TABLE, page_size=6))) == 6  # the rest is gone


# what there is


def test_datasets_and_tables_are_listed(server: BigQueryServer, client: bigquery.Client) -> None:
    server.load("example-billing.other.t", pa.table({"a": [1]}))
    server.load("example-billing.d.a", pa.table({"a": [1]}))
    assert [each.dataset_id for each in client.list_datasets()] == ["d", "other"]
    tables = list(client.list_tables("d", page_size=1))
    assert [(each.table_id, each.table_type) for each in tables] == [
        ("a", "TABLE"),
        ("costs", "TABLE"),
    ]
    assert server.counts["tables.list"] == 2
    assert client.get_dataset("d").location == "US"
    server.drop("example-billing.d.a")
    assert [each.table_id for each in client.list_tables("d")] == ["costs"]


def test_what_is_not_there_is_not_found(client: bigquery.Client) -> None:
    with pytest.raises(exceptions.NotFound, match=r"Not found: Table example-billing:d.nope"):
        client.get_table("example-billing.d.nope")
    with pytest.raises(exceptions.NotFound, match="Not found: Dataset example-billing:nope"):
        list(client.list_tables("nope"))
    text = "Not found: Table example-billing:d.nope was not found in location US"
    with pytest.raises(exceptions.NotFound, match=text):
        answers(client, "SELECT 1 FROM d.nope")
    text = "Not found: Dataset other:d was not found in location US"
    with pytest.raises(exceptions.NotFound, match=text):
        answers(client, "SELECT 1 FROM `other.d.costs`")


def test_a_query_in_another_location_finds_nothing(client: bigquery.Client) -> None:
    with pytest.raises(exceptions.NotFound, match="Dataset example-billing:d was not found in loc"):
        client.query(f"SELECT 1 FROM `{TABLE}`", location="EU").result()


def test_a_denied_table_can_be_neither_read_nor_queried(
    server: BigQueryServer, client: bigquery.Client
) -> None:
    server.deny(TABLE)
    with pytest.raises(exceptions.Forbidden, match=r"Permission bigquery.tables.get denied"):
        client.get_table(TABLE)
    with pytest.raises(exceptions.Forbidden, match="User does not have permission to query table"):
        answers(client, f"SELECT 1 FROM `{TABLE}`")
    server.deny(TABLE, allowed=True)
    assert client.get_table(TABLE).num_rows == 11


# queries


def test_named_parameters_have_their_types(client: bigquery.Client) -> None:
    moment = datetime(2026, 10, 1, 6, 59, 59, 1, tzinfo=UTC)
    given: list[Any] = [
        ScalarQueryParameter("s", "STRING", "it's @n"),
        ScalarQueryParameter("n", "INT64", 7),
        ScalarQueryParameter("f", "FLOAT64", 1.5),
        ScalarQueryParameter("num", "NUMERIC", Decimal("1.25")),
        ScalarQueryParameter("b", "BOOL", True),
        ScalarQueryParameter("d", "DATE", date(2026, 10, 1)),
        ScalarQueryParameter("t", "TIMESTAMP", moment),
        ScalarQueryParameter("nothing", "STRING", None),
        ArrayQueryParameter("words", "STRING", ["a'", "b"]),
        ArrayQueryParameter("days", "DATE", [date(2026, 10, 1)]),
        ArrayQueryParameter("numbers", "INT64", []),
    ]
    names = [each.name for each in given]
    sql = ", ".join(f"@{name} AS {name}" for name in names)
    found = answers(client, f"SELECT {sql}", *given)
    assert found == [
        {
            "s": "it's @n",
            "n": 7,
            "f": 1.5,
            "num": Decimal("1.25"),
            "b": True,
            "d": date(2026, 10, 1),
            "t": moment,
            "nothing": None,
            "words": ["a'", "b"],
            "days": [date(2026, 10, 1)],
            "numbers": [],
        }
    ]
    sql = f"SELECT n FROM `{TABLE}` WHERE at = @t OR day IN UNNEST(@days) AND n > @n"
    assert answers(client, sql, *given) == [{"n": 0}, {"n": 9}]
    with pytest.raises(exceptions.BadRequest, match="Query parameter 'x' not found"):
        answers(client, "SELECT @x")
    with pytest.raises(exceptions.BadRequest, match=r"positional query parameters. Name them"):
        answers(client, "SELECT ?", ScalarQueryParameter(None, "INT64", 1))


QUERIES = {
    "plan of days": (
        "SELECT DATE(at) AS day, COUNT(*) AS n, MAX(at) AS newest, SUM(cost) AS cost "
        "FROM `{t}` WHERE _PARTITIONTIME >= TIMESTAMP('2026-10-02') GROUP BY day ORDER BY day",
        'select "at"::date as day, count(*) as n, max("at") as newest, sum(cost) as cost from t '
        "where _PARTITIONTIME >= '2026-10-02' group by 1 order by 1",
    ),
    "net of credits": (
        "SELECT project.id, SUM(cost) + SUM(IFNULL((SELECT SUM(c.amount) FROM UNNEST(credits) c),"
        " 0)) AS net FROM `{t}` GROUP BY 1 ORDER BY 1",
        "select project.id, sum(cost) + sum(coalesce(list_sum(list_transform(credits, "
        "lambda c: c.amount)), 0)) as net from t group by 1 order by 1 nulls first",
    ),
    "exact micros": (
        "SELECT SUM(CAST(cost * 1000000 AS INT64)) + SUM(IFNULL((SELECT SUM(CAST(c.amount * "
        "1000000 AS int64)) FROM UNNEST(credits) AS c WHERE c.type = 'PROMOTION'), 0)) AS m "
        "FROM `{t}`",
        "select (sum(round(cost * 1e6)) - 10 * 1500000)::bigint as m from t",
    ),
    "fields without an alias": (
        "SELECT n, (SELECT SUM(CAST(amount AS NUMERIC)) FROM UNNEST(credits) "
        "WHERE type = 'DISCOUNT') AS d FROM `{t}` WHERE n < 3 ORDER BY n",
        "select n, -n::decimal(38, 9) as d from t where n < 3 order by n",
    ),
    "an alias that is the array's name": (
        "SELECT credits.type AS kind, SUM(credits.amount) AS a FROM `{t}` LEFT JOIN "
        "UNNEST(credits) AS credits ON credits.type = 'PROMOTION' GROUP BY kind ORDER BY kind",
        "select * from (values (null, null), ('PROMOTION', -15.0::double)) v(kind, a)",
    ),
    "a comma before UNNEST": (
        "SELECT word, COUNT(*) AS n FROM `{t}`, UNNEST(words) AS word WHERE word = 'x' GROUP BY 1",
        "select 'x' as word, 10 as n",
    ),
    "a membership": (
        "SELECT n FROM `{t}` WHERE 'DISCOUNT' IN (SELECT type FROM UNNEST(credits)) AND n > 7 "
        "ORDER BY n",
        "select n from t where n > 7 order by n",
    ),
    "nested arrays": (
        "SELECT ARRAY(SELECT AS STRUCT c.type, c.amount * 2 AS twice FROM UNNEST(credits) c) AS a"
        " FROM `{t}` WHERE n = 1",
        "select [{{'type': 'PROMOTION', 'twice': -3.0::double}}, "
        "{{'type': 'DISCOUNT', 'twice': -2.0::double}}] as a",
    ),
    "everything but": (
        "WITH kept AS (SELECT * EXCEPT (text, local), cost * 2 AS twice FROM `{t}` AS t) "
        "SELECT kept.* FROM kept ORDER BY n LIMIT 3",
        "select * exclude (text, local, _PARTITIONTIME), cost * 2 as twice from t "
        "order by n nulls first limit 3",
    ),
    "a join and a union": (
        "SELECT a.n, b.cost FROM `{t}` a JOIN `{t}` b ON a.n = b.n WHERE a.n < 2 UNION ALL "
        "SELECT 99, 0.5 ORDER BY n",
        "select n, cost from t where n < 2 union all select 99, 0.5 order by n",
    ),
    "the pseudo-columns": (
        "SELECT _PARTITIONDATE AS d, _PARTITIONTIME AS p, n FROM `{t}` WHERE n = 4",
        "select _PARTITIONTIME::date as d, _PARTITIONTIME as p, n from t where n = 4",
    ),
    "the newest of each": (
        "SELECT n, day FROM `{t}` WHERE n IS NOT NULL QUALIFY ROW_NUMBER() OVER "
        "(PARTITION BY day ORDER BY n DESC) = 1 ORDER BY n",
        "select * from (values (7, date '2026-10-02'), (8, date '2026-10-03'), "
        "(9, date '2026-10-01')) v(n, day)",
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", QUERIES)
def test_sql_is_really_executed(name: str, client: bigquery.Client) -> None:
    asked, expected = QUERIES[name]
    local = duckdb.connect()
    local.execute("set timezone = 'UTC'")
    local.register("t", costs())
    table = local.sql(expected.format(t="t")).to_arrow_table()
    assert answers(client, asked.format(t=TABLE)) == table.to_pylist()


T = "TIMESTAMP '2026-10-01 05:30:00.25+00'"
#: Expressions and BigQuery's documented results.
FUNCTIONS = {
    f"DATE({T})": date(2026, 10, 1),
    f"DATE({T}, 'UTC')": date(2026, 10, 1),
    f"DATE({T}, 'US/Pacific')": date(2026, 9, 30),
    f"TIMESTAMP_TRUNC({T}, DAY)": datetime(2026, 10, 1, tzinfo=UTC),
    f"TIMESTAMP_TRUNC({T}, HOUR)": datetime(2026, 10, 1, 5, tzinfo=UTC),
    f"TIMESTAMP_TRUNC({T}, MONTH, 'US/Pacific')": datetime(2026, 9, 1, 7, tzinfo=UTC),
    "DATE_TRUNC(DATE '2026-10-05', MONTH)": date(2026, 10, 1),
    f"FORMAT_TIMESTAMP('%Y-%m-%d %H:%M:%S', {T})": "2026-10-01 05:30:00",
    f"FORMAT_TIMESTAMP('%Y%m', {T}, 'US/Pacific')": "202609",
    f"FORMAT_TIMESTAMP('%F %T', {T}, 'UTC')": "2026-10-01 05:30:00",
    "FORMAT_DATE('%Y%m', DATE '2026-10-05')": "202610",
    "PARSE_DATE('%Y%m%d', '20261005')": date(2026, 10, 5),
    "PARSE_DATE('%Y%m', '202610')": date(2026, 10, 1),
    f"EXTRACT(DAY FROM {T})": 1,
    f"EXTRACT(HOUR FROM {T} AT TIME ZONE 'US/Pacific')": 22,
    "TIMESTAMP('2026-10-01')": datetime(2026, 10, 1, tzinfo=UTC),
    "TIMESTAMP('2026-10-01', 'US/Pacific')": datetime(2026, 10, 1, 7, tzinfo=UTC),
    "TIMESTAMP(DATE '2026-10-01')": datetime(2026, 10, 1, tzinfo=UTC),
    f"TIMESTAMP_ADD({T}, INTERVAL 3 DAY)": datetime(2026, 10, 4, 5, 30, 0, 250_000, UTC),
    f"TIMESTAMP_SUB({T}, INTERVAL 6 HOUR)": datetime(2026, 9, 30, 23, 30, 0, 250_000, UTC),
    f"TIMESTAMP_DIFF({T}, TIMESTAMP '2026-09-28 06:00:00+00', DAY)": 2,
    "DATE_ADD(DATE '2026-10-31', INTERVAL 1 MONTH)": date(2026, 11, 30),
    "DATE_SUB(DATE '2026-10-01', INTERVAL 1 DAY)": date(2026, 9, 30),
    "DATE_DIFF(DATE '2026-10-01', DATE '2026-09-01', DAY)": 30,
    f"UNIX_MICROS({T})": 1_790_832_600_250_000,
    f"UNIX_SECONDS({T})": 1_790_832_600,
    f"CAST({T} AS DATE)": date(2026, 10, 1),
    "CAST('2026-10-01 00:00:00+00' AS TIMESTAMP)": datetime(2026, 10, 1, tzinfo=UTC),
    "CAST(1.0050005 * 1000000 AS INT64)": 1_005_001,
    "CAST(2.5 * 1 AS INT64)": 3,
    "CAST('12' AS INT64)": 12,
    "CAST(5 AS STRING)": "5",
    "CAST(1.25 AS NUMERIC)": Decimal("1.25"),
    "CAST('1.123456789' AS NUMERIC) * 1000": Decimal("1123.456789"),
    "ROUND(CAST(1.235 AS NUMERIC), 2)": Decimal("1.24"),
    "SAFE_CAST('x' AS INT64)": None,
    "1.5": 1.5,
    "1 / 4": 0.25,
    "3 / 1.5": 2.0,
    "SAFE_DIVIDE(1, 0)": None,
    "MOD(-5, 3)": -2,
    "ROUND(-2.5)": -3.0,
    "ABS(-2)": 2,
    "IFNULL(NULL, 3)": 3,
    "COALESCE(NULL, 'a')": "a",
    "NULLIF(1, 1)": None,
    "IF(1 > 2, 'a', 'b')": "b",
    "CASE WHEN TRUE THEN 1 ELSE 2 END": 1,
    "GREATEST(1, 3, 2)": 3,
    "LEAST(1, NULL)": None,
    "UPPER('a') || LOWER('B')": "Ab",
    "CONCAT('a', NULL)": None,
    "SUBSTR('abc', 2, 1)": "b",
    "LENGTH('aß')": 2,
    "TRIM(' a ')": "a",
    "STARTS_WITH('abc', 'ab')": True,
    "'abc' LIKE 'a%'": True,
    "'a' IN ('a', 'b') AND NOT FALSE": True,
    "1 NOT IN UNNEST([1, 2])": False,
    "ARRAY_LENGTH([1, 2])": 2,
    "[1, 2][OFFSET(0)]": 1,
    "[1, 2][SAFE_OFFSET(5)]": None,
    "STRUCT(1 AS a, 'x' AS b)": {"a": 1, "b": "x"},
    "ARRAY(SELECT x FROM UNNEST([1, 2]) x)": [1, 2],
    "(SELECT SUM(x) FROM UNNEST([1, 2]) x)": 3,
    "(SELECT AVG(x) FROM UNNEST([1, 2]) x)": 1.5,
    "(SELECT COUNTIF(x > 1) FROM UNNEST([1, 2]) x)": 1,
    "(SELECT COUNT(DISTINCT x) FROM UNNEST([1, 1]) x)": 1,
    "(SELECT MIN(x) FROM UNNEST(['b', 'a']) x)": "a",
    "(SELECT ANY_VALUE(x) FROM UNNEST([1, 1]) x)": 1,
    "(SELECT LOGICAL_OR(x > 1) FROM UNNEST([1, 2]) x)": True,
    "(SELECT LOGICAL_AND(x > 1) FROM UNNEST([1, 2]) x)": False,
    "(SELECT ARRAY_AGG(x) FROM UNNEST([1, 2]) x)": [1, 2],
    "EXISTS(SELECT 1)": True,
    f"CURRENT_TIMESTAMP() > {T} OR CURRENT_DATE() < '2027-01-01'": True,
    "TRUE AND NULL": None,
    r"'it\'s'": "it's",
}


@pytest.mark.thorough
def test_functions_give_the_documented_results(client: bigquery.Client) -> None:
    assert {each: value(client, each) for each in FUNCTIONS} == FUNCTIONS


def test_json_text_is_written_as_bigquery_writes_it(client: bigquery.Client) -> None:
    names = "n cost price text is_on day at project credits words".split()
    columns = ", ".join(f"TO_JSON_STRING({name}) AS {name}" for name in names)
    found = answers(client, f"SELECT {columns} FROM `{TABLE}` t WHERE t.n = 7")
    assert found == [
        {
            "n": "7",
            "cost": "1",
            "price": '"7.000000007"',
            "text": '"it\'s \\"n\\" \\\\ \\n\\t7 ü€😀"',
            "is_on": "false",
            "day": '"2026-10-02"',
            "at": '"2026-10-02T06:59:59.000008Z"',
            "project": '{"id":"p1","labels":[{"key":"a"},{"key":null}]}',
            "credits": '[{"amount":-1.5,"type":"PROMOTION","name":"a"},'
            '{"amount":-7,"type":"DISCOUNT","name":null}]',
            "words": '["x","7"]',
        }
    ]
    (empty,) = answers(client, f"SELECT {columns} FROM `{TABLE}` WHERE n IS NULL")
    assert set(empty.values()) == {"null", "[]"}
    assert (empty["credits"], empty["project"]) == ("[]", "null")


def test_columns_are_named_as_bigquery_names_them(client: bigquery.Client) -> None:
    sql = f"SELECT COUNT(*), project.id, 1, n AS m FROM `{TABLE}` WHERE n = 1 GROUP BY 2, 4"
    assert answers(client, sql) == [{"f0_": 1, "id": "p1", "f1_": 1, "m": 1}]
    assert answers(
        client, "SELECT n FROM costs WHERE n = 1", default_dataset="example-billing.d"
    ) == [{"n": 1}]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("sql", "said"),
    {
        "SELECT nope FROM `{t}`": "Unrecognized name: nope",
        "SELECT project.nope FROM `{t}`": "Field name nope does not exist in STRUCT",
        "SELECT n FROM `{t}` WHERE": "Syntax error: .* at [1:",
        "SELEC n FROM `{t}`": "Syntax error: .* at [1:",
        "SELECT 1 / (n - 1) AS x FROM `{t}`": "division by zero",
        "SELECT nope(n) FROM `{t}`": "Function not found: nope",
        "SELECT n, n FROM `{t}`": "Duplicate column names .* Found duplicate(s): n",
        "SELECT _PARTITIONTIME FROM `{t}`": 'Invalid field name "_PARTITIONTIME"',
        "SELECT n FROM costs": 'Table "costs" must be qualified with a dataset',
        "SELECT REGEXP_CONTAINS(text, 'a') FROM `{t}`": "Not supported by this sandbox: the func",
        "SELECT n FROM `example-billing.d.costs_*`": "Not supported by this sandbox: wildcard",
        "SELECT n FROM UNNEST([1]) n WITH OFFSET": "Not supported by this sandbox: UNNEST WITH",
        "SELECT TO_JSON_STRING(n + 1) FROM `{t}`": "Not supported by this sandbox: TO_JSON_STR",
        "DELETE FROM `{t}` WHERE TRUE": "Not supported by this sandbox: DELETE; only SELECT is",
        "SELECT 1; SELECT 2": "Not supported by this sandbox: scripts of several statements",
        "SELECT * FROM read_csv('/etc/passwd')": "Not supported by this sandbox: the function",
        "SELECT * FROM `/etc/passwd`": "must be qualified with a dataset",
        "SELECT INTERVAL 1 DAY": "Not supported by this sandbox: a result of the type INTERVAL",
    }.items(),
)
def test_sql_that_fails_says_why(sql: str, said: str, client: bigquery.Client) -> None:
    pattern = re.escape(said).replace(r"\.\*", ".*")
    with pytest.raises(exceptions.BadRequest, match=pattern) as caught:
        answers(client, sql.format(t=TABLE))
    assert caught.value.errors[0]["reason"] in {"invalidQuery", "invalid"}


def test_legacy_sql_is_refused(client: bigquery.Client) -> None:
    with pytest.raises(exceptions.BadRequest, match="Not supported by this sandbox: legacy SQL"):
        answers(client, "SELECT 1", use_legacy_sql=True)


# bytes


def dry(client: bigquery.Client, sql: str, *parameters: Any) -> int:
    config = QueryJobConfig(dry_run=True, query_parameters=parameters)
    return int(client.query(sql.format(t=TABLE), job_config=config).total_bytes_processed)


def test_a_dry_run_says_the_bytes_and_runs_nothing(
    server: BigQueryServer, client: bigquery.Client
) -> None:
    config = QueryJobConfig(dry_run=True)
    job = client.query(f"SELECT n, 1 / 0 AS x FROM `{TABLE}`", job_config=config)
    assert (job.state, job.dry_run, job.total_bytes_processed) == ("DONE", True, 80)
    assert [(field.name, field.field_type) for field in job.schema or []] == [
        ("n", "INTEGER"),
        ("x", "FLOAT"),
    ]
    assert server.counts == {"jobs.insert": 1}
    assert client.query_and_wait("SELECT 1", job_config=config).total_bytes_processed == 0
    with pytest.raises(exceptions.BadRequest, match=r"400 POST .* Unrecognized name: nope"):
        client.query(f"SELECT nope FROM `{TABLE}`", job_config=config)


def test_bytes_are_those_of_the_columns_and_partitions(client: bigquery.Client) -> None:
    everything = client.get_table(TABLE).num_bytes
    assert dry(client, "SELECT * FROM `{t}`") == everything
    assert dry(client, "SELECT n FROM `{t}`") == 10 * 8
    assert dry(client, "SELECT n FROM `{t}` WHERE day = '2026-10-02'") == 10 * (8 + 8)
    assert dry(client, "SELECT COUNT(*) FROM `{t}`") == 0
    first = TABLE, 4 * 8  # 0, 3, 6, 9
    for pruned in (
        "_PARTITIONTIME = TIMESTAMP('2026-10-01')",
        "_PARTITIONTIME < @t",
        "DATE(_PARTITIONTIME) = '2026-10-01'",
        "_PARTITIONDATE BETWEEN '2026-09-01' AND '2026-10-01'",
        "t._PARTITIONDATE IN ('2026-10-01') AND n > 100",
    ):
        moment = ScalarQueryParameter("t", "TIMESTAMP", datetime(2026, 10, 2, tzinfo=UTC))
        sql = f"SELECT n FROM `{{t}}` t WHERE {pruned}"
        assert (TABLE, dry(client, sql, moment)) == first, pruned
    for whole in (
        "_PARTITIONTIME = TIMESTAMP('2026-10-01') OR n = 1",
        "_PARTITIONTIME >= (SELECT TIMESTAMP('2026-10-01'))",
    ):
        assert dry(client, f"SELECT n FROM `{{t}}` WHERE {whole}") == 10 * 8, whole
    both = "SELECT a.n FROM `{t}` a JOIN `{t}` b ON a.n = b.n WHERE b._PARTITIONDATE = '2026-10-01'"
    assert dry(client, both) == 10 * 8 + 4 * 8


def test_a_limit_of_bytes_stops_a_query(server: BigQueryServer, client: bigquery.Client) -> None:
    sql = f"SELECT n FROM `{TABLE}`"
    config = QueryJobConfig(maximum_bytes_billed=10 * MIB - 1)
    text = "Query exceeded limit for bytes billed: 10485759. 10485760 or higher required."
    with pytest.raises(exceptions.BadRequest, match=text) as direct:
        client.query_and_wait(sql, job_config=config)
    assert direct.value.errors[0]["reason"] == "bytesBilledLimitExceeded"
    # the client knows no status for this reason of a job, hence 500
    with pytest.raises(exceptions.InternalServerError, match=text) as as_job:
        client.query(sql, job_config=config).result()
    assert as_job.value.errors[0]["reason"] == "bytesBilledLimitExceeded"
    job = client.query(sql, job_config=QueryJobConfig(maximum_bytes_billed=10 * MIB))
    assert len(list(job.result())) == 11
    assert (job.total_bytes_processed, job.total_bytes_billed) == (80, 10 * MIB)
    assert server.queries == [sql, sql, sql]


# errors


@pytest.mark.parametrize(
    ("reason", "kind", "text"),
    [
        ("accessDenied", exceptions.Forbidden, "403 POST .*Access Denied"),
        ("quotaExceeded", exceptions.Forbidden, "403 POST .*Quota exceeded"),
        ("rateLimitExceeded", exceptions.Forbidden, "403 POST .*Exceeded rate limits"),
        ("notFound", exceptions.NotFound, "404 POST .*Not found"),
        ("backendError", exceptions.ServiceUnavailable, "503 POST .*Retrying may help"),
        ("internalError", exceptions.InternalServerError, "500 POST .*An internal error"),
        ("invalid", exceptions.BadRequest, "400 POST .*Invalid value"),
    ],
)
def test_an_error_of_the_api_has_googles_form(
    reason: str, kind: type[Exception], text: str, server: BigQueryServer, client: bigquery.Client
) -> None:
    server.fail("jobs.insert", reason, times=None)
    with pytest.raises(kind, match=text) as caught:
        client.query("SELECT 1", retry=NO_TIME.with_predicate(lambda _: False), job_retry=None)
    assert [each["reason"] for each in caught.value.errors] == [reason]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("accessDenied", exceptions.Forbidden),
        ("quotaExceeded", exceptions.Forbidden),
        ("rateLimitExceeded", exceptions.TooManyRequests),
        ("backendError", exceptions.InternalServerError),
        ("notFound", exceptions.NotFound),
        ("invalidQuery", exceptions.BadRequest),
    ],
)
def test_a_job_that_fails_says_so(
    reason: str, kind: type[Exception], server: BigQueryServer, client: bigquery.Client
) -> None:
    server.fail_job(reason, "What went wrong")
    job = client.query("SELECT 1", job_retry=None)
    with pytest.raises(kind, match="What went wrong") as caught:
        job.result(job_retry=None)
    assert job.error_result["reason"] == reason
    assert [each["reason"] for each in caught.value.errors] == [reason]  # type: ignore[attr-defined]
    assert [found["v"] for found in client.query("SELECT 1 AS v").result()] == [1]


@pytest.mark.parametrize("reason", ["backendError", "rateLimitExceeded"])
def test_the_client_tries_again(
    reason: str, server: BigQueryServer, client: bigquery.Client
) -> None:
    for kind in ("jobs.insert", "jobs.getQueryResults", "tabledata.list"):
        server.fail(kind, reason, times=2)
    job = client.query(f"SELECT n FROM `{TABLE}` WHERE n = 1", retry=QUICK)
    assert [found["n"] for found in job.result(retry=QUICK)] == [1]
    schema = client.get_table(TABLE).schema
    assert len(list(client.list_rows(TABLE, schema, page_size=6, retry=QUICK))) == 11
    counts = server.counts
    assert (counts["jobs.insert"], counts["tabledata.list"]) == (3, 4)
    assert counts["jobs.getQueryResults"] == 4


def test_the_client_gives_up_in_time(server: BigQueryServer, client: bigquery.Client) -> None:
    server.fail("tables.get", "backendError", times=None)
    with pytest.raises(exceptions.RetryError) as caught:
        client.get_table(TABLE, retry=NO_TIME)
    assert isinstance(caught.value.cause, exceptions.ServiceUnavailable)
    server.reset()
    server.fail("tables.get", "quotaExceeded")
    with pytest.raises(exceptions.Forbidden, match="Quota exceeded"):
        client.get_table(TABLE, retry=QUICK)  # not tried again
    assert server.counts == {"tables.get": 1}


def test_faults_strike_by_number_and_target(
    server: BigQueryServer, client: bigquery.Client
) -> None:
    server.load("example-billing.d.other", pa.table({"a": [1]}))
    server.fail("tables.get", "accessDenied", target="costs", after=1, times=1)
    got = []
    for name in ("other", "costs", "other", "costs", "costs"):
        try:
            client.get_table(f"example-billing.d.{name}")
            got.append(name)
        except exceptions.Forbidden:
            got.append("denied")
    assert got == ["other", "costs", "other", "denied", "costs"]
    assert server.requests[:2] == [("tables.get", "other"), ("tables.get", "costs")]


def test_a_connection_that_ends_early_is_tried_again(
    server: BigQueryServer, client: bigquery.Client
) -> None:
    schema = client.get_table(TABLE).schema
    server.cut("tabledata.list", after_bytes=300)
    assert len(list(client.list_rows(TABLE, schema, retry=QUICK))) == 11
    assert server.counts["tabledata.list"] == 2


def test_an_unknown_path_is_not_found(server: BigQueryServer, client: bigquery.Client) -> None:
    with pytest.raises(exceptions.NotFound, match="The sandbox does not know POST"):
        client.create_dataset("new")
    with pytest.raises(exceptions.BadRequest, match="Only query jobs"):
        client.copy_table(TABLE, "example-billing.d.copy")


# jobs


def test_a_slow_job_is_waited_for(server: BigQueryServer, client: bigquery.Client) -> None:
    server.set_pace(polls=3)
    job = client.query("SELECT 1 AS v")
    assert job.state == "RUNNING"
    assert [found["v"] for found in job.result()] == [1]
    assert server.counts["jobs.get"] + server.counts["jobs.getQueryResults"] >= 4
    assert client.get_job(job.job_id).state == "DONE"
    assert [found["v"] for found in client.query_and_wait("SELECT 2 AS v")] == [2]


def test_a_job_can_be_cancelled(server: BigQueryServer, client: bigquery.Client) -> None:
    server.set_pace(polls=100)
    job = client.query("SELECT 1", job_retry=None)
    assert job.cancel()
    assert job.error_result["reason"] == "stopped"
    assert server.counts["jobs.cancel"] == 1


def test_a_job_id_is_used_once(client: bigquery.Client) -> None:
    client.query("SELECT 1", job_id="mine", job_retry=None).result(job_retry=None)
    with pytest.raises(exceptions.Conflict, match=r"Already Exists: Job example-billing:US.mine"):
        client.query("SELECT 1", job_id="mine", job_retry=None)
    with pytest.raises(exceptions.NotFound, match=r"Not found: Job example-billing:US.other"):
        client.get_job("other")


# authorisation


@pytest.fixture
def strict(bigquery_server: BigQueryServer) -> BigQueryServer:
    """A server that asks for a token."""
    bigquery_server.load(TABLE, costs())
    bigquery_server.anonymous = False
    return bigquery_server


def test_a_service_account_gets_a_token_and_a_new_one_when_it_expired(
    strict: BigQueryServer, bigquery_client: ClientFactory
) -> None:
    client = bigquery_client(strict, signed=True)
    assert client.get_table(TABLE).num_rows == 11
    assert client.get_table(TABLE).num_rows == 11
    assert strict.counts == {"token": 1, "tables.get": 2}
    strict.expire_tokens()
    assert client.get_table(TABLE).num_rows == 11
    assert strict.counts == {"token": 2, "tables.get": 4}  # one was refused with 401


def test_an_expired_token_in_the_middle_of_pages_loses_nothing(
    strict: BigQueryServer, bigquery_client: ClientFactory
) -> None:
    client = bigquery_client(strict, signed=True)
    strict.before("tabledata.list", strict.expire_tokens, nth=2)
    assert len(list(client.list_rows(TABLE, page_size=4))) == 11
    assert strict.counts == {"token": 2, "tables.get": 1, "tabledata.list": 4}


def test_without_a_token_the_client_is_refused(
    strict: BigQueryServer, bigquery_client: ClientFactory
) -> None:
    request = urllib.request.Request(f"{strict.url}/bigquery/v2/projects/p/datasets")
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request):
        pass
    assert caught.value.code == 401
    error = json.load(caught.value)["error"]
    caught.value.close()
    assert (error["status"], error["errors"][0]["reason"]) == ("UNAUTHENTICATED", "authError")
    client = bigquery_client(strict)
    with pytest.raises(Exception, match="Anonymous credentials cannot be refreshed"):
        client.get_table(TABLE)


def test_a_key_of_someone_else_gets_no_token(
    strict: BigQueryServer, bigquery_client: ClientFactory
) -> None:
    account = strict.service_account() | {"client_email": "other@example.com"}
    credentials = service_account.Credentials.from_service_account_info(account)
    client = bigquery.Client("p", credentials, client_options={"api_endpoint": strict.url})
    with pytest.raises(RefreshError, match="invalid_grant: Invalid grant: account not found"):
        client.get_table(TABLE)
    client.close()
    strict.fail("token", "backendError")
    assert bigquery_client(strict, signed=True).get_table(TABLE).num_rows == 11


def test_what_google_auth_asks_besides_is_refused_here(
    strict: BigQueryServer, bigquery_client: ClientFactory
) -> None:
    client = bigquery_client(strict, signed=True)
    assert client.get_table(TABLE).num_rows == 11
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("google.auth"):
            thread.join(20)
    assert set(strict.refused) == {"iamcredentials.googleapis.com"}


def test_the_emulator_variable_names_the_server(
    server: BigQueryServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps(server.service_account()))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    client = bigquery.Client()  # project and credentials are the key file's
    assert client.project == "example-billing"
    assert client.get_table(TABLE).num_rows == 11
    client.close()

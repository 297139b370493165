"""Pages of BigQuery's REST API that arrow reads: the same cells as the client's own parsing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.bigquery.pages import Cells, parsed
from pipelines.bigquery.rows import of_page, tables

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer
    from tests.support.providers.bigquery_fixtures import ClientFactory

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.none()


def body(rows: list[list[Any]], **others: Any) -> bytes:
    """A page as BigQuery writes it."""
    page = {"rows": [{"f": [{"v": cell} for cell in row]} for row in rows]} | others
    return json.dumps(page, indent=2).encode()


@settings(max_examples=100)
@given(st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(_TEXT, min_size=width, max_size=width), max_size=6)
))  # fmt: skip
def test_every_cell_is_the_text_that_was_sent(rows: list[list[str | None]]) -> None:
    page = parsed(body(rows, pageToken="next", totalRows="9", schema={"fields": [{"x": 1}]}))
    assert page is not None
    assert (page["pageToken"], page["totalRows"]) == ("next", "9")
    cells = page["rows"]
    assert len(cells) == len(rows)
    assert [[cell["v"] for cell in row["f"]] for row in cells] == rows
    if rows:
        schema = pa.schema([(str(number), pa.string()) for number in range(len(rows[0]))])
        wanted = of_page([{"f": [{"v": cell} for cell in row]} for row in rows], schema)
        assert of_page(cells, schema).equals(wanted)


def test_what_a_query_says_of_itself_is_as_the_client_would_read_it() -> None:
    said: dict[str, Any] = {
        "kind": "bigquery#queryResponse",
        "schema": {
            "fields": [
                {"name": "a", "type": "STRING", "mode": "NULLABLE"},
                {"name": "b", "type": "RECORD", "fields": [{"name": "c", "type": "FLOAT"}]},
            ]
        },
        "jobReference": {"projectId": "p", "jobId": "job_1", "location": "US"},
        "totalRows": "2",
        "totalBytesProcessed": "10485760",
        "jobComplete": True,
        "cacheHit": False,
        "creationTime": "1790000000000",
    }
    page = parsed(body([["1"], [None]], **said))
    assert page is not None
    cells = page.pop("rows")
    assert page == said
    assert [list(each) for each in (cells[:None], cells[:1], cells[1:], cells[:0])] == [
        [{"f": [{"v": "1"}]}, {"f": [{"v": None}]}],
        [{"f": [{"v": "1"}]}],
        [{"f": [{"v": None}]}],
        [],
    ]


@pytest.mark.parametrize(
    "content",
    [
        body([["a"]], schema={"fields": [{"description": "2026-10-01"}]}),  # arrow makes it a time
        b'{"jobComplete": false}',
        body([[["a list"]]]),
        body([[{"f": [{"v": "a record"}]}]]),
        body([[1.5]]),
        body([["a", "b"], ["c"]]),
        b'{"rows": [null]}',
        b'{"rows": [{"f": null}]}',
        b'{"rows": [',
        b'{"rows": []}{"rows": []}',
        b"",
    ],
)
def test_what_is_no_flat_page_is_left_to_the_client(content: bytes) -> None:
    assert parsed(content) is None


def test_the_last_page_has_no_token() -> None:
    page = parsed(body([["a"]]))
    assert page is not None
    assert sorted(page) == ["rows"]


def test_the_client_reads_its_pages_by_arrow(
    bigquery_server: BigQueryServer, bigquery_client: ClientFactory
) -> None:
    from pipelines.bigquery.pages import read_by_arrow

    schema = pa.schema([("n", pa.int64()), ("name", pa.string())])
    names = [None if number % 7 == 3 else f'"{number}"\\ \n\u20ac' for number in range(25)]
    sent = pa.table({"n": list(range(25)), "name": names}, schema)
    bigquery_server.load("p.d.t", sent)
    bigquery_server.set_pace(page_rows=10)
    client = bigquery_client(bigquery_server)
    client._http.hooks["response"].append(read_by_arrow)
    sql = "select n, name from `p.d.t` order by n"
    kinds = [type(page.raw_page["rows"]) for page in client.query_and_wait(sql).pages]
    assert kinds == [Cells, Cells, Cells]
    got = pa.concat_tables(tables(client.query_and_wait(sql), schema))
    assert got.equals(sent)
    assert [tuple(row.values()) for row in client.query_and_wait(sql)] == list(
        zip(*sent.to_pydict().values(), strict=True)
    )

"""Pages of BigQuery's REST API that arrow reads: the same cells as the client's own parsing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.gcp.pages import Cells, parsed
from pipelines.gcp.rows import of_page, tables

if TYPE_CHECKING:
    from scripts.bigquery_server import BigQueryServer
    from tests.bigquery_fixtures import ClientFactory

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.none()


def body(rows: list[list[Any]], **others: Any) -> bytes:
    """A page as BigQuery writes it."""
    page = {"rows": [{"f": [{"v": cell} for cell in row]} for row in rows]} | others
    return json.dumps(page, indent=2).encode()


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


@pytest.mark.parametrize(
    "content",
    [
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


def test_the_client_reads_its_later_pages_by_arrow(
    bigquery_server: BigQueryServer, bigquery_client: ClientFactory
) -> None:
    from pipelines.gcp.pages import read_by_arrow

    schema = pa.schema([("n", pa.int64()), ("name", pa.string())])
    names = [None if number % 7 == 3 else f'"{number}"\\ \n\u20ac' for number in range(25)]
    sent = pa.table({"n": list(range(25)), "name": names}, schema)
    bigquery_server.load("p.d.t", sent)
    bigquery_server.set_pace(page_rows=10)
    client = bigquery_client(bigquery_server)
    client._http.hooks["response"].append(read_by_arrow)
    sql = "select n, name from `p.d.t` order by n"
    kinds = [type(page.raw_page["rows"]) for page in client.query_and_wait(sql).pages]
    assert kinds == [list, Cells, Cells]
    got = pa.concat_tables(tables(client.query_and_wait(sql), schema))
    assert got.equals(sent)
    assert [tuple(row.values()) for row in client.query_and_wait(sql)] == list(
        zip(*sent.to_pydict().values(), strict=True)
    )

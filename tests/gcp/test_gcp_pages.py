"""Pages of BigQuery's REST API that arrow reads: the same cells as the client's own parsing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.bigquery.pages import Rows, parsed
from pipelines.bigquery.rows import of_page, tables

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer
    from tests.support.providers.bigquery_fixtures import ClientFactory

#: Texts that look like parts of a page.
LOOKALIKES = [
    '"rows":[',
    '{"f":[{"v":"a"}]}',
    '{"v":{',
    "}]}]",
    '}]}],"rows":[{"f":[',
    "\\",
    "null",
]
_TEXT = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(LOOKALIKES)
    | st.none()
)


def body(rows: list[list[Any]], *, is_compact: bool = True, **others: Any) -> bytes:
    """A page as BigQuery writes it for its client, or for people."""
    page = others | {"rows": [{"f": [{"v": cell} for cell in row]} for row in rows], "cacheHit": 0}
    how: dict[str, Any] = {"separators": (",", ":")} if is_compact else {"indent": 2}
    return json.dumps(page, **how).encode()


@settings(max_examples=100)
@given(st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(_TEXT, min_size=width, max_size=width), max_size=6)
), st.booleans())  # fmt: skip
def test_every_cell_is_the_text_that_was_sent(
    rows: list[list[str | None]], is_compact: bool
) -> None:
    said = {"pageToken": "next", "totalRows": "9", "schema": {"fields": [{"name": "rows"}]}}
    page = parsed(body(rows, is_compact=is_compact, **said))
    if not rows:
        assert page is None
        return
    assert page is not None
    assert {name: page[name] for name in said} == said
    cells = page["rows"]
    assert len(cells) == len(rows)
    assert [[cell["v"] for cell in row["f"]] for row in cells] == rows
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
        "creationTime": "1790000000000",
    }
    page = parsed(body([["1"], [None]], **said))
    assert page is not None
    cells = page.pop("rows")
    assert page == said | {"cacheHit": 0}
    assert [list(each) for each in (cells[:None], cells[:1], cells[1:], cells[:0])] == [
        [{"f": [{"v": "1"}]}, {"f": [{"v": None}]}],
        [{"f": [{"v": "1"}]}],
        [{"f": [{"v": None}]}],
        [],
    ]


@pytest.mark.parametrize(
    "content",
    [
        b'{"jobComplete": false}',
        body([[[{"v": "a list"}]]]),
        body([[{"f": [{"v": "a record"}]}]]),
        body([[{"f": [{"v": "a record"}]}]], is_compact=False),
        body([]),
        b'{"said": ' + body([["a"]]) + b"}",
        b'{"said": "}]}]" ' + body([["a"]]),
        b'{"rows": [null]}',
        b'{"rows": [{"f": null}]}',
        b'{"rows": [',
        b'{"rows": []}{"rows": []}',
        b"",
    ],
)
def test_what_is_no_flat_page_is_left_to_the_client(content: bytes) -> None:
    assert parsed(content) is None


@pytest.mark.parametrize(
    "rows",
    [
        [[["a list"]]],
        [[1.5]],
        [["a", "b"], ["c"]],
    ],
)
def test_rows_that_arrow_cannot_have_are_as_the_client_would_read_them(
    rows: list[list[Any]],
) -> None:
    page = parsed(body(rows))
    assert page is not None
    wanted = [{"f": [{"v": cell} for cell in row]} for row in rows]
    assert list(page["rows"]) == wanted
    assert list(page["rows"][:1]) == wanted[:1]


def test_rows_that_are_no_json_are_an_error() -> None:
    page = parsed(b'{"rows":[{"f":[{"v":"a"}]},{"f":[{"v":tru}]}]}')
    assert page is not None
    with pytest.raises(ValueError, match="Expecting value: line 1 column 31"):
        list(page["rows"])


def test_the_last_page_has_no_token() -> None:
    page = parsed(body([["a"]]))
    assert page is not None
    assert sorted(page) == ["cacheHit", "rows"]


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
    assert kinds == [Rows, Rows, Rows]
    got = pa.concat_tables(tables(client.query_and_wait(sql), schema))
    assert got.equals(sent)
    assert [tuple(row.values()) for row in client.query_and_wait(sql)] == list(
        zip(*sent.to_pydict().values(), strict=True)
    )

"""Pages of BigQuery's REST API, parsed by arrow instead of into a Python object for every cell.

A page is `{"pageToken": …, "rows": [{"f": [{"v": text}, …]}, …], …}`; the first one comes with what
a query says of itself, such as its schema. A hook of the client's HTTP session reads all but the
rows, which is enough to ask for the next page; arrow reads the rows when somebody wants them, while
BigQuery makes that page. Whatever does not look like this is left to the client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.json
import requests

_CELLS = pa.list_(pa.struct([("v", pa.string())]))
_PAGE = pa.schema([("rows", pa.list_(pa.struct([("f", _CELLS)])))])

# None of these can be part of a text, in which JSON writes a quote as \".
_ROWS = re.compile(rb'"rows"\s*:\s*\[')
_ROW = re.compile(rb'\{\s*"f"\s*:\s*\[')
_RECORD = re.compile(rb'"v"\s*:\s*\{')
_END = re.compile(rb"\}\s*\]\s*\}\s*\]")
#: What follows the rows is a few numbers; the end of the rows is looked for in so many bytes.
_TAIL = 65_536


@dataclass(frozen=True)
class _Text:
    """The rows of a page as JSON, an array of `count` objects."""

    json: bytes
    count: int

    @cached_property
    def cells(self) -> pa.StringArray | None:
        """All their cells as one array of text, row by row; None where arrow can't have it so."""
        content = b'{"rows":' + self.json + b"}"
        try:
            table = pyarrow.json.read_json(
                pa.BufferReader(content),
                pyarrow.json.ReadOptions(use_threads=False, block_size=len(content) + 1),
                pyarrow.json.ParseOptions(explicit_schema=_PAGE, newlines_in_values=True),
            )
        except pa.ArrowInvalid:
            return None
        rows = table["rows"].combine_chunks().flatten()
        per_row = rows.field("f").value_lengths()
        cells = rows.field("f").flatten()
        if rows.null_count or per_row.null_count or cells.null_count or len(per_row.unique()) > 1:
            return None
        return cells.field("v") if len(rows) == self.count else None

    @cached_property
    def plain(self) -> list[dict[str, Any]]:
        """As the client itself would have them. Raises ValueError for what is no such array."""
        rows: list[dict[str, Any]] = json.loads(self.json)
        if len(rows) != self.count:
            raise ValueError(f"a page of {len(rows)} rows looks like one of {self.count}")
        return rows


class Rows:
    """The rows of one page, parsed when they are asked for."""

    def __init__(self, text: _Text, chosen: range) -> None:
        self._text, self._chosen = text, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """As the client itself would have them."""
        if self._cells is None:
            yield from self._plain
            return
        for start in range(0, len(self._cells), self._width or 1):
            cells = self._cells.slice(start, self._width).to_pylist()
            yield {"f": [{"v": text} for text in cells]}

    def __getitem__(self, rows: slice) -> Rows:
        """Some of them, as the client asks for the first `max_results`."""
        chosen = self._chosen[rows]
        if chosen.step != 1:
            raise ValueError(f"rows {rows}: one after the other only")
        return Rows(self._text, chosen)

    def columns(self) -> Iterable[Any]:
        """The cells of each column, as arrow's text or as `by_column` has them."""
        if self._cells is None:
            return by_column(self._plain)
        starts = np.arange(len(self), dtype=np.int64) * self._width
        return map(self._cells.take, (pa.array(starts + number) for number in range(self._width)))

    @cached_property
    def _width(self) -> int:
        return len(self._text.cells or ()) // self._text.count

    @cached_property
    def _cells(self) -> pa.StringArray | None:
        cells, width = self._text.cells, self._width
        if cells is None:
            return None
        return cells.slice(self._chosen.start * width, len(self) * width)

    @property
    def _plain(self) -> list[dict[str, Any]]:
        return self._text.plain[self._chosen.start : self._chosen.stop]


def by_column(rows: list[dict[str, Any]]) -> Iterable[Any]:
    """The cells of each column of rows as the client has them."""
    return zip(*([cell["v"] for cell in row["f"]] for row in rows), strict=True)


def parsed(content: bytes) -> dict[str, Any] | None:
    """A page, its rows yet to be parsed; None for what does not look like one."""
    begin = _ROWS.search(content)
    if not begin:
        return None
    ends = list(_END.finditer(content, max(begin.end(), len(content) - _TAIL)))
    if not ends:
        return None
    end = ends[-1]
    text = content[begin.end() - 1 : end.end()]
    if (b'"v":{' in text) if b'{"f":[' in text else _RECORD.search(text):
        return None  # a record, whose own `f` is no row
    count = text.count(b'{"f":[') or sum(1 for _ in _ROW.finditer(text))
    try:
        page: dict[str, Any] = json.loads(content[: begin.end()] + content[end.end() - 1 :])
    except ValueError:
        return None
    if not count or page.get("rows") != []:
        return None
    return page | {"rows": Rows(_Text(text, count), range(count))}


class _Page(requests.Response):
    """A response whose JSON is read already, up to its rows."""

    page: dict[str, Any]

    def json(self, **_: Any) -> dict[str, Any]:
        """The page."""
        return self.page


def read_by_arrow(response: requests.Response, **_: Any) -> requests.Response:
    """For `session.hooks["response"]`: the same response, or one whose rows arrow will read."""
    path = urlsplit(response.url).path
    is_page = path.endswith(("/data", "/queries")) or "/queries/" in path
    if response.status_code != 200 or not is_page:
        return response
    page = parsed(response.content)
    if page is None:
        return response
    made = _Page()
    made.__dict__.update(response.__dict__)
    made.page = page
    return made

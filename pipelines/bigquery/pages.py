"""Pages of BigQuery's REST API, parsed by arrow instead of into a Python object for every cell.

A page is `{"pageToken": …, "rows": [{"f": [{"v": text}, …]}, …]}`; the first one comes with what a
query says of itself, such as its schema. A hook of the client's HTTP session lets arrow read them;
whatever it cannot read is left to the client.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.json
import requests

_CELLS = pa.list_(pa.struct([("v", pa.string())]))
_PAGE = pa.schema(
    [
        ("pageToken", pa.string()),
        ("totalRows", pa.string()),
        ("rows", pa.list_(pa.struct([("f", _CELLS)]))),
    ]
)


class Cells:
    """The rows of one page: all their cells as one array of text, row by row."""

    def __init__(self, cells: pa.StringArray, count: int) -> None:
        self._cells, self._count = cells, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """As the client itself would have them."""
        width = self.width
        for start in range(0, len(self._cells), width or 1):
            cells = self._cells.slice(start, width).to_pylist()
            yield {"f": [{"v": text} for text in cells]}

    def __getitem__(self, rows: slice) -> Cells:
        """Some of them, as the client asks for the first `max_results`."""
        numbers, width = range(self._count)[rows], self.width
        if numbers.step != 1:
            raise ValueError(f"rows {rows}: one after the other only")
        return Cells(self._cells.slice(numbers.start * width, len(numbers) * width), len(numbers))

    @property
    def width(self) -> int:
        """Number of cells in a row."""
        return len(self._cells) // self._count if self._count else 0

    def columns(self) -> Iterator[pa.StringArray]:
        """The cells of each column, as text."""
        starts = np.arange(self._count, dtype=np.int64) * self.width
        for number in range(self.width):
            yield self._cells.take(pa.array(starts + number))


def parsed(content: bytes) -> dict[str, Any] | None:
    """A page; None when arrow cannot read it like this."""
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(content),
            pyarrow.json.ReadOptions(use_threads=False, block_size=len(content) + 1),
            pyarrow.json.ParseOptions(explicit_schema=_PAGE, newlines_in_values=True),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != 1 or not table["rows"][0].is_valid:
        return None
    rows = table["rows"].combine_chunks().flatten()
    per_row = rows.field("f").value_lengths()
    cells = rows.field("f").flatten()
    if rows.null_count or per_row.null_count or cells.null_count or len(per_row.unique()) > 1:
        return None
    others = table.drop_columns("rows")
    if any(map(_is_guess, others.schema.types)):
        return None
    page: dict[str, Any] = _said(others.to_pylist()[0])
    return page | {"rows": Cells(cells.field("v"), len(rows))}


def _is_guess(kind: pa.DataType) -> bool:
    """Whether arrow took a text in it for a time."""
    if pa.types.is_nested(kind):
        return any(_is_guess(kind.field(number).type) for number in range(kind.num_fields))
    return bool(pa.types.is_temporal(kind))


def _said(value: Any) -> Any:
    """Without the None that arrow adds to records for fields of other records."""
    if isinstance(value, dict):
        return {name: _said(each) for name, each in value.items() if each is not None}
    return [_said(each) for each in value] if isinstance(value, list) else value


class _Page(requests.Response):
    """A response with JSON that is parsed already."""

    page: dict[str, Any]

    def json(self, **_: Any) -> dict[str, Any]:
        """The page that arrow has parsed already."""
        return self.page


def read_by_arrow(response: requests.Response, **_: Any) -> requests.Response:
    """For `session.hooks["response"]`: the same response, or one that arrow has read."""
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

"""Rows laid aside on disk by their day, for a partition whose daily rows do not fit into memory."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.normalize import columns
from pipelines.normalize.codes import Codes, codes_of, taken
from pipelines.normalize.groups import as_grouped
from pipelines.tables.daily import LINES

DAYS = 4
"""So many days at most are put together at a time."""
_MONTH = 31
_HALF = 2  # text of more distinct values than a half of the rows is kept as it is


class Aside:
    """Cost lines or daily rows in one scratch file, by the few days that they are of.

    About as many lines as `most` are put together at a time, if a month has as many as `expected`:
    where a day has more, they are divided by their resource, too.
    """

    def __init__(self, folder: Path, expected: int, most: int) -> None:
        of_day = expected / _MONTH / most
        self._days = max(1, min(DAYS, int(1 / of_day))) if of_day else DAYS
        self._parts = max(1, math.ceil(of_day))
        with ExitStack() as opened:
            self._file = opened.enter_context(tempfile.TemporaryFile(dir=folder))
            self._open = opened.pop_all()
        self._pieces: dict[int, list[tuple[int, int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def close(self) -> None:
        """Removes the file."""
        self._open.close()

    def put(self, tables: Sequence[pa.Table]) -> None:
        """Appends the rows of all tables, each piece of some days as a stream of its own."""
        rows = {name: _joined([table[name] for table in tables]) for name in tables[0].column_names}
        numbers = rows["x_usage_date"].cast(pa.int32()).fill_null(-DAYS).to_numpy() // self._days
        if self._parts > 1:
            numbers = numbers * self._parts + _hashed(rows["resource_id"], self._parts)
        order = np.argsort(numbers, kind="stable")
        at = pa.array(order)
        ordered = pa.table({name: taken(column, at) for name, column in rows.items()})
        numbers = numbers[order]
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
        for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
            piece = ordered.slice(start, end - start)
            begins = self._file.seek(0, 2)
            with pa.ipc.new_stream(self._file, piece.schema) as stream:
                stream.write_table(piece)
            place = begins, self._file.tell() - begins
            self._pieces.setdefault(int(numbers[start]), []).append(place)

    def by_days(self) -> Iterator[list[pa.Table]]:
        """Per few days, in their order, what was laid aside of them, as daily rows."""
        for _, pieces in sorted(self._pieces.items()):
            yield [self._piece(*piece) for piece in pieces]

    def _piece(self, start: int, size: int) -> pa.Table:
        self._file.seek(start)
        rows = pa.ipc.open_stream(self._file.read(size)).read_all()
        return rows if LINES in rows.column_names else as_grouped(rows)


def _joined(parts: Sequence[pa.ChunkedArray]) -> pa.Array:
    """A column in one piece: a dictionary of many values is no shorter than the text, and would
    have to be divided for each day."""
    chunks = [chunk for part in parts for chunk in part.chunks]
    if pa.types.is_dictionary(chunks[0].type):
        distinct, rows = (sum(map(len, each)) for each in ([c.dictionary for c in chunks], chunks))
        if distinct * _HALF > rows:
            chunks = [chunk.cast(pa.string()) for chunk in chunks]
    return columns.one(pa.chunked_array(chunks))


def _hashed(column: pa.Array, below: int) -> Codes:
    """A number below `below` for each text, the same in every table; 0 for NULL."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    texts = coded.dictionary.to_numpy(zero_copy_only=False)
    numbers = np.append(pd.util.hash_array(texts, categorize=False) % below, 0).astype(np.int64)
    found: Codes = numbers[codes_of(coded, null=len(texts))]
    return found

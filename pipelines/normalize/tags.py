"""Tag maps: user keys lose AWS's prefix, double keys become one, configured keys become columns.

Keys are worked on through the dictionary of a batch's distinct keys, so a key is stripped once per
batch and not once per row. Rules (the twin follows them too):

- `user:` or `user_` is taken off a key once. `aws:createdBy` keeps its prefix; '' is a key too.
- When that makes two keys of a row equal, the one that carried the prefix stays (it is the user's
  key as AWS delivers it), else the first. Doubles must go: DuckDB refuses parquet maps with them.
- A configured key takes the entry of exactly its spelling, else the row's first that equals it in
  lower case. Where AWS delivers the key `Cost Center` as `cost_center`, configure it so.
- The value '' stays in the map and is NULL in a tag column; in a map NULL counts as ''.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.normalize import columns
from pipelines.normalize.codes import of_codes
from pipelines.normalize.columns import Booleans, Integers, Raw
from pipelines.tables.schema import tag_column_name, tag_key

MAP = pa.map_(columns.TEXT, columns.TEXT)
_FEW_CELLS = 1 << 24


@dataclass(frozen=True)
class Entries:
    """A map column taken apart: entry i says that row `row[i]` has `keys[i]` = `values[i]`."""

    null: Booleans
    """Per row: it has no map at all, which is not the same as an empty one."""
    row: Integers
    keys: pa.DictionaryArray
    values: pa.DictionaryArray

    def pick(self, *tests: Callable[[str], bool]) -> pa.DictionaryArray:
        """Per row the value of its first key to pass the first test, else the next; '' as NULL."""
        keys = self.keys.dictionary.to_pylist()
        codes = self.values.indices.to_numpy()
        empty = self._is_empty
        picked = np.full(len(self.null), -1, np.int32)
        passing = [tuple(test(key) for key in keys) for test in tests]
        for wanted in reversed(dict.fromkeys(passing)):  # most often a key has one spelling
            hits = self._of_keys(np.array(wanted, bool))[::-1]  # a row's first is written last
            picked[self.row[hits].astype(np.int64)] = codes[hits]
        if empty.any():
            picked[empty[picked]] = -1
        return of_codes(picked.astype(np.int64), self.values)

    def _of_keys(self, wanted: Booleans) -> npt.NDArray[np.integer]:
        """The entries with one of these keys, in their order."""
        codes, keys = self.keys.indices.to_numpy(), np.flatnonzero(wanted)
        return np.flatnonzero(codes == keys[0] if len(keys) == 1 else wanted[codes])

    @cached_property
    def _is_empty(self) -> Booleans:
        """Of each distinct value whether it is ''; at the end False, for a row without value."""
        empty = pc.equal(self.values.dictionary, "").to_numpy(zero_copy_only=False)
        return np.append(empty, False).astype(bool)

    def map(self) -> pa.MapArray:
        """Back together, as type MAP. A row without a map has an empty one: ClickHouse has no NULL
        map, and the twins agree.
        """
        ends = np.cumsum(np.bincount(self.row, minlength=len(self.null)), dtype=np.int32)
        offsets = pa.array(np.append(np.int32(0), ends))
        return pa.MapArray.from_arrays(offsets, self.keys, self.values)

    def renamed(self, name: Callable[[str], str | None]) -> Entries:
        """The entries with other keys, and only those to which `name` gives one."""
        keys = columns.lookup(self.keys, name)
        return Entries(self.null, self.row, keys, self.values).take(
            np.flatnonzero(columns.is_set(keys))
        )

    def take(self, entries: npt.NDArray[np.integer]) -> Entries:
        """The entries at these indices, in this order."""
        at = pa.array(entries)
        return Entries(self.null, self.row[entries], self.keys.take(at), self.values.take(at))


def delivered(raw: Raw, name: str, flat: str) -> Entries:
    """A raw table's map `name`, else its columns `<flat>…` as one, with the keys as they came."""
    names = [column for column in raw.table.schema.names if column.startswith(flat)]
    if name in raw.table.schema.names or not names:
        return entries(raw, name)
    return _from_flat({column.removeprefix(flat): raw.text(column) for column in names})


def entries(raw: Raw, name: str) -> Entries:
    """A map<text, text> column as delivered; every row NULL when it is missing."""
    column = raw.values(name)
    if column is None:
        nothing = columns.nulls(0)
        return Entries(np.ones(raw.rows, bool), np.zeros(0, np.int32), nothing, nothing)
    if not pa.types.is_map(column.type):
        raise columns.wrong_type(name, column.type, "a map of text to text")
    offsets = column.offsets.to_numpy()
    inside = slice(offsets[0], offsets[-1])  # of a sliced map, .keys and .items forget the slice
    values = columns.dictionary(column.items[inside], f"{name} (its values)")
    if values.null_count or values.dictionary.null_count:
        values = columns.lookup(values, lambda text: text, otherwise="")
    taken = Entries(
        ~columns.is_set(column),
        np.repeat(np.arange(len(column), dtype=np.int32), np.diff(offsets)),
        columns.dictionary(column.keys[inside], f"{name} (its keys)"),
        values,
    )
    unreachable = taken.null[taken.row]
    return taken.take(np.flatnonzero(~unreachable)) if unreachable.any() else taken


def joined(one: Entries, other: Entries) -> Entries:
    """The entries of both, those of `one` first in each row."""
    if not len(other.keys):
        return Entries(one.null & other.null, one.row, one.keys, one.values)
    row = np.concatenate([one.row, other.row])
    keys = columns.one(pa.chunked_array([one.keys, other.keys], columns.TEXT))
    values = columns.one(pa.chunked_array([one.values, other.values], columns.TEXT))
    by_row = np.argsort(row, kind="stable")
    return Entries(one.null & other.null, row, keys, values).take(by_row)


def first_of_equal(found: Entries) -> Entries:
    """Each key of a row once, with its first value."""
    cell = found.row.astype(np.int64) * len(found.keys.dictionary) + found.keys.indices.to_numpy()
    _, winners = np.unique(cell, return_index=True)
    return found if len(winners) == len(cell) else found.take(np.sort(winners))


def stripped(raw: Entries) -> Entries:
    """Keys without the user's prefix, each at most once per row."""
    keys = columns.lookup(raw.keys, tag_key)
    kept = Entries(raw.null, raw.row, keys, raw.values)
    cell = raw.row.astype(np.int64) * len(keys.dictionary) + keys.indices.to_numpy()
    if not _has_doubles(cell, len(raw.null) * len(keys.dictionary)):
        return kept
    prefixed = columns.is_in(
        raw.keys, {k for k in raw.keys.dictionary.to_pylist() if tag_key(k) != k}
    )
    best_first = np.lexsort((~prefixed, cell))  # stable: of equals, the first in the row
    _, winners = np.unique(cell[best_first], return_index=True)
    return kept.take(np.sort(best_first[winners]))


def tag_columns(found: Entries, keys: Sequence[str]) -> dict[str, pa.DictionaryArray]:
    """One text column per configured key, by column name."""
    return {tag_column_name(key): pick_tag(found, key) for key in keys}


def pick_tag(found: Entries, key: str) -> pa.DictionaryArray:
    """The value of one tag per row: exact spelling first, then any other case."""
    wanted, lower = tag_key(key), tag_key(key).lower()
    return found.pick(lambda k: k == wanted, lambda k: k.lower() == lower)


def _from_flat(flat: Mapping[str, pa.DictionaryArray]) -> Entries:
    """Entries of one column per key. NULL and '' alike mean that the row does not have the tag."""
    rows = [np.flatnonzero(columns.is_set(column)).astype(np.int32) for column in flat.values()]
    row = np.concatenate(rows)
    by_row = np.argsort(row, kind="stable")
    key = np.repeat(np.arange(len(rows), dtype=np.int32), [len(some) for some in rows])
    keys = pa.DictionaryArray.from_arrays(pa.array(key), pa.array(list(flat), pa.string()))
    values = columns.one(pa.chunked_array([column.drop_null() for column in flat.values()]))
    none = np.zeros(len(next(iter(flat.values()))), bool)
    return Entries(none, row, keys, values).take(by_row)


def _has_doubles(cell: npt.NDArray[np.int64], cells: int) -> bool:
    """Whether a (row, key) pair occurs twice."""
    if cells > _FEW_CELLS:
        return len(np.unique(cell)) < len(cell)
    seen = np.zeros(cells, bool)
    seen[cell] = True
    return int(np.count_nonzero(seen)) < len(cell)

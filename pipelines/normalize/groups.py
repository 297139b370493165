"""Group and sum rows by many columns, through the codes of dictionary-encoded text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.normalize import columns
from pipelines.normalize.codes import Codes, coded, compact
from pipelines.tables.daily import COSTS, LINES, SUMS, WITHOUT_COST, without

Chosen = npt.NDArray[Any]
_WIDEST = 1 << 62
_NONE: Chosen = np.zeros(0, np.int64)


@dataclass(frozen=True)
class _Coded:
    """A column as codes from 0 to `size` - 1."""

    codes: npt.NDArray[np.integer]
    size: int


def grouped(parts: list[pa.Table], keys: Sequence[str]) -> pa.Table:
    """One row per combination of keys, in the order in which they first occur.

    `parts` are cost lines, or results of this function, which may be summed again. They are taken
    out of the list, so that their memory is free as soon as a column is in one piece.
    """
    whole = joined(parts)
    codes = {key: _coded(whole[key]) for key in keys}
    group, first = _groups(list(codes.values()), len(next(iter(whole.values()))))
    found = {key: _first(whole[key], codes[key], first) for key in keys}
    return pa.table(found | _sums(whole, group, len(first)))


def joined(parts: list[pa.Table]) -> dict[str, pa.Array]:
    """Each column in one piece, text as dictionaries. Takes the parts out of the list."""
    schema = parts[0].schema
    chunks = [[chunk for part in parts for chunk in part[name].chunks] for name in schema.names]
    parts.clear()
    whole: dict[str, pa.Array] = {}
    for field, found in zip(schema, chunks, strict=True):
        whole[field.name] = _one(found)
        found.clear()
    return whole


def as_grouped(lines: pa.Table) -> pa.Table:
    """Cost lines as rows of one line each, which can be summed up with results of `grouped`."""
    nulls = {name: pc.cast(pc.is_null(lines[name]), pa.int64()) for name in SUMS}
    either = pc.or_(*(pc.is_null(lines[name]) for name in COSTS))
    counts = {
        LINES: pa.array(np.ones(lines.num_rows, np.int64)),
        **{without(name): found for name, found in nulls.items()},
        WITHOUT_COST: pc.cast(either, pa.int64()),
    }
    return pa.table({name: lines[name] for name in lines.column_names} | counts)


def _first(column: pa.Array, found: _Coded, rows: Codes) -> pa.Array:
    """What a column has in these rows."""
    if not pa.types.is_dictionary(column.type):
        return column if len(rows) == len(column) else column.take(pa.array(rows))
    words = column.dictionary
    if len(rows) == len(column):  # each of its own
        return compact(column) if len(words) > len(rows) else column
    if found.size == 1:
        indices = column.indices.take(pa.array(rows))
    else:
        codes = found.codes[rows]
        indices = pa.array(codes, mask=codes == len(words) if column.null_count else None)
    taken = coded(indices, words)
    return compact(taken) if len(words) > len(rows) else taken


def _one(chunks: Sequence[pa.Array]) -> pa.Array:
    """Some chunks, text as it is or as dictionaries, as one."""
    kinds = {chunk.type for chunk in chunks}
    if len(kinds) > 1:
        chunks = [c if c.type == columns.TEXT else c.dictionary_encode() for c in chunks]
    whole = columns.one(pa.chunked_array(chunks))
    return whole.dictionary_encode() if pa.types.is_string(whole.type) else whole


def _groups(coded: Sequence[_Coded], rows: int) -> tuple[Codes, Codes]:
    """Per row its group's number, and per group its first row.

    Codes of as many columns as fit are one number. What does not fit seldom divides a group again:
    the price of a SKU, the name of an account.
    """
    others = [each for each in coded if each.size > 1]
    if any(_tells_apart(each, rows) for each in others):
        return np.arange(rows), np.arange(rows)
    group, first, groups = np.zeros(rows, np.int64), np.zeros(1, np.int64), 1
    while others:
        others.sort(key=lambda each: each.size, reverse=True)
        key, size, left = group, groups, []
        for each in others:
            if size * each.size > _WIDEST:
                left.append(each)
                continue
            key = key * each.size + each.codes
            size *= each.size
        group, first = _numbered(key)
        groups = len(first)
        others = [x for x in left if not np.array_equal(x.codes[first][group], x.codes)]
    return group, first


def _tells_apart(column: _Coded, rows: int) -> bool:
    """Whether each row has a value of its own."""
    return column.size >= rows and bool(np.bincount(column.codes).max(initial=0) == 1)


def _numbered(key: Codes) -> tuple[Codes, Codes]:
    group, distinct = pd.factorize(key)
    first = np.empty(len(distinct), np.int64)
    first[group[::-1]] = np.arange(len(key) - 1, -1, -1)
    return group, first


def _coded(column: pa.Array) -> _Coded:
    if column.null_count == len(column):
        return _Coded(np.zeros(0, np.int64), 1)
    if pa.types.is_dictionary(column.type):
        size = len(column.dictionary)
        if not column.null_count:
            return _Coded(column.indices.to_numpy(), size)
        return _Coded(column.indices.fill_null(size).to_numpy(), size + 1)
    numbers = _numbers(column)
    if not column.null_count and (numbers == numbers[0]).all():
        return _Coded(numbers, 1)
    codes, distinct = pd.factorize(numbers)  # NaN is -1
    return _Coded(codes + 1, len(distinct) + 1)


def _numbers(column: pa.Array) -> npt.NDArray[Any]:
    """Numbers that differ where the values do; NaN for NULL."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    found: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return found


def _sums(whole: Mapping[str, pa.Array], group: Codes, groups: int) -> dict[str, pa.Array]:
    def total(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Of each group, where a negative zero is none."""
        if groups == len(group):
            return numbers + 0.0
        return np.bincount(group, numbers, groups).astype(np.float64, copy=False)

    def counted(name: str, lines: Chosen | None = None) -> Codes:
        """Lines of each group: by a count of summed rows, else those that are marked."""
        if name in whole:
            return total(whole[name].to_numpy()).astype(np.int64)
        return np.bincount(group if lines is None else group[lines], minlength=groups)

    found = {LINES: counted(LINES)}
    nulls: dict[str, Chosen] = {}
    for name in SUMS:
        numbers = whole[name].to_numpy(zero_copy_only=False)
        if whole[name].null_count:
            nulls[name] = np.isnan(numbers)
            numbers = np.nan_to_num(numbers)
        found[without(name)] = counted(without(name), nulls.get(name, _NONE))
        summed = total(numbers)
        found[name] = pa.array(summed, mask=found[without(name)] == found[LINES])
    either = [nulls[name] for name in COSTS if name in nulls]
    found[WITHOUT_COST] = counted(WITHOUT_COST, np.logical_or.reduce(either) if either else _NONE)
    return {name: pa.array(values) for name, values in found.items()}

"""Typed access to raw columns, and the idioms that keep text dictionary-encoded from read to write.

A raw cloud column repeats few values over many rows. So a rule is worked out once per distinct
value of a batch and spread over the rows by code; nothing here loops over rows. Numbers are numpy
floats in which NaN means NULL; text is of type `TEXT` and never ''.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.normalize.codes import coded, codes_of, compact, taken
from pipelines.tables.schema import ShapeError

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int32]

TEXT = pa.dictionary(pa.int32(), pa.string())
TIME = pa.timestamp("us", tz="UTC")
_LOOKUPS = Path(__file__).parents[1] / "tables" / "lookups"


class Raw:
    """The columns of one raw table by name. One that is missing, or has no value, is all NULL.

    A column of a type that its rule cannot use raises ShapeError: text is never parsed for a
    number, because a column that turned from number to text is a broken delivery.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.rows: int = table.num_rows
        self._texts: dict[str, pa.DictionaryArray] = {}

    def text(self, name: str) -> pa.DictionaryArray:
        """Text of type TEXT, '' as NULL."""
        if name not in self._texts:
            self._texts[name] = self._text(name)
        return self._texts[name]

    def _text(self, name: str) -> pa.DictionaryArray:
        column = self.values(name)
        if column is None:
            return nulls(self.rows)
        return without_empty(dictionary(column, name))

    def number(self, name: str) -> Floats:
        """float64 of any integer, floating or decimal column; NaN where NULL.

        Infinity counts as NULL, as NaN does: a single one would spoil every sum.
        """
        column = self.values(name)
        if column is None:
            return np.full(self.rows, np.nan)
        kind = _value_type(column)
        if not (_is_real(kind) or pa.types.is_decimal(kind)):
            raise wrong_type(name, column.type, "a number")
        numbers: Floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        infinite = np.isinf(numbers)
        return np.where(infinite, np.nan, numbers) if infinite.any() else numbers

    def time(self, name: str) -> pa.TimestampArray:
        """Timestamps in UTC microseconds; a zoneless raw timestamp is UTC, as AWS delivers it."""
        column = self.values(name)
        if column is None:
            return pa.nulls(self.rows, TIME)
        kind = _value_type(column)
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            raise wrong_type(name, column.type, "a timestamp")
        return column.cast(TIME, safe=False)

    def values(self, name: str) -> pa.Array | None:
        """The column in one piece, None when it is missing or has no value."""
        found = self.table.schema.get_all_field_indices(name)
        if not found:
            return None
        if len(found) > 1:
            raise ShapeError(f"Column {name} occurs {len(found)} times: the file is broken.")
        column = one(self.table.column(found[0]))
        return None if column.null_count == len(column) else column


def wrong_type(name: str, found: pa.DataType, wanted: str) -> ShapeError:
    """The error for a column with values of another type than its rule needs."""
    return ShapeError(
        f"Column {name} is {found}, but must be {wanted}."
        " The delivery is broken or the export's columns were changed: compare the file with the"
        " export's settings, then load the partition again with --force."
    )


def require(schema: pa.Schema, names: Iterable[str], product: str) -> None:
    """Raises ShapeError with every column of `names` that is missing in the schema."""
    missing = [name for name in names if name not in schema.names]
    if missing:
        some = ", ".join(schema.names[:5]) or "none"
        raise ShapeError(
            f"Column {', '.join(missing)} is missing (the file begins with {some})."
            f" {product} needs it: add it to the export's columns, or name another export."
        )


def one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A chunked column as one contiguous array."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)


def dictionary(column: pa.Array, name: str) -> pa.DictionaryArray:
    """Any type of text column as TEXT; ShapeError for another type."""
    kind = _value_type(column)
    if not _is_text(kind):
        raise wrong_type(name, column.type, "text")
    if not pa.types.is_dictionary(column.type):
        return column.cast(pa.string()).dictionary_encode()
    if column.type != TEXT:
        column = pa.DictionaryArray.from_arrays(
            column.indices.cast(pa.int32()), column.dictionary.cast(pa.string())
        )
    return compact(column) if len(column.dictionary) > len(column) else column


def without_empty(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """'' and a null among the distinct values become NULL."""
    empty = pc.fill_null(pc.equal(column.dictionary, ""), True)
    if not pc.any(empty, min_count=0).as_py():
        return column
    codes = pc.if_else(taken(empty, column.indices), pa.scalar(None, pa.int32()), column.indices)
    return coded(codes, column.dictionary)


def nulls(rows: int) -> pa.DictionaryArray:
    """Text that is NULL on every row."""
    return pa.nulls(rows, TEXT)


def literal(text: str, rows: int) -> pa.DictionaryArray:
    """The same text on every row."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))


def lookup(
    column: pa.DictionaryArray,
    meaning: Mapping[str, str | None] | Callable[[str], str | None],
    otherwise: str | None = None,
) -> pa.DictionaryArray:
    """What each distinct text means; `otherwise` where it means nothing or is NULL."""
    find = meaning.get if isinstance(meaning, Mapping) else meaning
    words = column.dictionary.to_pylist()
    found = [None if word is None else find(word) for word in words]
    filled = [otherwise if text is None else text for text in (*found, None)]
    new = pa.array(filled, pa.string()).dictionary_encode()
    codes = taken(new.indices, column.indices.fill_null(len(words)))
    return coded(codes, new.dictionary)


def is_in(column: pa.DictionaryArray, words: Collection[str]) -> Booleans:
    """Whether each text is one of `words`; False where NULL."""
    wanted = [word in words for word in column.dictionary.to_pylist()]
    return np.array([*wanted, False], bool)[codes_of(column, null=len(wanted))]


def is_set(column: pa.Array) -> Booleans:
    """Whether each value is not NULL."""
    valid: Booleans = column.is_valid().to_numpy(zero_copy_only=False)
    return valid


def only(column: pa.DictionaryArray, rows: Booleans) -> pa.DictionaryArray:
    """The text on these rows, NULL on the others."""
    codes = pc.if_else(pa.array(rows), column.indices, pa.scalar(None, pa.int32()))
    return coded(codes, column.dictionary)


def first_text(*columns: pa.DictionaryArray) -> pa.DictionaryArray:
    """SQL's coalesce of text columns, on their dictionaries."""
    result = columns[0]
    for other in columns[1:]:
        if result.null_count == 0 or other.null_count == len(other):
            continue
        both = pa.concat_arrays([result.dictionary, other.dictionary]).dictionary_encode()
        shifted = pc.add(other.indices, pa.scalar(len(result.dictionary), pa.int32()))
        codes = pc.coalesce(taken(both.indices, result.indices), taken(both.indices, shifted))
        result = coded(codes, both.dictionary)
    return result


def first(*numbers: Floats) -> Floats:
    """The first value per row that is not NULL, as SQL's coalesce."""
    result = numbers[0]
    for other in numbers[1:]:
        result = np.where(np.isnan(result), other, result)
    return result


def either(left: Floats, right: Floats) -> Floats:
    """The sum in which one NULL counts as 0 and two give NULL."""
    total: Floats = np.nan_to_num(left, nan=0.0) + np.nan_to_num(right, nan=0.0)
    total[np.isnan(left) & np.isnan(right)] = np.nan
    return total


def by_kind(
    kind: pa.DictionaryArray, rules: Mapping[str, Floats | float], otherwise: Floats | float
) -> Floats:
    """`otherwise`, but on rows whose kind has a rule that rule's number."""
    codes = codes_of(kind, null=-1)
    result = np.empty(len(kind))
    result[:] = otherwise
    for code, name in enumerate(kind.dictionary.to_pylist()):
        if name in rules:
            rule, rows = rules[name], np.flatnonzero(codes == code)
            result[rows] = rule[rows] if isinstance(rule, np.ndarray) else rule
    return result


def units_per_usd(currency: pa.DictionaryArray) -> Floats:
    """Units of each row's currency for one USD; NULL where no rate is known, never guessed."""
    return np.where(is_in(currency, {"USD"}), 1.0, np.nan)


def frame(columns: Mapping[str, pa.Array | Floats]) -> pd.DataFrame:
    """A DataFrame of arrow-backed columns that shares their memory; NaN becomes NULL."""
    return pd.DataFrame({name: _series(values) for name, values in columns.items()}, copy=False)


def no_tags(rows: int) -> pa.MapArray:
    """An empty map of text on every row."""
    nothing = pa.array(np.zeros(rows + 1, np.int32))
    return pa.MapArray.from_arrays(nothing, nulls(0), nulls(0))


def no_amounts(rows: int) -> pa.MapArray:
    """An empty map of amounts on every row."""
    nothing = pa.array(np.zeros(rows + 1, np.int32))
    return pa.MapArray.from_arrays(nothing, pa.array([], pa.string()), pa.array([], pa.float64()))


@cache
def constants(file: str, key: str, value: str) -> Mapping[str, str]:
    """One column of lookups/<file> by another. An empty cell means none and is left out."""
    with (_LOOKUPS / file).open(encoding="utf-8", newline="") as lines:
        return {row[key]: row[value] for row in csv.DictReader(lines) if row[value]}


def _series(values: pa.Array | Floats) -> pd.Series:
    array = values if isinstance(values, pa.Array) else pa.array(values, from_pandas=True)
    return pd.Series(pd.arrays.ArrowExtensionArray(array), copy=False)


def _value_type(column: pa.Array) -> pa.DataType:
    return column.type.value_type if pa.types.is_dictionary(column.type) else column.type


def _is_real(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_text(kind: pa.DataType) -> bool:
    """Text by any name; bytes are text of a writer that left out the annotation."""
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary)
    return any(test(kind) for test in tests)

"""The rows of a delivered file in the columns of the contract, batch by batch.

The first batch is empty: it shows the schema.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pipelines.buckets.landed import refuse_cut
from pipelines.core.partition import PartitionError
from pipelines.providers.focus.contract import (
    TEXT_MAP,
    TIME,
    check_types,
    is_text,
    kind_of,
    names_of,
    type_of,
    value_type,
)

_BATCH_ROWS = 65_536
_BLOCK_BYTES = 16 * 1024 * 1024
_ZONE = r"\s*(Z|UTC|\+00:?00)$"


def parquet_batches(path: Path, where: str) -> Iterator[pa.RecordBatch]:
    """The rows of a parquet file. Raises PartitionError for a column of another kind."""
    with pq.ParquetFile(path) as file:
        refuse_cut(file, path, where)
        schema = file.schema_arrow
        names = names_of(schema.names, where)
        check_types(names, schema, where)
        yield typed(names, pa.RecordBatch.from_pylist([], schema))
        for batch in file.iter_batches(_BATCH_ROWS):
            yield typed(names, batch)


def csv_batches(path: Path, where: str, is_gzip: bool) -> Iterator[pa.RecordBatch]:
    """The rows of a CSV: empty is NULL, quoted or not, and so is the word NULL.

    Raises pa.ArrowException for a value that is not of its column's type.
    """
    header = _header(path, where, is_gzip)
    names = names_of(header, where)
    with pa.input_stream(path, compression="gzip" if is_gzip else None) as stream:
        try:
            reader = pacsv.open_csv(
                stream,
                read_options=pacsv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=_convert_options(header, names),
            )
            yield typed(names, pa.RecordBatch.from_pylist([], reader.schema))
            for batch in reader:
                yield typed(names, batch)
        except pa.ArrowInvalid as error:
            raise pa.ArrowInvalid(_with_name(str(error), header)) from error


def _convert_options(header: Sequence[str], names: Sequence[str]) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        column_types={
            original: pa.float64() if kind_of(name) == "number" else pa.string()
            for original, name in zip(header, names, strict=True)
        },
        null_values=["", "NULL"],
        strings_can_be_null=True,
    )


def _header(path: Path, where: str, is_gzip: bool) -> list[str]:
    """The column names; a file without any is an error and not zero rows."""
    opened: Any = gzip.open if is_gzip else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines), [])
    if not header:
        raise PartitionError(f"{where} is empty: not even a header. Deliver this period again.")
    return header


def _with_name(message: str, header: Sequence[str]) -> str:
    """Arrow counts CSV columns; people know them by name."""

    def named(found: re.Match[str]) -> str:
        return f"column {header[int(found[1])]}"

    return re.sub(r"CSV column #(\d+)", named, message)


def typed(names: Sequence[str], batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch under our names, each column in the contract's type."""
    columns = [
        _as_kind(name, original, batch.column(position))
        for position, (name, original) in enumerate(zip(names, batch.schema.names, strict=True))
    ]
    return pa.RecordBatch.from_arrays(columns, names=list(names))


def merged_tags(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    """One map of several columns with lists of key and value as JSON; of a key that several have
    the first column's value. Raises pa.ArrowException."""
    known: dict[tuple[str | None, ...], list[tuple[str, str]]] = {}

    def merged(texts: tuple[str | None, ...]) -> list[tuple[str, str]]:
        found: dict[str, str] = {}
        for text in texts:
            for key, value in _pairs(_parsed(text or "", "labels"), "labels") or ():
                found.setdefault(key, value)
        return list(found.items())

    rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
    for texts in rows:
        if texts not in known:
            known[texts] = merged(texts)
    return pa.array([known[texts] for texts in rows], TEXT_MAP)


def _as_kind(name: str, original: str, column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return column.cast(type_of(name))
    kind = kind_of(name)
    if kind == "number":
        return _number(original, column)
    if kind == "time":
        return _time(original, column)
    return _map(original, column) if kind == "map" else _text(column)


def _number(name: str, column: pa.Array) -> pa.Array:
    numbers = column.cast(pa.float64(), safe=False)
    if pc.any(pc.invert(pc.is_finite(numbers))).as_py():
        raise pa.ArrowInvalid(f"column {name}: an amount is not a finite number.")
    return numbers


def _time(name: str, column: pa.Array) -> pa.Array:
    """A time, or ISO 8601 text; without a zone it is UTC, as the specification says."""
    if not is_text(column.type):
        return column.cast(TIME, safe=False)
    distinct = column.cast(pa.string()).dictionary_encode()
    bare = pc.replace_substring_regex(distinct.dictionary, _ZONE, "")
    try:
        times = pc.assume_timezone(bare.cast(pa.timestamp("us")), "UTC")
    except pa.ArrowInvalid as error:
        raise pa.ArrowInvalid(f"column {name}: {error}.") from error
    return times.take(distinct.indices)


def _text(column: pa.Array) -> pa.Array:
    """Text; a number or a time in its usual form, what is nested as JSON."""
    kind = column.type
    if is_text(kind):
        return column.cast(pa.string())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([_json(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _map(name: str, column: pa.Array) -> pa.Array:
    """Tags: a map, a JSON object as text, a struct, or a list of structs with key and value."""
    kind = value_type(column.type)
    if is_text(kind):
        distinct = column.cast(pa.string()).dictionary_encode()
        maps = [_pairs(_parsed(text, name), name) for text in distinct.dictionary.to_pylist()]
        return pa.array(maps, TEXT_MAP).take(distinct.indices)
    if pa.types.is_map(kind):
        if is_text(kind.item_type) and not column.items.null_count:
            return column.cast(TEXT_MAP)
        found = [None if row is None else _pairs(dict(row), name) for row in column.to_pylist()]
        return pa.array(found, TEXT_MAP)
    quick = _of_records(column) if pa.types.is_list(kind) else None
    if quick is not None:
        return quick
    return pa.array([_pairs(row, name) for row in column.to_pylist()], TEXT_MAP)


def _of_records(column: pa.ListArray) -> pa.MapArray | None:
    """The map of lists of key and value without a loop over rows; None where that cannot be."""
    inner = column.type.value_type
    if not pa.types.is_struct(inner) or {"key", "value"} - {field.name for field in inner}:
        return None
    keys, values = (column.values.field(word) for word in ("key", "value"))
    has_nulls = column.values.null_count or keys.null_count or values.null_count
    if has_nulls or not (is_text(keys.type) and is_text(values.type)):
        return None
    texts = (each.cast(pa.string()) for each in (keys, values))
    return pa.MapArray.from_arrays(column.offsets, *texts).cast(TEXT_MAP)


def _parsed(text: str, name: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise pa.ArrowInvalid(f"column {name}: {text[:80]!r} is not a JSON object.") from error


def _pairs(found: Any, name: str) -> list[tuple[str, str]] | None:
    """The entries with a value."""
    if found is None:
        return None
    if isinstance(found, list):
        try:
            lower = [{name.lower(): value for name, value in each.items()} for each in found]
            found = {each["key"]: each["value"] for each in lower}
        except (AttributeError, KeyError) as error:
            raise pa.ArrowInvalid(f"column {name}: a tag without key and value.") from error
    if not isinstance(found, dict):
        raise pa.ArrowInvalid(f"column {name}: {str(found)[:80]!r} is not a JSON object.")
    return [(str(key), _plain(value)) for key, value in found.items() if value is not None]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _json(value) or ""


def _json(value: Any) -> str | None:
    if value is None:
        return None
    return value.hex() if isinstance(value, bytes) else json.dumps(value, default=str)

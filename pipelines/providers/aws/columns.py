"""Columns of a delivered file under their published names, batch by batch.

Legacy CSV has one column per tag key: they become one map `resource_tags` with the keys as AWS
wrote them, because `user:a-b` and `user:a_b` are two tags and one snake_case name. So do cost
categories, which users name as freely. Other columns that only differ in spelling are merged, as
AWS does for Athena.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pipelines.core.partition import PartitionError
from pipelines.providers.aws.contract import (
    ENDS,
    MAPS,
    NUMBER_MAPS,
    is_text,
    kind_of,
    snake_case,
)

UTC = pa.timestamp("us", "UTC")
TEXT_MAP = pa.map_(pa.string(), pa.string())
NUMBER_MAP = pa.map_(pa.string(), pa.float64())
_FOLDED = {"resourceTags/": "resource_tags", "costCategory/": "cost_category"}
_BATCH_ROWS = 65_536
_BLOCK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Renaming:
    """The provider's column names and ours, in the file's order."""

    original: tuple[str, ...]
    names: list[str]

    @classmethod
    def of(cls, original: Sequence[str], where: str) -> Renaming:
        """Raises PartitionError when two columns would get one name."""
        names = [snake_case(name) for name in original]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise PartitionError(
                f"{where}: several columns become {', '.join(twice)}. Give them other names in "
                "the export's query."
            )
        return cls(tuple(original), names)

    def renamed(self, schema: pa.Schema) -> pa.Schema:
        """The file's schema with our names."""
        return pa.schema(
            [field.with_name(name) for field, name in zip(schema, self.names, strict=True)]
        )

    def nothing_to_do(self, schema: pa.Schema) -> bool:
        """Whether the file may stay untouched."""
        converted = any(_is_converted(field) for field in self.renamed(schema))
        return tuple(self.names) == self.original and not converted


def parquet_batches(path: Path, renaming: Renaming) -> Iterator[pa.RecordBatch]:
    """The rows of a parquet file with our names; maps that came as JSON text become maps, and
    amounts in a map numbers, so that a column has one type whatever the file's format."""
    with pq.ParquetFile(path) as file:
        empty = pa.RecordBatch.from_pylist([], file.schema_arrow)
        yield _converted(empty.rename_columns(renaming.names))
        for batch in file.iter_batches(_BATCH_ROWS):
            yield _converted(batch.rename_columns(renaming.names))


def csv_batches(path: Path, where: str) -> Iterator[pa.RecordBatch]:
    """The rows of a gzipped CSV, typed by the contract, tag columns folded into one map.

    The first batch is empty: it shows the schema. Raises pa.ArrowException for a value that is
    not of its type.
    """
    with pa.input_stream(path, compression="gzip") as stream:
        header = _header(path, where)
        kinds = {name: _kind(name) for name in header}
        Renaming.of([name for name in header if kinds[name] in ("number", "time")], where)
        try:
            reader = pacsv.open_csv(
                stream,
                read_options=pacsv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
                parse_options=pacsv.ParseOptions(newlines_in_values=True),
                convert_options=_convert_options(kinds),
            )
            yield _typed(pa.RecordBatch.from_pylist([], reader.schema), kinds)
            for batch in reader:
                yield _typed(batch, kinds)
        except pa.ArrowInvalid as error:
            raise pa.ArrowInvalid(_with_name(str(error), header)) from error


def _kind(original: str) -> str | None:
    """What a CSV column holds; one that is folded into a map is text."""
    return None if original.startswith(tuple(_FOLDED)) else kind_of(snake_case(original))


def _convert_options(kinds: Mapping[str, str | None]) -> pacsv.ConvertOptions:
    """Empty is NULL, quoted or not; in FOCUS so is the word."""
    return pacsv.ConvertOptions(
        column_types={
            name: pa.float64() if kind == "number" else pa.string() for name, kind in kinds.items()
        },
        null_values=["", "NULL"] if "BilledCost" in kinds else [""],
        strings_can_be_null=True,
    )


def _header(path: Path, where: str) -> list[str]:
    """The column names; a file without any is an error and not zero rows."""
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines), [])
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise PartitionError(
            f"{where}: the header names {', '.join(twice)} more than once. Ask the provider to "
            "deliver this period again."
        )
    if not header:
        raise PartitionError(f"{where} is empty: not even a header. Deliver this period again.")
    return header


def _with_name(message: str, header: Sequence[str]) -> str:
    """Arrow counts CSV columns; people know them by name."""
    return re.sub(r"CSV column #(\d+)", lambda found: f"column {header[int(found[1])]}", message)


def _typed(batch: pa.RecordBatch, kinds: Mapping[str, str | None]) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {}
    for original, kind in kinds.items():
        if original.startswith(tuple(_FOLDED)):
            continue
        column = batch.column(original)
        if kind == "number":
            _refuse_infinite(original, column)
        elif kind == "time":
            column = _time(original, column)
        name = snake_case(original)
        columns[name] = pc.coalesce(columns[name], column) if name in columns else column
    for prefix, name in _FOLDED.items():
        folded = [original for original in kinds if original.startswith(prefix)]
        if folded:
            keys = [original.removeprefix(prefix) for original in folded]
            columns[name] = fold(keys, [batch.column(original) for original in folded])
    return _converted(pa.RecordBatch.from_pydict(columns))


def _refuse_infinite(name: str, column: pa.Array) -> None:
    """Refuse NaN and inf, which arrow accepts as numbers but a cost cannot be."""
    finite = pc.is_finite(column)
    if pc.any(pc.invert(finite)).as_py():
        value = column.filter(pc.invert(finite))[0].as_py()
        raise pa.ArrowInvalid(f"column {name}: {value} is not an amount.")


def _time(name: str, column: pa.Array) -> pa.Array:
    """ISO 8601 text, with or without a zone (which is UTC), as a UTC timestamp."""
    distinct = column.dictionary_encode()
    bare = pc.replace_substring_regex(distinct.dictionary, r"(Z|\+00:?00)$", "")
    try:
        times = pc.assume_timezone(bare.cast(pa.timestamp("us")), "UTC")
    except pa.ArrowInvalid as error:
        raise pa.ArrowInvalid(f"column {name}: {error}.") from error
    return times.take(distinct.indices)


def fold(keys: Sequence[str], columns: Sequence[pa.Array]) -> pa.MapArray:
    """Fold one text column per key into a map per row, without the keys that are null."""
    rows = len(columns[0])
    valid = np.column_stack(
        [column.is_valid().to_numpy(zero_copy_only=False) for column in columns]
    )
    row, key = np.nonzero(valid)
    values = pa.concat_arrays([column.cast(pa.string()) for column in columns])
    items = values.take(pa.array(key * rows + row))
    offsets = np.concatenate([[0], np.cumsum(valid.sum(axis=1))]).astype(np.int32)
    texts = pa.array(list(keys), pa.string()).take(pa.array(key))
    return pa.MapArray.from_arrays(pa.array(offsets), texts, items)


def _is_converted(field: pa.Field) -> bool:
    """Whether a map came as JSON text or its amounts as text, or a commitment's end as a time."""
    if field.name in ENDS:
        return bool(pa.types.is_timestamp(field.type) or pa.types.is_date(field.type))
    if field.name not in MAPS:
        return False
    if pa.types.is_map(field.type):
        return field.name in NUMBER_MAPS and is_text(field.type.item_type)
    return is_text(field.type)


def _converted(batch: pa.RecordBatch) -> pa.RecordBatch:
    for position, field in enumerate(batch.schema):
        if not _is_converted(field):
            continue
        kind = NUMBER_MAP if field.name in NUMBER_MAPS else TEXT_MAP
        column = batch.column(position)
        if field.name in ENDS:
            kind = pa.string()
            column = column.cast(UTC, safe=False).cast(kind)
        elif pa.types.is_map(field.type):
            column = column.cast(kind)
        else:
            column = _from_json(column.cast(pa.string()), field.name, kind)
        batch = batch.set_column(position, pa.field(field.name, kind), column)
    return batch


def _from_json(column: pa.Array, name: str, kind: pa.MapType) -> pa.Array:
    distinct = column.dictionary_encode()
    value_of = _amount if kind == NUMBER_MAP else _text
    maps = [_pairs(text, name, value_of) for text in distinct.dictionary.to_pylist()]
    return pa.array(maps, kind).take(distinct.indices)


def _pairs(text: str, name: str, value_of: Callable[[Any], Any]) -> list[tuple[str, Any]]:
    try:
        document = json.loads(text) if text else {}
        return [(key, value_of(value)) for key, value in document.items() if value is not None]
    except (ValueError, TypeError, AttributeError) as error:
        raise pa.ArrowInvalid(f"column {name}: {text[:80]!r} is not a JSON object.") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _amount(value: Any) -> float:
    return float(value)

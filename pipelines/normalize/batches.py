"""Raw parquet files to one normalised parquet file, batch by batch, in bounded memory.

One thread reads, one normalises, the caller's writes: that many batches are in flight, in the order
of the files, so that the same input gives the same bytes. The same pass sums cost lines up by day.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.ahead import ahead
from pipelines.normalize.daily import Daily
from pipelines.normalize.reading import RawBatch, RawFile, naming, read
from pipelines.normalize.writing import file_schema, writer
from pipelines.tables.schema import Context, arrow_schema

__all__ = ["Normalizer", "RawFile", "Totals", "file_schema", "normalize_files"]


class Normalizer(Protocol):
    """What a provider's `normalize` module offers."""

    def columns(self, schema: pa.Schema) -> tuple[list[str], list[str]]:
        """The columns of a raw file to read, and which of them to read dictionary-encoded."""

    def normalize(self, table: pa.Table, context: Context) -> pd.DataFrame:
        """One batch of raw rows in the source's shape."""


@dataclass(frozen=True)
class Totals:
    """What came out. Sums are in `currency`. If the rows have several currencies, both sums and
    `currency` are None. Rows without cost have no sums.
    """

    fingerprint: str
    rows_in: int
    rows_out: int
    billed: float | None
    effective: float | None
    currency: str | None

    def metadata(self) -> dict[str, str]:
        """As the footer of the file says it; '' for None."""
        return {
            "fingerprint": self.fingerprint,
            "rows": str(self.rows_out),
            "billed": "" if self.billed is None else repr(self.billed),
            "effective": "" if self.effective is None else repr(self.effective),
            "billing_currency": self.currency or "",
        }


@dataclass(frozen=True)
class _Sums:
    """Totals of one batch, with every currency in it; None stands for NULL."""

    rows_in: int
    rows_out: int
    billed: float = 0.0
    effective: float = 0.0
    currencies: frozenset[str | None] = frozenset()


def normalize_files(
    files: Sequence[RawFile],
    target: Path,
    normalizer: Normalizer,
    context: Context,
    on_rows: Callable[[int], None] | None = None,
    metadata: Mapping[str, str] | None = None,
    shape: pa.Schema | None = None,
    daily: Path | None = None,
    expected: int = 0,
) -> Totals:
    """Normalises the rows of `files`, in their order, into one parquet file at `target`.

    `shape` is what a reader of the file sees; the cost shape where none is given. `daily` is where
    the daily rows of cost lines go, with the same footer; so many lines are `expected`.

    on_rows hears how many more raw rows are done. The footer holds `Totals.metadata()` and
    `metadata`. No files, or no rows, give a file of no rows. Raises ShapeError, beginning with the
    file's name, for a file that is no parquet or has another shape; then, as after any error, there
    is no file at `target`.
    """
    schema = file_schema(shape or arrow_schema(context.tag_columns))
    parts: list[_Sums] = []
    with ExitStack() as undo, ExitStack() as scratch:
        undo.callback(target.unlink, missing_ok=True)
        days = scratch.enter_context(Daily(daily, context.tag_columns, expected)) if daily else None
        with writer(target, schema) as file:
            for table, sums in _batches(files, normalizer, context, schema):
                if table.num_rows:
                    file.write_table(table)
                if days:
                    days.add(table)
                parts.append(sums)
                if on_rows:
                    on_rows(sums.rows_in)
            totals = _totals(parts, context.fingerprint, "billed_cost" in schema.names)
            footer = totals.metadata() | dict(metadata or {})
            file.add_key_value_metadata(footer)
        if days:
            days.write(footer)
        undo.pop_all()
    return totals


def _batches(
    files: Sequence[RawFile], normalizer: Normalizer, context: Context, schema: pa.Schema
) -> Iterator[tuple[pa.Table, _Sums]]:
    work = partial(_apply, normalizer, context, schema)
    with (
        closing(read(files, normalizer.columns)) as raw,
        closing(ahead(raw, "read")) as coming,
        closing(ahead(map(work, coming), "normalize")) as batches,
    ):
        yield from batches


def _apply(
    normalizer: Normalizer, context: Context, schema: pa.Schema, raw: RawBatch
) -> tuple[pa.Table, _Sums]:
    """One batch in the schema of the file, and its totals."""
    with naming(raw.file):
        costs = normalizer.normalize(raw.table, context)
    table = pa.Table.from_pandas(costs, preserve_index=False, nthreads=1).cast(schema)
    sums = _Sums(raw.table.num_rows, table.num_rows)
    if "billed_cost" in schema.names:
        sums = _Sums(
            rows_in=sums.rows_in,
            rows_out=sums.rows_out,
            billed=pc.sum(table["billed_cost"]).as_py() or 0.0,
            effective=pc.sum(table["effective_cost"]).as_py() or 0.0,
            currencies=frozenset(table["billing_currency"].unique().to_pylist()),
        )
    return table, sums


def _totals(parts: Sequence[_Sums], fingerprint: str, are_costs: bool) -> Totals:
    currencies = frozenset[str | None]().union(*(part.currencies for part in parts))
    have_sums = are_costs and len(currencies) <= 1
    return Totals(
        fingerprint=fingerprint,
        rows_in=sum(part.rows_in for part in parts),
        rows_out=sum(part.rows_out for part in parts),
        billed=math.fsum(part.billed for part in parts) if have_sums else None,
        effective=math.fsum(part.effective for part in parts) if have_sums else None,
        currency=next(iter(currencies)) if len(currencies) == 1 else None,
    )

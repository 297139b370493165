"""What all sources share: what they are to land, and landed rows as dlt takes them.

The loader passes a `Plan` of one partition; its files go to our destinations untouched. A source
that is called without a plan lands every partition of its range, for any destination of dlt's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Generic, Protocol, TypeVar

import dlt
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.partition import Delivery, Partition, Selection, now

REPLACED: Any = {"disposition": "merge", "strategy": "delete-insert"}
"""The write disposition of a raw table: a partition that is loaded again replaces itself."""

CONTRACT: Any = {"tables": "evolve", "columns": "evolve", "data_type": "freeze"}
"""The schema contract of a raw table: providers add columns, but never change what one holds."""

HINTS: Mapping[str, Any] = {
    "file_format": "parquet",
    "write_disposition": REPLACED,
    "schema_contract": CONTRACT,
}
"""The hints of a raw table."""

ROWS = 100_000
"""Rows of a row group: what a normaliser has in memory at a time."""


def write_rows(
    path: Path,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    advance: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write tables of `schema` into one parquet file, however small they are; how many rows.

    `advance` is called with the rows as they are written. Memory holds one row group.
    """
    rows, waiting, gathered = 0, 0, list[pa.Table]()
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:

        def flush() -> None:
            writer.write_table(pa.concat_tables(gathered).combine_chunks(), row_group_size=ROWS)
            gathered.clear()

        for table in tables:
            gathered.append(table.cast(schema))
            rows, waiting = rows + table.num_rows, waiting + table.num_rows
            advance(table.num_rows)
            if waiting >= ROWS:
                flush()
                waiting = 0
        if gathered:
            flush()
    return rows


def delivered(
    source_name: str,
    partition: str,
    fingerprint: str,
    paths: Iterable[Path],
    *,
    delivered_at: datetime,
    layout: str,
) -> Delivery:
    """The delivery of landed parquet files.

    Their names begin with the fingerprint: a reader caught between listing and reading gets no
    file rather than a mixture.
    """
    files = []
    for number, path in enumerate(paths, 1):
        named = path.with_name(f"{fingerprint[:12]}-{number:05d}.parquet")
        path.rename(named)
        rows, size = pq.read_metadata(named).num_rows, named.stat().st_size
        files.append({"name": named.name, "rows": rows, "bytes": size, "source": "", "etag": ""})
    return Delivery(
        source_name=source_name,
        partition=partition,
        fingerprint=fingerprint,
        rows=sum(int(str(file["rows"])) for file in files),
        bytes=sum(int(str(file["bytes"])) for file in files),
        delivered_at=delivered_at,
        loaded_at=now(),
        load_id="",  # the destination knows it
        layout=layout,
        files=tuple(files),
    )


class Provider(Protocol):
    """What a source's `connect()` returns: it lists partitions and their fingerprints."""

    def partitions(self, selection: Selection, published: Mapping[str, str]) -> list[Partition]:
        """Every partition as the provider has it now, oldest first.

        `published` are the fingerprints that are current at the destination. What `selection`
        leaves out need not be listed. A provider may have `unwanted`: what an earlier run listed
        and did not publish, and configuration does not name any more; and `gone`: published
        partitions that it looked for and no longer has, which count as read.
        """


P = TypeVar("P", bound=Provider)


def _unheard(amount: int) -> None:
    """Ignores progress: nothing shows it."""


@dataclass(frozen=True)
class Landing:
    """One partition that a source is to land in `folder`. `advance` is called with the progress.

    `take` is the loader's: it hears of the delivery before dlt gets the files. `removed` are
    members of the scope that are not configured any more: what `published` gives of their rows
    belongs to the partition still, since nobody can read it again. `values` gives the distinct
    texts of columns in any published partition.
    """

    partition: Partition
    folder: Path
    advance: Callable[[int], None] = _unheard
    take: Callable[[Delivery], None] | None = None
    removed: tuple[str, ...] = ()
    published: Callable[[pa.Schema], Iterable[pa.Table]] = lambda schema: ()
    values: Callable[[str, Sequence[str]], set[tuple[str, ...]]] = lambda partition, columns: set()

    def data(self, delivery: Delivery, column: str, *periods: str) -> Iterator[Any]:
        """The landed rows as dlt takes them.

        For our destinations: the files, untouched. For others: the files, too, where they have one
        of `periods`, the provider's own column of the partition; else arrow tables with the
        partition in `column`. Either is the merge key, by which a partition replaces itself.
        """
        paths = [self.folder / str(file["name"]) for file in delivery.files]
        schemas = [pq.read_schema(path) for path in paths]
        if self.take is not None:
            self.take(delivery)
            yield from _for_the_books(paths, schemas, column, delivery.partition)
            return
        schema = _union(schemas)
        # the next partition's files may say otherwise of the same column
        columns = {name: each | {"nullable": True} for name, each in _columns(schema).items()}
        own = next((name for name in periods if name in schema.names), None)
        if own:
            yield from _files(paths, columns, merge_key=own)
        else:
            yield from _tables(paths, schema.names, columns, column, delivery.partition)


@dataclass(frozen=True)
class Plan(Generic[P]):
    """Of which provider to land what."""

    provider: P
    landings: Iterable[Landing]


def everything(provider: P, first: str | None, last: str | None) -> Plan[P]:
    """Every partition from `first` to `last`, both inclusive, one after the other."""
    return Plan(provider, _landings(provider, Selection(first, last)))


def _landings(provider: Provider, selection: Selection) -> Iterator[Landing]:
    for partition in provider.partitions(selection, {}):
        if partition.key in selection:
            folder = Path(mkdtemp(prefix="landing-"))
            try:
                yield Landing(partition, folder)
            finally:  # also of a run that failed and asks for no more
                rmtree(folder, ignore_errors=True)


def _for_the_books(
    paths: Sequence[Path], schemas: Sequence[pa.Schema], column: str, partition: str
) -> Iterator[Any]:
    """What dlt hears of files that our destinations publish as they were landed.

    Files that differ in columns or types, which dlt cannot put into one table, are to it what they
    have in common. Without a file it gets a table without rows, or it would publish nothing.
    """
    if not paths:
        yield pa.schema([(column, pa.string())]).empty_table()
    elif all(each.equals(schemas[0]) for each in schemas):
        yield from _files(paths, _columns(schemas[0]))
    else:
        shared = pa.schema([f for f in schemas[0] if all(f in each for each in schemas[1:])])
        yield from _tables(paths, shared.names, _columns(shared), column, partition)


def _files(paths: Iterable[Path], columns: Mapping[str, Any], **hints: Any) -> Iterator[Any]:
    for path in paths:
        rows = pq.read_metadata(path).num_rows
        made = dlt.mark.make_hints(columns=dict(columns), **hints)
        yield dlt.mark.with_file_import(str(path), "parquet", rows, made)


def _tables(
    paths: Iterable[Path],
    names: Sequence[str],
    columns: Mapping[str, Any],
    column: str,
    partition: str,
) -> Iterator[Any]:
    """The named columns of the files as arrow tables, with the partition in `column`."""
    period = {column: {"name": column, "data_type": "text", "nullable": True}}
    made = dlt.mark.make_hints(columns=dict(columns) | period, merge_key=column)
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS, columns=_there(names, file)):
                values = pa.array([partition] * batch.num_rows, pa.string())
                table = pa.Table.from_batches([batch]).append_column(column, values)
                yield dlt.mark.with_hints(table, made)


def _there(names: Iterable[str], file: pq.ParquetFile) -> list[str]:
    return [name for name in names if name in file.schema_arrow.names]


def _union(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Every column; its type is the first one that is not null."""
    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            if field.name not in fields or pa.types.is_null(fields[field.name].type):
                fields[field.name] = field
    return pa.schema(fields.values())


def _columns(schema: pa.Schema) -> dict[str, Any]:
    """The columns as dlt's schema has them; one of a type that it does not know stays out.

    Only a decimal keeps its precision: that of another type would be compared with what each
    destination can hold, and is the file's own affair.
    """
    # imported here: it imports Arrow's compute functions, for which `status` need not wait
    from dlt.common.libs.pyarrow import (
        UnsupportedArrowTypeException,
        py_arrow_to_table_schema_columns,
    )

    found: dict[str, Any] = {}
    for field in schema:
        try:
            column: Any = py_arrow_to_table_schema_columns(pa.schema([field]))[field.name]
        except UnsupportedArrowTypeException:
            continue
        if column.get("data_type") != "decimal":
            column.pop("precision", None)
        found[field.name] = column
    return found

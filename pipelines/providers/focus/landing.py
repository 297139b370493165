"""Land a period: the provider's files, verified, as parquet in the columns of the contract."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.buckets.landed import LandedFile, broken
from pipelines.buckets.objects import Bucket, Object
from pipelines.core.landing import write_rows
from pipelines.core.partition import Partition, PartitionError
from pipelines.providers.focus.contract import PREVIEW, PROVIDER, version_of
from pipelines.providers.focus.reading import csv_batches, parquet_batches

_THREADS = 2  # arrow is already busy inside each file; more only costs memory
_PROVIDERS = ("provider_name", "service_provider_name", PROVIDER)


@dataclass(frozen=True)
class Landed(LandedFile):
    """One landed file, and FOCUS's version of it."""

    version: str


@dataclass(frozen=True)
class Wanted:
    """What is to be landed: the objects, by key how many rows a manifest says they have, and the
    provider's name where the rows have none."""

    objects: Sequence[Object]
    rows: Mapping[str, int]
    provider: str


def land(
    bucket: Bucket,
    partition: Partition,
    wanted: Wanted,
    folder: Path,
    advance: Callable[[int], None],
) -> list[Landed]:
    """Every object of a period as a verified parquet file in `folder`, in the given order.

    Raises Changed when the provider replaced a file meanwhile, PartitionError for what is wrong
    with the files themselves; `folder` then holds rubbish that nobody reads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{partition.fingerprint[:12]}-{n:05d}" for n in range(1, len(wanted.objects) + 1)]
    pairs = [
        (item, folder / f"{name}.download")
        for item, name in zip(wanted.objects, names, strict=True)
    ]
    bucket.fetch(pairs, advance)
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(lambda pair: _finish(partition, wanted, *pair), pairs))


def land_table(path: Path, tables: Iterator[pa.Table], provider: str, where: str) -> str:
    """A period's rows that a query gives as one parquet file at `path`; FOCUS's version of them.

    The first table is empty: it shows the schema. Raises PartitionError.
    """
    schema = _with_provider(pa.RecordBatch.from_pylist([], next(tables).schema), provider).schema

    def whole() -> Iterator[pa.Table]:
        for batch in (batch for table in tables for batch in table.to_batches()):
            made = _with_provider(batch, provider)
            _require_provider(made, where)
            yield pa.Table.from_batches([made])

    try:
        write_rows(path, schema, whole())
    except pa.ArrowException as error:
        raise broken(where, error) from error
    return version_of(schema.names)


def version_of_delivery(landed: Sequence[Landed], where: str) -> str:
    """The newest version of a period's files. Raises PartitionError when the preview is mixed in:
    its columns mean something else."""
    versions = {file.version for file in landed if file.rows} or {"1.0"}
    if PREVIEW in versions and len(versions) > 1:
        raise PartitionError(
            f"{where}: files of FOCUS 1.0-preview and of {max(versions - {PREVIEW})} in one "
            "period. Deliver the period in one version."
        )
    return max(versions - {PREVIEW}, default=PREVIEW)


def _finish(partition: Partition, wanted: Wanted, item: Object, download: Path) -> Landed:
    where = f"focus {partition.key}: {item.key}"
    target = download.with_suffix(".parquet")
    try:
        rows, version = _write(target, _batches(item, download, where), wanted.provider, where)
    except (zlib.error, EOFError, UnicodeDecodeError, pa.ArrowException, OSError) as error:
        raise broken(where, error) from error
    download.unlink()
    expected = wanted.rows.get(item.key, rows)
    if rows != expected:
        raise PartitionError(
            f"{where} has {rows:,} rows, and its manifest says {expected:,}. The published "
            "partition stays; ask the provider to deliver this period again."
        )
    return Landed(target.name, rows, target.stat().st_size, item.key, item.etag, version)


def _batches(item: Object, download: Path, where: str) -> Iterator[pa.RecordBatch]:
    name = item.key.lower()
    if name.endswith(".parquet"):
        return parquet_batches(download, where)
    return csv_batches(download, where, is_gzip=name.endswith(".gz"))


def _write(
    target: Path, batches: Iterator[pa.RecordBatch], provider: str, where: str
) -> tuple[int, str]:
    """How many rows, and FOCUS's version by the columns."""
    first = _with_provider(next(batches), provider)
    rows = 0
    with pq.ParquetWriter(target, first.schema, compression="zstd", compression_level=1) as writer:
        writer.write_batch(first)
        for batch in batches:
            whole = _with_provider(batch, provider)
            _require_provider(whole, where)
            writer.write_batch(whole)
            rows += whole.num_rows
    return rows, version_of(first.schema.names)


def _with_provider(batch: pa.RecordBatch, provider: str) -> pa.RecordBatch:
    """The batch with the configured provider's name, where there is one."""
    if not provider:
        return batch
    return batch.append_column(
        pa.field(PROVIDER, pa.string()), pa.array([provider] * batch.num_rows, pa.string())
    )


def _require_provider(batch: pa.RecordBatch, where: str) -> None:
    """A row whose provider nobody names would be cost of nobody."""
    named = pa.array([False] * batch.num_rows)
    for name in _PROVIDERS:
        if name in batch.schema.names:
            named = pc.or_(named, pc.fill_null(pc.not_equal(batch.column(name), ""), False))
    if missing := batch.num_rows - (pc.sum(named).as_py() or 0):
        raise PartitionError(
            f"{where}: {missing:,} rows without ProviderName. Set "
            "provider_name in the export's section, such as SOURCES__FOCUS__PROVIDER_NAME."
        )

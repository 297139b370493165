"""Land a billing period: the provider's files, verified, as parquet with names in snake_case.

A parquet file that already is all that stays as it came, byte for byte. Only what cannot stay is
rewritten, in batches: a CSV, and a parquet file with other names (FOCUS) or with maps as JSON text.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.buckets.landed import LandedFile, broken, refuse_cut
from pipelines.buckets.objects import Bucket, Object
from pipelines.core.partition import Partition, PartitionError
from pipelines.providers.aws.columns import Renaming, csv_batches, parquet_batches
from pipelines.providers.aws.contract import NET, WITH_NET, check_types, detect_layout
from pipelines.providers.aws.ends import refuse_unreadable

_THREADS = 2  # arrow is already busy inside each file; more only costs memory


@dataclass(frozen=True)
class Landed(LandedFile):
    """One landed file, its form, and whether its net column has a value."""

    layout: str
    has_net: bool = False


def land(
    bucket: Bucket,
    partition: Partition,
    objects: list[Object],
    folder: Path,
    advance: Callable[[int], None],
) -> list[Landed]:
    """Every object of a period as a verified parquet file in `folder`, in the given order.

    Raises Changed when the provider replaced a file meanwhile, PartitionError for what is wrong
    with the files themselves; `folder` then holds rubbish that nobody reads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{partition.fingerprint[:12]}-{n:05d}" for n in range(1, len(objects) + 1)]
    downloads = [folder / f"{name}.download" for name in names]
    bucket.fetch(list(zip(objects, downloads, strict=True)), advance)
    with ThreadPoolExecutor(_THREADS) as threads:
        landed = list(
            threads.map(
                lambda item: _finish(partition, *item), zip(objects, downloads, strict=True)
            )
        )
    layouts = {file.layout for file in landed if file.rows} or {file.layout for file in landed}
    if len(layouts) > 1:
        raise PartitionError(
            f"aws {partition.key}: CUR and FOCUS files in one period. Name one export in "
            "SOURCES__AWS__EXPORT."
        )
    return landed


def _finish(partition: Partition, item: Object, download: Path) -> Landed:
    where = f"aws {partition.key}: {item.key}"
    target = download.with_suffix(".parquet")
    if item.key.lower().endswith(".parquet"):
        layout = _land_parquet(download, target, where)
    else:
        layout = _land_csv(download, target, where)
    refuse_unreadable(target, where)
    return Landed(
        name=target.name,
        rows=pq.read_metadata(target).num_rows,
        bytes=target.stat().st_size,
        source=item.key,
        etag=item.etag,
        layout=layout,
        has_net=_has_net(target),
    )


def detect_delivery_layout(landed: Sequence[Landed]) -> str:
    """The form of a whole period: CUR, CUR net or FOCUS."""
    layout = landed[0].layout if landed else "CUR"
    return WITH_NET if layout == "CUR" and any(file.has_net for file in landed) else layout


def _has_net(path: Path) -> bool:
    """Whether the net column has any value."""
    with pq.ParquetFile(path) as file:
        if NET not in file.schema_arrow.names:
            return False
        batches = file.iter_batches(columns=[NET])
        return any(batch.column(0).null_count < batch.num_rows for batch in batches)


def _land_parquet(download: Path, target: Path, where: str) -> str:
    schema = _read_schema(download, where)
    renaming = Renaming.of(schema.names, where)
    layout = detect_layout(renaming.names, where)
    check_types(renaming.renamed(schema), where)
    if renaming.nothing_to_do(schema):
        download.rename(target)
        return layout
    try:
        _write(target, parquet_batches(download, renaming), where)
    except (pa.ArrowException, OSError) as error:
        raise broken(where, error) from error
    download.unlink()
    return layout


def _land_csv(download: Path, target: Path, where: str) -> str:
    try:
        batches = csv_batches(download, where)
        first = next(batches)
        layout = detect_layout(first.schema.names, where)
        _write(target, _chain(first, batches), where)
    except (zlib.error, EOFError, UnicodeDecodeError, pa.ArrowException, OSError) as error:
        raise broken(where, error) from error
    download.unlink()
    return layout


def _read_schema(path: Path, where: str) -> pa.Schema:
    """The schema by the footer; a file cut short has none, which shows here and not in a reader."""
    try:
        with pq.ParquetFile(path) as file:
            refuse_cut(file, path, where)
            return file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise broken(where, error) from error


def _write(target: Path, batches: Iterator[pa.RecordBatch], where: str) -> None:
    first = next(batches)
    check_types(first.schema, where)
    with pq.ParquetWriter(target, first.schema, compression="zstd", compression_level=1) as writer:
        for batch in _chain(first, batches):
            writer.write_batch(batch)


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest

"""Files that were landed from a bucket: what each is, what a cut one means, and their delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from pipelines.core.partition import Delivery, Partition, PartitionError, now


@dataclass(frozen=True)
class LandedFile:
    """One landed file: its name in the landing folder, and where it came from."""

    name: str
    rows: int
    bytes: int
    source: str
    etag: str

    def document(self) -> Mapping[str, str | int]:
        """The file's entry in `_delivery.json`."""
        return {
            "name": self.name,
            "rows": self.rows,
            "bytes": self.bytes,
            "source": self.source,
            "etag": self.etag,
        }


def delivery_of(
    source_name: str,
    partition: Partition,
    landed: Sequence[LandedFile],
    *,
    delivered_at: datetime,
    layout: str,
) -> Delivery:
    """The delivery of a period's landed files."""
    return Delivery(
        source_name=source_name,
        partition=partition.key,
        fingerprint=partition.fingerprint,
        rows=sum(file.rows for file in landed),
        bytes=sum(file.bytes for file in landed),
        delivered_at=delivered_at,
        loaded_at=now(),
        load_id="",  # the destination knows it
        layout=layout,
        files=tuple(file.document() for file in landed),
    )


def refuse_cut(file: pq.ParquetFile, path: Path, where: str) -> None:
    """A file that was cut in the middle and has an old footer shows here, not in a reader."""
    meta = file.metadata
    end_of_data = path.stat().st_size - meta.serialized_size - 8
    for group in range(meta.num_row_groups):
        for column in range(meta.num_columns):
            chunk = meta.row_group(group).column(column)
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            if start + chunk.total_compressed_size > end_of_data:
                raise PartitionError(
                    f"{where}: its footer points to bytes beyond the end of the file. "
                    "Ask the provider to deliver this period again."
                )


def broken(where: str, error: Exception) -> PartitionError:
    """A file that cannot be read."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return PartitionError(
        f"{where} cannot be read: {reason} The published partition stays; run again when the "
        "provider has delivered the complete file."
    )

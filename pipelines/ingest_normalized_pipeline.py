"""Normalise in CI, then ingest: the published normalised parquet files into ClickHouse.

One row per cost line, already in the cost shape. For a service that is to hold no raw rows, or a
runner that reads the bucket where the service cannot. Same tables, same publishing, same promises
as a load; a partition is current when its delivery and its recipe (rules, tag columns) are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import dlt
import pyarrow.parquet as pq
from dlt.extract import DltResource

from pipelines.core.landing import Landing, Plan
from pipelines.core.partition import Changed, Delivery, Partition, PartitionError, Selection, now
from pipelines.destinations.filesystem.store import Store
from pipelines.destinations.layout import RawTable

LAYOUT = "normalized"


class NormalizedFiles:
    """The normalised partitions of a source on the filesystem destination, as a provider."""

    def __init__(self, store: Store, raw_table: RawTable) -> None:
        self.store, self.raw_table = store, raw_table

    def partitions(self, selection: Selection, published: Mapping[str, str]) -> list[Partition]:
        """Every normalised partition, by key; its fingerprint is delivery and recipe."""
        footers = sorted(self.store.footers(self.raw_table).items())
        return [self._partition(key, footer) for key, footer in footers]

    def _partition(self, key: str, footer: Mapping[str, str]) -> Partition:
        """One file; for one that is not ours, `detail` is the error that landing it raises."""
        path = self.store.normalized(self.raw_table, key)
        is_ours = {"fingerprint", "recipe", "delivered_at"} <= footer.keys()
        wanted = self.raw_table.source_name, key
        if not is_ours or (footer.get("word"), footer.get("partition")) != wanted:
            error = PartitionError(
                f"{self.raw_table.source_name} {key}: {path} is not what `python -m pipelines "
                "normalize` publishes there. Run: python -m pipelines normalize "
                f"{self.raw_table.source_name} --from {key} --to {key} --force"
            )
            return Partition(key, "", now(), 1, int(self.store.fs.size(path)), error)
        return Partition(
            key=key,
            fingerprint=join_fingerprint(footer["fingerprint"], footer["recipe"]),
            delivered_at=datetime.fromisoformat(footer["delivered_at"]),
            files=1,
            bytes=int(self.store.fs.size(path)),
        )


def join_fingerprint(fingerprint: str, recipe: str | None) -> str:
    """What identifies a normalised partition: what it was made of, and how."""
    return f"{fingerprint}/{recipe or ''}"


@dlt.source(name="normalized", max_table_nesting=0)
def normalized(plan: Plan[NormalizedFiles]) -> DltResource:
    """The normalised file of one partition."""
    return normalized_files(plan)


@dlt.resource(name="normalized", file_format="parquet", write_disposition="append")
def normalized_files(plan: Plan[NormalizedFiles]) -> Iterator[Any]:
    """The files as they are published."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "x_partition")


def _land(files: NormalizedFiles, landing: Landing) -> Delivery:
    partition = landing.partition
    if isinstance(partition.detail, PartitionError):
        raise partition.detail
    path = landing.folder / "data.parquet"
    files.store.fs.get_file(files.store.normalized(files.raw_table, partition.key), str(path))
    metadata = pq.read_metadata(path)
    footer = {k.decode(): v.decode() for k, v in (metadata.metadata or {}).items()}
    if join_fingerprint(footer["fingerprint"], footer["recipe"]) != partition.fingerprint:
        raise Changed(f"{partition.key} was normalised again while it was read")
    landing.advance(partition.bytes)
    return Delivery(
        source_name=files.raw_table.source_name,
        partition=partition.key,
        fingerprint=footer["fingerprint"],
        rows=metadata.num_rows,
        bytes=path.stat().st_size,
        delivered_at=partition.delivered_at,
        loaded_at=now(),
        load_id="",  # the rows carry the load that brought their raw
        layout=f"{LAYOUT}, {footer['recipe']}",
        files=({"name": path.name, "rows": metadata.num_rows},),
    )

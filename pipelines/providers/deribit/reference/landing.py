"""Rows of a small table as a delivery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.core.digests import hex_digest
from pipelines.core.landing import delivered, write_rows
from pipelines.core.partition import Partition, PartitionError, Unchanged, carried


def land(
    where: str,
    partition: Partition,
    folder: Path,
    schema: pa.Schema,
    rows: Sequence[dict[str, Any]],
    known: str | None,
    advance: Callable[[int], None],
    state: str = "",
) -> dict[str, Any]:
    """The row that dlt carries. `state` is put before the digest of the content.

    Raises Unchanged when that is `known`, PartitionError for values of other types.
    """
    picked = [{name: row.get(name) for name in schema.names} for row in rows]
    try:
        table = pa.Table.from_pylist(picked, schema)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise PartitionError(
            f"{where}: Deribit's answer has a value of another type than documented "
            f"({str(error).splitlines()[0]}). The published rows stay; run again later."
        ) from error
    fingerprint = f"{state}{hex_digest([repr(table.to_pylist())], 28)}"
    if fingerprint == known:
        raise Unchanged
    path = folder / "rows.parquet"
    write_rows(path, schema, [table], advance)
    word, _, _ = where.partition(" ")
    delivery = delivered(
        word, partition.key, fingerprint, [path], delivered_at=partition.delivered_at, form=word
    )
    return carried(delivery, folder)

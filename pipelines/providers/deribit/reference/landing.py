"""Rows of a small table as a delivery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipelines.core.digests import hex_digest
from pipelines.core.landing import Landing, delivered, write_rows
from pipelines.core.partition import Delivery, PartitionError, Unchanged


def land(
    source_name: str,
    landing: Landing,
    schema: pa.Schema,
    rows: Sequence[dict[str, Any]],
    known: str | None,
    state: str = "",
) -> Delivery:
    """Rows as one landed file. `state` is put before the digest of the content.

    Raises Unchanged when that is `known`, PartitionError for values of other types.
    """
    partition = landing.partition
    picked = [{name: row.get(name) for name in schema.names} for row in rows]
    try:
        table = pa.Table.from_pylist(picked, schema)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise PartitionError(
            f"{source_name} {partition.key}: Deribit's answer has a value of another type than "
            f"documented ({str(error).splitlines()[0]}). The published rows stay; run again later."
        ) from error
    fingerprint = f"{state}{hex_digest([repr(table.to_pylist())], 28)}"
    if fingerprint == known:
        raise Unchanged
    path = landing.folder / "rows.parquet"
    write_rows(path, schema, [table], landing.advance)
    return delivered(
        source_name,
        partition.key,
        fingerprint,
        [path],
        delivered_at=partition.delivered_at,
        layout=source_name,
    )

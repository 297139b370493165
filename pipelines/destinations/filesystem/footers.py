"""What a published parquet file says of itself in its footer."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq


def footer_of(file: pq.ParquetFile) -> dict[str, str]:
    """The footer's metadata as text."""
    found = file.metadata.metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}


def same_footer(first: Path, second: Path) -> bool:
    """Whether two files are of one size and say the same."""
    with first.open("rb") as one, second.open("rb") as two:
        footers = [footer_of(pq.ParquetFile(io)) for io in (one, two)]
    return footers[0] == footers[1] and first.stat().st_size == second.stat().st_size

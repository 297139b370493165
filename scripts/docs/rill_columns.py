"""Write viz_rill/empty: an empty parquet file with its columns for every table that Rill reads.

The dashboards read `*/marts/costs/*.parquet` below viz_rill, so that a source that was never loaded
is a table without rows and no error.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from pipelines.tables.schema import arrow_of
from pipelines.tables.shapes import published_tables

ROOT = Path(__file__).resolve().parents[2]

EMPTY = ROOT / "viz_rill" / "empty"
TAGS = ("Environment", "Team", "Application")


def path_of(table: str) -> str:
    """Where a table's empty file lies below the folder."""
    return f"{'' if table in ('deliveries', 'runs') else 'marts/'}{table}/columns.parquet"


def write(folder: Path = EMPTY) -> list[Path]:
    """The files, made anew; without versions of the writer's, so that they only change with the
    columns."""
    written = []
    for table, columns in published_tables(TAGS).items():
        if table.startswith("normalized_"):  # the marts have their rows
            continue
        path = folder / path_of(table)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(arrow_of(columns).empty_table(), path)
        written.append(path)
    return written


if __name__ == "__main__":
    for each in write():
        print(each.relative_to(ROOT))

"""Write the raw tables that sources declare into the list of tables in CLICKHOUSE_SETUP.md."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pipelines.tables.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "CLICKHOUSE_SETUP.md"
_HEAD = "| in database `dlt` | one row per |\n|---|---|\n"
_NEXT = "| `normalized_"


def _rows() -> Iterator[tuple[str, str]]:
    """Each raw table's name in ClickHouse, and what a row of it is."""
    for source in SOURCES.values():
        yield f"`{source.dataset}__{source.table}`", source.row
        for each in source.lists:
            yield f"`{source.dataset}__{each.table}`", each.row


def page() -> str:
    """The whole page, with the list as it has to be; tables with one meaning share a line."""
    before, head, rest = PAGE.read_text(encoding="utf-8").partition(_HEAD)
    _, following, after = rest.partition(_NEXT)
    lines = "".join(
        f"| {', '.join(name for name, _ in rows)} | {row} |\n"
        for row, rows in groupby(_rows(), key=lambda each: each[1])
    )
    return f"{before}{head}{lines}{following}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""The marts of sql/marts: one portable select each, for DuckDB over local parquet and ClickHouse.

Most are stored, each computed again when what it reads has changed (pipelines/marts): a reader
waits for a small table and never for a history. What is made per partition of a source, or as of
now, is a view in ClickHouse.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.clickhouse.schema.rendering import SQL, render
from pipelines.clickhouse.server.quoting import quoted
from pipelines.clickhouse.server.settings import for_readers
from pipelines.tables.ddl import column_block

NOT_COMPUTED = "A mart, not computed yet."
COMPUTED = re.compile(r"Computed by sql/marts/\w+\.sql from [0-9a-f]+\.")
_FIRST_COMMENTS = re.compile(r"(--[^\n]*\n)*")
_AS_OF_NOW = "-- as of now\n"
_PER_PARTITION = re.compile(r"^-- made per partition of (\w+)(, from its raw rows)?$", re.MULTILINE)


@dataclass(frozen=True)
class Mart:
    """A mart that is computed: one portable select, over tables and the marts before it.

    `source_name` is set when it is made of one partition of that source, `is_of_raw` when it
    reads the raw rows of that partition and not the normalised ones. `is_as_of_now` is one of what
    every run changes, such as the runs themselves: small, and a view in ClickHouse.
    """

    file: str
    name: str
    source_name: str
    select: str
    is_of_raw: bool = False
    is_as_of_now: bool = False

    @property
    def is_stored(self) -> bool:
        """Whether it is a table in ClickHouse, which a run computes again when it has changed."""
        return not self.source_name and not self.is_as_of_now

    def statement(self, tag_columns: Sequence[str]) -> tuple[str, str]:
        """What it is in ClickHouse, and the statement that creates it."""
        if not self.is_stored:
            return "view", f"create or replace view {self.name} as\n{for_readers(self.select)}"
        meaning = _FIRST_COMMENTS.match(self.select)
        return "table", f"{meaning[0] if meaning else ''}{self.table(self.name, tag_columns)}"

    def comment(self, made_of: str) -> str:
        """By which a table is known to be of what the digest `made_of` stands for."""
        return f"Computed by sql/marts/{self.file} from {made_of}."

    def table(self, name: str, tag_columns: Sequence[str], comment: str = "") -> str:
        """`create table` for its rows, under any name."""
        return (
            f"create table if not exists {name} (\n    {column_block(self.name, tag_columns)}\n)\n"
            f"engine = MergeTree\norder by tuple()\ncomment {quoted(comment or NOT_COMPUTED)}"
        )


def mart_selects(folder: Path = SQL, tag_columns: Sequence[str] = ()) -> list[Mart]:
    """Every select of sql/marts, by file name: 10_revenue.sql is the mart revenue."""
    found = []
    for path in sorted((folder / "marts").glob("[0-9]*.sql")):
        text = render(path.read_text(encoding="utf-8"), "", tag_columns, folder)
        source = _PER_PARTITION.search(text)
        found.append(
            Mart(
                file=path.name,
                name=path.stem.partition("_")[2],
                source_name=source[1] if source else "",
                select=text.strip().rstrip(";"),
                is_of_raw=bool(source and source[2]),
                is_as_of_now=_AS_OF_NOW in text,
            )
        )
    return found

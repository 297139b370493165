"""Write docs/columns.md, every declared table and column, and the table of AWS in docs/rules.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.clickhouse.schema.statements import statements
from pipelines.tables import line_items
from pipelines.tables.ddl import tables
from pipelines.tables.schema import Column

ROOT = Path(__file__).resolve().parents[2]

PAGE = ROOT / "docs" / "columns.md"
RULES = ROOT / "docs" / "rules.md"
BEGIN, END = "<!-- from aws_line_items.csv -->\n", "<!-- end -->\n"
HEAD = """# Columns

Made by `scripts/docs/data_dictionary.py` from `pipelines/tables/schema.py`, its neighbours and
`pipelines/tables`, which the ClickHouse tables are made from and the parquet files are tested
against. Names are those of FOCUS 1.2 in snake_case; `x_` marks our own. Times are UTC. Tables in
the cost shape have an additional text column `tag_<name>` for each configured tag key (`[normalize]
tag_columns`), right after `tags`.
"""
_ROW = re.compile(r"-- (one row per (?:[^\n]|\n-- )*)", re.IGNORECASE)
#: How a mart is made, and nothing about its rows (pipelines/clickhouse/schema/statements.py).
_MADE = re.compile(r"\n-- made per partition of \w+")


def page() -> str:
    """docs/columns.md as the declared tables have it."""
    meanings = dict(_meanings())
    declared = tables(())
    parts = []
    for columns in dict.fromkeys(tuple(columns) for columns in declared.values()):
        names = sorted(name for name, shape in declared.items() if tuple(shape) == columns)
        said = [f"- `{name}`: {meanings.get(name, '')}".rstrip(": ") for name in names]
        lead = "\n".join(said) + "\n" if len(names) > 1 else f"{meanings.get(names[0], '')}\n"
        parts.append(f"\n## {', '.join(names)}\n\n{lead}\n{_table(columns)}")
    return HEAD + "".join(parts)


def _meanings() -> Iterator[tuple[str, str]]:
    """What a row is, by table: the comment that each statement of sql/ begins with."""
    for statement in statements("dlt", ()):
        if found := _ROW.search(statement.text):
            told = _MADE.sub("", found[1])
            ended = re.sub(r"(?<![.:,;])\n-- (?=[A-Z])", ". ", told)  # a line without its stop
            text = " ".join(ended.replace("\n-- ", " ").split())
            yield statement.name, text[0].upper() + text[1:].rstrip(".;") + "."


def _table(columns: Sequence[Column]) -> str:
    lines = ["| column | type | NULL | FOCUS | meaning |", "|---|---|---|---|---|"]
    for column in columns:
        null = "yes" if column.nullable else ""
        cells = (f"`{column.name}`", column.type, null, column.focus or "", column.meaning)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def rules() -> str:
    """docs/rules.md with its table of AWS's line items made anew."""
    before, begin, rest = RULES.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}{line_items.table()}{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    RULES.write_text(rules(), encoding="utf-8")

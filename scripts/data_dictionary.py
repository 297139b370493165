"""Write docs/columns.md: every published column, from the one schema."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from pipelines.normalize.schema import (  # noqa: E402 (after the path is set)
    COSTS,
    DELIVERIES,
    Column,
)
from pipelines.normalize.shapes import mart_columns  # noqa: E402 (the same)

PAGE = ROOT / "docs" / "columns.md"
HEAD = """# Columns

Made by `scripts/data_dictionary.py` from `pipelines/normalize/schema.py`, which the parquet files,
the ClickHouse tables and this page are tested against. Names are those of FOCUS 1.2 in snake_case;
`x_` marks our own. Times are UTC.

## costs, normalized_aws

One row per cost line. The configured tag keys (`[normalize] tag_columns`) add one text column
`tag_<name>` each, right after `tags`.

"""
HISTORY = """
## deliveries

One row per publishing of a partition: the history of restatements.

"""
DERIBIT = {
    "trades": "trades, normalized_deribit",
    "trades_daily": "trades_daily",
    "known_holes": "known_holes",
}


def page() -> str:
    """The whole page."""
    marts = mart_columns(())
    others = (f"\n## {title}\n\n{_table(marts[name])}" for name, title in DERIBIT.items())
    return HEAD + _table(COSTS) + HISTORY + _table(DELIVERIES) + "".join(others)


def _table(columns: Sequence[Column]) -> str:
    lines = ["| column | type | NULL | FOCUS | meaning |", "|---|---|---|---|---|"]
    for column in columns:
        null = "yes" if column.nullable else ""
        cells = (f"`{column.name}`", column.type, null, column.focus or "", column.meaning)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

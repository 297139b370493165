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
from pipelines.normalize.schema_revenue import (  # noqa: E402 (the same)
    FX,
    FX_RATES,
    MARGIN_DAILY,
    REVENUE,
    STRIPE,
)

PAGE = ROOT / "docs" / "columns.md"
HEAD = """# Columns

Made by `scripts/data_dictionary.py` from `pipelines/normalize/schema.py` and its neighbour
`schema_revenue.py`, which the parquet files, the ClickHouse tables and this page are tested
against. Names of cost are those of FOCUS 1.2 in snake_case; `x_` marks our own. Times are UTC.

## costs, normalized_aws, normalized_gcp

One row per cost line. The configured tag keys (`[normalize] tag_columns`) add one text column
`tag_<name>` each, right after `tags`.

"""
HISTORY = """
## deliveries

One row per publishing of a partition: the history of restatements.

"""
REVENUE_TABLES: Sequence[tuple[str, str, Sequence[Column]]] = (
    ("normalized_stripe", "One row per balance transaction of Stripe.", STRIPE),
    ("revenue", "The same with its amounts in the reporting currency.", REVENUE),
    ("margin_daily", "One row per day from the first activity to the last.", MARGIN_DAILY),
    ("normalized_fx", "One row per business day and currency, by the ECB.", FX),
    ("fx_rates", "One row per day and currency: the rates that count.", FX_RATES),
)


def page() -> str:
    """The whole page."""
    found = HEAD + _table(COSTS)
    for name, what, columns in REVENUE_TABLES:
        found += f"\n## {name}\n\n{what}\n\n" + _table(columns)
    return found + HISTORY + _table(DELIVERIES)


def _table(columns: Sequence[Column]) -> str:
    lines = ["| column | type | NULL | FOCUS | meaning |", "|---|---|---|---|---|"]
    for column in columns:
        null = "yes" if column.nullable else ""
        cells = (f"`{column.name}`", column.type, null, column.focus or "", column.meaning)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

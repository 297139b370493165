"""What the FOCUS dataset looks up: lookups/focus_*.csv."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from pipelines.tables import schema

_LOOKUPS = Path(schema.__file__).parent / "lookups"


@cache
def lookup(name: str, column: str) -> dict[str, str]:
    """A column of lookups/focus_<name>.csv by the file's first column."""
    with (_LOOKUPS / f"focus_{name}.csv").open(encoding="utf-8", newline="") as lines:
        return {next(iter(row.values())): row[column] for row in csv.DictReader(lines)}


def parents() -> dict[str, str]:
    """The category of each subcategory of the specification."""
    return lookup("subcategories", "service_category")

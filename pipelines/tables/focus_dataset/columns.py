"""The columns of the FOCUS datasets, from cost_and_usage.csv: names, order and types of the
specification; our own begin with x_ and stand behind.

`nullable` in the file is what the specification allows: yes, no, or unknown for a column that it
wants filled and that is NULL only where the provider's line leaves it open. A rule of the dataset
names such a row, and no value is made up for it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

from pipelines.tables.privacy import KEEP, SCALE, SHIFT, WITHHOLD, Privacy, pseudonym
from pipelines.tables.schema import Column, Type, arrow_of

VERSIONS = ("1.2", "1.3")
COST_AND_USAGE = "cost_and_usage"
MART = f"focus_{COST_AND_USAGE}"
"""The view in ClickHouse."""

_ACTIONS = {"keep": KEEP, "scale": SCALE, "shift": SHIFT, "withhold": WITHHOLD}
_TYPES: dict[str, Type] = {"text": "text", "number": "number", "timestamp": "timestamp"}
_ALWAYS = {"ChargeCategory", "ProviderName", "ServiceCategory", "x_Partition", "x_Source"}
"""What every cost line has."""


@dataclass(frozen=True)
class FocusColumn:
    """One column of a dataset: what the specification says of it, and how it is published.

    `level`: mandatory, conditional, recommended, or custom for ours. `allows_null`: as specified.
    """

    column: Column
    level: str
    allows_null: bool
    since: str
    until: str

    def is_in(self, version: str) -> bool:
        """Whether this version of the specification has the column."""
        return self.since <= version and (not self.until or version < self.until)


@cache
def focus_columns(dataset: str, version: str) -> tuple[FocusColumn, ...]:
    """The columns of a dataset in their order."""
    with Path(__file__).with_name(f"{dataset}.csv").open(encoding="utf-8", newline="") as lines:
        read = [_column(row) for row in csv.DictReader(lines)]
    return tuple(each for each in read if each.is_in(version))


def published_columns(dataset: str, version: str) -> tuple[Column, ...]:
    """The same, as tables declare their columns."""
    return tuple(each.column for each in focus_columns(dataset, version))


def arrow_dataset(dataset: str, version: str) -> pa.Schema:
    """The same, as a reader of the parquet files sees them."""
    return arrow_of(published_columns(dataset, version))


def _column(row: dict[str, str]) -> FocusColumn:
    name, is_custom = row["name"], row["level"] == "custom"
    column = Column(
        name,
        _TYPES[row["type"]],
        name not in _ALWAYS,
        row["meaning"],
        focus=None if is_custom else name,
        privacy=_privacy(row["privacy"]),
        many=row["many"] == "yes",
    )
    return FocusColumn(column, row["level"], row["nullable"] == "yes", row["since"], row["until"])


def _privacy(text: str) -> Privacy:
    action, _, kind = text.partition(":")
    return pseudonym(kind) if action == "pseudonym" else _ACTIONS[action]

"""The columns of the FOCUS datasets, a file each beside this: names, order and types are those of
the specification; our own begin with x_ and stand behind.

`nullable` in a file is what the specification allows. What it wants filled is NULL only where the
provider's line leaves it open: a rule of the dataset names such a row, and no value is made up.
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
CONTRACT_COMMITMENT = "contract_commitment"
BILLING_PERIOD = "billing_period"
MART = f"focus_{COST_AND_USAGE}"
"""The view in ClickHouse."""

_ACTIONS = {"keep": KEEP, "scale": SCALE, "shift": SHIFT, "withhold": WITHHOLD}
_TYPES: dict[str, Type] = {"text": "text", "number": "number", "timestamp": "timestamp"}
NAMES = {
    COST_AND_USAGE: "Cost and Usage",
    CONTRACT_COMMITMENT: "Contract Commitment",
    BILLING_PERIOD: "Billing Period",
}
"""The datasets, and what the specification calls them."""
_INTRODUCED = {BILLING_PERIOD: "1.4"}
"""Datasets of a later version of the specification than the folders that they are written into."""
_ALWAYS = {"ChargeCategory", "ProviderName", "ServiceCategory", "x_Partition", "x_Source"}
"""What every cost line has."""
_DEPRECATED = dict.fromkeys(("ProviderName", "PublisherName"), "1.3")
"""In favour of ServiceProviderName and HostProviderName, and gone in 1.4."""


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

    @property
    def deprecated(self) -> str:
        """The version since which another column is to be used; '' for none."""
        return _DEPRECATED.get(self.column.name, "")

    def is_in(self, version: str) -> bool:
        """Whether this version of the specification has the column."""
        return self.since <= version and (not self.until or version < self.until)


def datasets(version: str) -> list[str]:
    """The names of the datasets that a version of the specification has, in its order."""
    return [name for name in NAMES if focus_columns(name, version)]


def version_of(dataset: str, version: str) -> str:
    """The version of the specification that a dataset is of, in a folder of a version."""
    return max(version, _INTRODUCED.get(dataset, version))


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

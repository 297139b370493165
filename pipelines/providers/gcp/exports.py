"""Google's billing exports by the names of their tables, and those of each billing account.

The detailed export has every row of the standard one and some columns more: where an account has
both, or a table that was moved and the one that follows it, months.py says which is read when.
Names: cloud.google.com/billing/docs/how-to/export-data-bigquery-tables.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.core.partition import ConfigurationError

_EXPORT = re.compile(r"gcp_billing_export_(?P<detailed>resource_)?v1_(?P<account>[0-9A-Z_]+)")
_FOCUS = re.compile(r"(?:^|_)focus(?:_|$)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9:.-]+\.[A-Za-z0-9_]+\.[^`.\\\s]+")
_DATASET = re.compile(r"[a-z0-9:.-]+\.[A-Za-z0-9_]+")


@dataclass(frozen=True, order=True)
class Export:
    """One table to read. `account` is '' where its name does not tell."""

    table: str
    account: str = ""
    detailed: bool = False

    @classmethod
    def of(cls, table: str) -> Export:
        """By the full name of a table, a copy of an export perhaps."""
        found = _EXPORT.fullmatch(table.rpartition(".")[2])
        if not found:
            return cls(table)
        return cls(table, found["account"].replace("_", "-"), bool(found["detailed"]))

    @property
    def is_export(self) -> bool:
        """Whether the table has the name that Google gives an export."""
        return bool(self.account)


def full_names(tables: Iterable[str], project: str | None) -> list[str]:
    """Tables as `project.dataset.table`, each once. Raises ConfigurationError."""
    found = []
    for name in tables:
        whole = name if name.count(".") >= 2 or not project else f"{project}.{name}"
        if not _NAME.fullmatch(whole):
            raise ConfigurationError(
                f"sources.gcp.tables: {name!r} is not a table. Write project.dataset.table."
            )
        found.append(whole)
    return list(dict.fromkeys(found))


def full_datasets(datasets: Iterable[str], project: str | None) -> list[str]:
    """Datasets as `project.dataset`, each once. Raises ConfigurationError."""
    found = []
    for name in datasets:
        whole = name if "." in name or not project else f"{project}.{name}"
        if not _DATASET.fullmatch(whole):
            raise ConfigurationError(
                f"sources.gcp.datasets: {name!r} is not a dataset. Write project.dataset."
            )
        found.append(whole)
    return list(dict.fromkeys(found))


def parse_tables(tables: Iterable[str]) -> list[Export]:
    """The exports that are named."""
    return [Export.of(table) for table in tables]


def choose_exports(tables: Iterable[str], accounts: Iterable[str], where: str) -> list[Export]:
    """Every export of the datasets: of each billing account all tables, in any detail.

    `accounts` are those that are wanted, all when there is none. Raises ConfigurationError when
    one is missing.
    """
    found = by_account(Export.of(table) for table in tables)
    wanted = list(accounts) or sorted(found)
    if not wanted:
        raise ConfigurationError(
            f"sources.gcp.datasets: {where} holds no table gcp_billing_export_v1_… or "
            "gcp_billing_export_resource_v1_…. Enable the export there (Billing, Billing export), "
            "or name the dataset that has it."
        )
    for account in wanted:
        if account not in found:
            raise ConfigurationError(
                f"sources.gcp.accounts: {where} holds no export of {account}. It holds: "
                f"{', '.join(sorted(found)) or 'none'}."
            )
    return [each for account in wanted for each in found[account]]


def in_several(exports: Iterable[Export]) -> bool:
    """Whether the names show that a billing account may be in more than one table."""
    accounts = [each.account for each in exports]
    return len(set(accounts)) < len(accounts) or (len(accounts) > 1 and "" in accounts)


def is_focus(table: str) -> bool:
    """Whether the name is that of Google's FOCUS export, or of a view in its columns."""
    _, dataset, name = table.rsplit(".", 2)
    is_named = _FOCUS.search(name) is not None or dataset.startswith("gcp_billing_immutable")
    return is_named and not Export.of(table).is_export


def by_account(exports: Iterable[Export]) -> dict[str, list[Export]]:
    """The exports that Google named, by billing account."""
    found = defaultdict(list)
    for each in exports:
        if each.is_export:
            found[each.account].append(each)
    return found

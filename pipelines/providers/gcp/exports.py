"""Google's billing exports by the names of their tables, and the one of each billing account.

The detailed export has every row of the standard one and some columns more: reading both counts the
same spend twice. So there is exactly one per billing account, the detailed one where both exist.
Names: cloud.google.com/billing/docs/how-to/export-data-bigquery-tables.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.core.partition import ConfigurationError

_EXPORT = re.compile(r"gcp_billing_export_(?P<detailed>resource_)?v1_(?P<account>[0-9A-Z_]+)")
_NAME = re.compile(r"[a-z0-9:.-]+\.[A-Za-z0-9_]+\.[^`.\\\s]+")
_DATASET = re.compile(r"[a-z0-9:.-]+\.[A-Za-z0-9_]+")

DOUBLE_COUNT = (
    "The detailed export repeats every row of the standard one, so both together count the same "
    "cost twice. Keep one of them in sources.gcp.tables, the detailed one if it goes back as far"
)


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


def named(tables: Iterable[str]) -> list[Export]:
    """The exports that are named. Raises ConfigurationError when two are of one account."""
    exports = [Export.of(table) for table in tables]
    for account, several in _by_account(exports).items():
        if len(several) > 1:
            raise twice(account, (each.table for each in several))
    return exports


def chosen(tables: Iterable[str], accounts: Iterable[str], where: str) -> list[Export]:
    """Of all tables of the datasets one per billing account, the detailed one when both are there.

    `accounts` are those that are wanted, all when there is none. Raises ConfigurationError when
    one is missing, or is exported twice in the same detail.
    """
    found = _by_account(Export.of(table) for table in tables)
    wanted = list(accounts) or sorted(found)
    if not wanted:
        raise ConfigurationError(
            f"sources.gcp.datasets: {where} holds no table gcp_billing_export_v1_… or "
            "gcp_billing_export_resource_v1_…. Enable the export there (Billing, Billing export), "
            "or name the dataset that has it."
        )
    made = []
    for account in wanted:
        several = found.get(account, [])
        best = [each for each in several if each.detailed] or several
        if not best:
            raise ConfigurationError(
                f"sources.gcp.accounts: {where} holds no export of {account}. It holds: "
                f"{', '.join(sorted(found)) or 'none'}."
            )
        if len(best) > 1:
            raise twice(account, (each.table for each in best))
        made += best
    return made


def twice(account: str, tables: Iterable[str]) -> ConfigurationError:
    """The error for a billing account that would be counted twice."""
    return ConfigurationError(
        f"sources.gcp: billing account {account} is in {' and in '.join(sorted(tables))}. "
        f"{DOUBLE_COUNT}."
    )


def _by_account(exports: Iterable[Export]) -> dict[str, list[Export]]:
    found = defaultdict(list)
    for each in exports:
        if each.is_export:
            found[each.account].append(each)
    return found

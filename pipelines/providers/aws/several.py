"""Several exports at once: which are loaded, and the key of each one's month.

With one export the key is the month, 2026-10. With several it names the export as well: that of
payers/eu is 2026-10@payers.eu. A month that is published keeps its key, so that going from one
export to several, or back, neither doubles nor loses a month.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.landing import Landing
from pipelines.core.partition import ConfigurationError, Partition, PartitionError
from pipelines.providers.aws.exports import Export, choose, name_of

ALL = "*"

_ACCOUNTS = ("bill_payer_account_id", "billing_account_id")  # CUR's, FOCUS's


def names_of(export: str | Sequence[str] | None) -> tuple[str, ...]:
    """The names that configuration gives; dlt passes a list as JSON. None means the only export."""
    if isinstance(export, str) and export.lstrip().startswith("["):
        try:
            export = json.loads(export)
        except ValueError as error:
            raise ConfigurationError(
                f'sources.aws.export is {export!r}. Write a list as ["one","another"].'
            ) from error
    found = [export] if isinstance(export, str) else list(export or ())
    return tuple(str(name) for name in found if name)


def choose_all(exports: dict[str, Export], names: Sequence[str], url: str) -> dict[str, Export]:
    """The exports that configuration names, by what their keys call them; `*` means all.

    Raises ConfigurationError for one that is not there, and for two that keys would call the same.
    """
    if ALL in names and exports:
        found = list(exports.values())
    else:
        found = [choose(exports, name, url) for name in names or (None,)]
    labelled: dict[str, Export] = {}
    for export in found:
        label = _label(name_of(export, url))
        if labelled.setdefault(label, export) is not export:
            raise ConfigurationError(
                f"{url}: the exports {labelled[label].name} and {export.name} would both be called "
                f"{label} in partitions. Rename a folder, or load one of them."
            )
    return labelled


def with_keys(
    found: Mapping[str, list[Partition]], published: Mapping[str, str]
) -> dict[str, list[Partition]]:
    """The partitions of each export under the keys by which they are, or will be, published."""
    if len(found) == 1 and not any("@" in key for key in published):
        return dict(found)
    owners = _owners(found, published)
    return {
        label: [
            partition
            if owners.get(partition.key) == label and not published.get(f"{partition.key}@{label}")
            else replace(partition, key=f"{partition.key}@{label}")
            for partition in partitions
        ]
        for label, partitions in found.items()
    }


def not_configured(found: Mapping[str, object], published: Mapping[str, str]) -> list[str]:
    """The exports of which months are published, and that configuration does not name."""
    labels = {key.partition("@")[2] for key, fingerprint in published.items() if fingerprint}
    return sorted(labels - {"", *found})


def unwanted(found: Mapping[str, object], published: Mapping[str, str]) -> list[str]:
    """Months of such exports that were listed once and never published."""
    return [
        key
        for key, fingerprint in published.items()
        if not fingerprint and key.partition("@")[2] not in ("", *found)
    ]


def refuse_counted_twice(
    landing: Landing,
    paths: Sequence[Path],
    published: Mapping[str, str],
    landed: dict[str, set[str]],
) -> None:
    """Raises PartitionError when another export's month has a payer account of this one, or when
    this one would replace a month of other payers. `landed` are the payers of this run, by key."""
    key = landing.partition.key
    month = key.partition("@")[0]
    others = [other for other in published if other != key and other.partition("@")[0] == month]
    if not others and "@" not in key and not any("@" in each for each in published):
        return
    payers = {payer for path in paths for payer in _payers(_distinct(path))}
    landed[key] = payers
    for other in others:
        theirs = landed.get(other, set()) | _payers(landing.values(other, _ACCOUNTS))
        if twice := _shared(payers, theirs):
            raise PartitionError(
                f"aws {key}: payer account {', '.join(twice)} is in {other}, too: its cost would "
                f"be counted twice. {_fix(other)}"
            )
    own = _payers(landing.values(key, _ACCOUNTS))
    if own and payers and not _shared(payers, own):
        raise PartitionError(
            f"aws {key}: payer account {', '.join(sorted(own))} is published, and this export has "
            f"{', '.join(sorted(payers))}. Load the export of the published months alone once: "
            "then it keeps their keys."
        )


def _fix(other: str) -> str:
    fix = "Name one export of each payer in SOURCES__AWS__EXPORT."
    if "@" in other:
        return fix
    return f"{fix} If this export continues {other}, load it alone once: then it keeps that key."


def _label(name: str) -> str:
    """An export's path as keys have it: also the name of a folder."""
    return re.sub(r"[^\w.-]", "_", name.replace("/", "."))


def _owners(found: Mapping[str, list[Partition]], published: Mapping[str, str]) -> dict[str, str]:
    """The export of each month that is published without a name.

    It is known by its fingerprint; of a month that AWS restated meanwhile it is that of the newest
    month that is known, else the first export that has it. Its accounts are compared when it is
    read (`refuse_counted_twice`).
    """
    known = {
        partition.key: label
        for label, partitions in found.items()
        for partition in partitions
        if published.get(partition.key) == partition.fingerprint
    }
    newest = known[max(known)] if known else ""
    owners: dict[str, str] = {}
    for label, partitions in found.items():
        for key in (each.key for each in partitions if each.key in published):
            if label == newest or key not in owners:
                owners[key] = label
    return owners | known


def _distinct(path: Path) -> set[tuple[str, ...]]:
    """The distinct accounts in a landed file, as `Landing.values` gives the published ones."""
    with pq.ParquetFile(path) as file:
        names = [name for name in _ACCOUNTS if name in file.schema_arrow.names]
        table = file.read(names) if names else pa.table({"": pa.nulls(file.metadata.num_rows)})
    found = table.group_by(table.column_names).aggregate([]).to_pylist()
    return {tuple(str(row.get(name) or "") for name in _ACCOUNTS) for row in found}


def _payers(accounts: Iterable[tuple[str, ...]]) -> set[str]:
    """The payer accounts; '' stands for rows that name none."""
    return {next(filter(None, each), "") for each in accounts}


def _shared(these: set[str], those: set[str]) -> list[str]:
    """The accounts that both have. Rows without an account may be of any."""
    if these and those and "" in these | those:
        return sorted((these | those) - {""}) or ["(none)"]
    return sorted(these & those)

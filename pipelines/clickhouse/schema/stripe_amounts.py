"""Stripe's lookups as SQL for every engine: the class of a transaction, a currency's minor unit."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pipelines.clickhouse.server.quoting import quoted
from pipelines.tables.categories import categories

_LOOKUPS = Path(__file__).parents[2] / "tables" / "lookups"


def class_of(prefix: str) -> str:
    """The class by `reporting_category`, or by `type` without it; `prefix` is their table."""
    classes = categories()
    by_type = {
        kind: classes[category]
        for kind, category in _read("stripe_types", "type", "reporting_category").items()
        if category in classes
    }
    category, kind = f"{prefix}.reporting_category", f"{prefix}.type"
    own = _case(f"coalesce({category}, '')", classes)
    return f"case when coalesce({category}, '') <> '' then {own} else {_case(kind, by_type)} end"


def worth_of(currency: str) -> str:
    """What one minor unit is worth; 0 for an unknown currency."""
    exponents = _read("stripe_currencies", "currency", "exponent")
    worth = {code: f"0.{'0' * (int(n) - 1)}1" if int(n) else "1" for code, n in exponents.items()}
    grouped = _grouped(worth)
    parts = [f"when upper({currency}) in ({codes}) then '{unit}'" for unit, codes in grouped]
    return f"cast(case {' '.join(parts)} else '0' end as decimal(9, 3))"


def _case(expression: str, values: Mapping[str, str]) -> str:
    parts = [f"when {expression} in ({keys}) then '{value}'" for value, keys in _grouped(values)]
    return f"case {' '.join(parts)} else 'unclassified' end"


def _grouped(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each value with its keys as a list of literals."""
    keys = defaultdict(list)
    for key, value in values.items():
        keys[value].append(quoted(key))
    return [(value, ", ".join(found)) for value, found in sorted(keys.items())]


def _read(name: str, key: str, value: str) -> dict[str, str]:
    with (_LOOKUPS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return {row[key]: row[value] for row in csv.DictReader(lines)}

"""What a line of AWS's Cost and Usage Report costs, by its line_item_type.

lookups/aws_line_items.csv names an amount for each of the costs but the billed one, which is always
`net`. Both twins work the amounts of AMOUNTS out under these names, and docs/rules.md is printed
from here. `public|gross` is the first of the two that has a value.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from pipelines.tables import schema

FILE = Path(schema.__file__).parent / "lookups" / "aws_line_items.csv"
COSTS = ("effective", "list", "contracted")
AMOUNTS: Mapping[str, str] = {
    "net": "NET",
    "gross": "unblended, else NET",
    "0": "0",
    "public": "public on-demand",
    "reserved": "reservation NET effective",
    "covered": "savings plan NET effective",
    "unused_reservation": "unused upfront + unused recurring",
    "unused_commitment": "NET of commitment − used",
    "net_unless_reserved": "NET; 0 with a reservation's ARN",
    "net_unless_purchase": "NET; 0 when a commitment's purchase is returned",
}
"""The vocabulary, and what docs/rules.md says of each."""


@cache
def amounts(cost: str, file: Path = FILE) -> Mapping[str, tuple[str, ...]]:
    """The amounts of each line_item_type for one of COSTS; the first that has a value counts.

    Raises ValueError for an amount that is not in AMOUNTS, with its line.
    """
    found = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            names = tuple((row.get(cost) or "").split("|"))
            if unknown := [name for name in names if name not in AMOUNTS]:
                raise ValueError(
                    f"{file.name}, line {number}: {cost} is {unknown[0]!r}. Write one of "
                    f"{', '.join(AMOUNTS)}, or several with | between them."
                )
            found[row["line_item_type"]] = names
    return found


@cache
def discounts(file: Path = FILE) -> frozenset[str]:
    """The types whose lines lower the cost of other lines."""
    with file.open(encoding="utf-8", newline="") as lines:
        types = [row["line_item_type"] for row in csv.DictReader(lines)]
    return frozenset(name for name in types if name.endswith("Discount"))


def expression(cost: str) -> str:
    """One of COSTS as an expression of ClickHouse; NULL for a type without a rule."""
    by_amount: dict[tuple[str, ...], list[str]] = {}
    for line_item_type, names in amounts(cost).items():
        by_amount.setdefault(names, []).append(f"'{line_item_type}'")
    branches = [
        f"kind in ({', '.join(types)}), {_first_of(names)}" for names, types in by_amount.items()
    ]
    return f"multiIf({', '.join(branches)}, null)"


def table() -> str:
    """The table of docs/rules.md, types with equal rules in one row."""
    by_rule: dict[tuple[str, ...], list[str]] = {}
    for line_item_type in amounts(COSTS[0]):
        by_rule.setdefault(tuple(_meanings(line_item_type)), []).append(line_item_type)
    lines = ["| line_item_type | billed (invoice) | effective (amortised) | list | contracted |"]
    lines.append("|---|---|---|---|---|")
    for rule, types in by_rule.items():
        lines.append(f"| {' | '.join([', '.join(types), 'NET', *rule])} |")
    lines.append("| anything else | NET | NULL | NULL | NULL |")
    return "\n".join(lines) + "\n"


def _first_of(names: Sequence[str]) -> str:
    return f"coalesce({', '.join(names)})" if len(names) > 1 else names[0]


def _meanings(line_item_type: str) -> Iterator[str]:
    for cost in COSTS:
        yield ", else ".join(AMOUNTS[name] for name in amounts(cost)[line_item_type])

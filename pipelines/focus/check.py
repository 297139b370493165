"""Hold a dataset to rules.csv: which rules pass, fail in how many rows, or do not apply.

Each file is read once for all rules of its rows; the rules of several rows read the columns that
they are about. What is asked of the dataset as a whole is in structure.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from pipelines.focus.lines import Sums
from pipelines.focus.rules import Rule, rules
from pipelines.focus.structure import STRUCTURE, Dataset, source
from pipelines.tables.focus_dataset.columns import COST_AND_USAGE

Status = Literal["passed", "failed", "advised", "not applicable"]
STATES: tuple[Status, ...] = ("passed", "failed", "advised", "not applicable")


@dataclass(frozen=True)
class Outcome:
    """What became of a rule: how many rows (or columns, files, sums) it is about, and how many of
    them break it."""

    rule: Rule
    applies: int
    broken: int

    @property
    def status(self) -> Status:
        """`advised`: a recommendation that is not followed everywhere."""
        if not self.applies:
            return "not applicable"
        if not self.broken:
            return "passed"
        return "failed" if self.rule.level == "must" else "advised"


def check(
    folder: Path, version: str, sums: Sums | None = None, dataset: str = COST_AND_USAGE
) -> list[Outcome]:
    """The outcome of every rule. `sums`: those of the cost lines, which the dataset must keep."""
    with duckdb.connect() as duck:
        duck.execute("set timezone = 'UTC'")
        return list(_outcomes(Dataset.of(folder, dataset, version, duck, sums)))


def _outcomes(dataset: Dataset) -> Iterator[Outcome]:
    counts = _of_rows(dataset)
    for rule in rules(dataset.version, dataset.name):
        if rule.is_of_rows:
            yield Outcome(rule, counts[rule.id, "applies"], counts[rule.id, "broken"])
        elif rule.kind == "one":
            yield Outcome(rule, *_of_keys(dataset, rule))
        else:
            yield Outcome(rule, *STRUCTURE[rule.kind](dataset, rule))


def _of_rows(dataset: Dataset) -> Counter[tuple[str, str]]:
    """By rule the rows that it applies to, and those that break it."""
    counts: Counter[tuple[str, str]] = Counter()
    mine = [rule for rule in rules(dataset.version, dataset.name) if rule.is_of_rows]
    for path, schema in dataset.schemas.items():
        known = [rule for rule in mine if rule.column in schema.names]
        select = ", ".join(
            f"count(*) filter (where {rule.applies()}), count(*) filter "
            f"(where {rule.applies()} and not coalesce({rule.holds()}, false))"
            for rule in known
        )
        row = dataset.one(f"select {select} from {source([path])}")
        for number, rule in enumerate(known):
            counts[rule.id, "applies"] += row[2 * number]
            counts[rule.id, "broken"] += row[2 * number + 1]
    return counts


def _of_keys(dataset: Dataset, rule: Rule) -> tuple[int, int]:
    """The keys of all files, and those with several values."""
    if not dataset.schemas:
        return 0, 0
    key, value = rule.keys()
    keys, several = dataset.one(
        "select count(*), count(*) filter (where least <> most) from ("
        f"select min({value}) as least, max({value}) as most from {source(dataset.schemas)} "
        f"where {rule.applies()} group by {key})"
    )
    return keys, several

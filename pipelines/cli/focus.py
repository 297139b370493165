"""`focus`: the dataset of the published cost lines, and what its rules say of it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

from pipelines.cli.output import tables
from pipelines.cli.output.console import out, say
from pipelines.clickhouse.focus import splits_of
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.store import Store
from pipelines.focus.check import STATES, Outcome, check
from pipelines.focus.export import check_folder, export
from pipelines.focus.lines import lines_of
from pipelines.tables.focus_dataset.columns import NAMES, datasets


def run(options: argparse.Namespace, destination: Store | Warehouse) -> int:
    """Write what changed and tell; with --check 1 when a rule fails."""
    version = options.version
    folder = check_folder(options.to, destination, version)
    lines = lines_of(destination, splits_of(version))
    done = export(lines, folder, version)
    for period, rows in done.written.items():
        say(f"{period}: {rows:,} rows written")
    for period in done.removed:
        say(f"{period}: removed, which is no longer published")
    unchanged = len(done.periods) - len(done.written)
    say(f"focus {version}: {len(done.written)} periods written, {unchanged} unchanged, "
        f"{len(done.removed)} removed, in {options.to}")  # fmt: skip
    if not done.periods:
        say("nothing is published yet: `make run-etl` loads what is configured")
    if not options.check:
        return 0
    failed = [
        _tell(f"{version} {NAMES[name]}", check(folder, version, lines.sums(), name))
        for name in datasets(version)
    ]
    return int(any(failed))


def _tell(what: str, outcomes: Sequence[Outcome]) -> bool:
    """The rules that are not kept, and how many there are of each state; whether any failed."""
    broken = [
        (each.status, each.rule.id, each.broken, each.applies, each.rule.text)
        for each in outcomes
        if each.broken
    ]
    if broken:
        columns = ("result", "rule", "broken", "of", "what it says")
        out.print(tables.table(f"FOCUS {what}", columns, broken, ("broken", "of")))
    counts = Counter(each.status for each in outcomes)
    found = ", ".join(f"{counts[state]} {state}" for state in STATES)
    say(f"focus {what}: {len(outcomes)} rules, {found}")
    return counts["failed"] > 0

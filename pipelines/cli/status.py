"""`status`: what is published and how old it is, and what the loads took on ClickHouse."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.cli.destination import open_destination
from pipelines.cli.output import tables
from pipelines.cli.output.console import out, say
from pipelines.core import registry
from pipelines.core.partition import ConfigurationError
from pipelines.core.text import money
from pipelines.destinations.filesystem.store import Store
from pipelines.marts import status

NEWEST = 10
FITS = (
    (170, ("files", "size", "delivered at (UTC)", "loaded at (UTC)")),
    (112, ("effective", "restated")),
)
"""How many columns a terminal needs for these, so that no number is broken over lines."""


def show_status(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """One table per source that is configured or has published something; `--json` objects."""
    destination = open_destination(options, environ)
    if options.cost:
        if isinstance(destination, Store):
            raise ConfigurationError(
                "status --cost reads ClickHouse's query log. Add --destination clickhouse"
            )
        from pipelines.marts.cost_of_loads import COLUMNS, NUMBERS, cost_of_loads

        with destination as warehouse:
            found = cost_of_loads(warehouse.manager, registry.source_names(options.sources))
        _show("loads of the last 7 days", COLUMNS, found, NUMBERS, as_json=options.json)
        return 0
    in_use, is_empty = registry.in_use(options.sources), True
    for source_name in registry.source_names(options.sources):
        rows = status.rows(registry.SOURCES[source_name].raw_table, destination)
        if options.json:
            for row in rows:
                _say_json({"source": source_name, **vars(row)})
        elif rows or source_name in in_use:
            is_empty = False
            _show_partitions(source_name, rows, rows if options.all else rows[-NEWEST:])
    if is_empty and not options.json:
        say("nothing is published and no source is configured: `make doctor` shows what is missing")
    return 0


def _show_partitions(
    source_name: str, rows: Sequence[status.Row], shown: Sequence[status.Row]
) -> None:
    """Partitions with the columns that fit, and what all of them come to."""
    wide = out.width
    left_out = {name for least, names in FITS for name in names if wide < least}
    kept = [at for at, name in enumerate(status.COLUMNS) if name not in left_out]
    columns = [status.COLUMNS[at] for at in kept]
    cells = [[row.cells()[at] for at in kept] for row in shown]
    out.print(tables.table(source_name, columns, cells, status.RIGHT, status.WHOLE))
    if not rows:
        return
    billed: dict[str, float] = {}
    for row in rows:
        if row.billed is not None and row.currency:
            billed[row.currency] = billed.get(row.currency, 0.0) + row.billed
    sums = "".join(f", {money(total)} {name}" for name, total in sorted(billed.items()))
    count = "1 partition" if len(rows) == 1 else f"{len(rows):,} partitions"
    hidden = len(rows) - len(shown)
    older = f"; {hidden:,} older ones with --all" if hidden else ""
    say(f"{source_name}: {count}, {sum(row.rows for row in rows):,} rows{sums}{older}")


def _show(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    right: Sequence[str],
    *,
    as_json: bool,
) -> None:
    if not as_json:
        out.print(tables.table(title, columns, rows, right))
    for row in rows if as_json else ():
        _say_json(dict(zip(columns, row, strict=True)))


def _say_json(fields: Mapping[str, Any]) -> None:
    """One line; times as ISO 8601 in UTC."""
    say(json.dumps(fields, default=_plain, ensure_ascii=False))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)

"""`prune`: keep N months, remove older partitions of raw and normalised. Dry by default."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from pipelines.cli.destination import open_destination
from pipelines.cli.output import tables
from pipelines.cli.output.console import out, say
from pipelines.core import months
from pipelines.core.partition import ConfigurationError
from pipelines.core.registry import SOURCES, Source, source_names
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.store import Store
from pipelines.destinations.retention import list_older, prune
from pipelines.marts import compute

log = logging.getLogger(__name__)


def first_kept(keep: Sequence[str], at: datetime) -> str:
    """The first month that is kept: `13` or `13 months` are the month of `at` and the 12 before.

    Raises ConfigurationError for anything else.
    """
    found = re.fullmatch(r"([1-9]\d{0,3})( months?)?", " ".join(keep))
    if not found:
        raise ConfigurationError(
            f"--keep {' '.join(keep)} is not a number of months. Write --keep 13 or --keep 13 "
            "months, and sources before it: prune aws --keep 13 months"
        )
    return months.after(months.month_of(at), 1 - int(found[1]))


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Show what goes, and with --yes remove it; the marts then follow."""
    sources = [SOURCES[source_name] for source_name in source_names(options.sources)]
    entries = [each for source in sources for each in (source, *source.more)]
    destination = open_destination(options, environ, migrated=options.yes)
    status = _prune(options, entries, destination)
    if options.yes and isinstance(destination, Store):
        compute.compute(destination)
    elif options.yes:
        from pipelines.cli import clickhouse  # its clients take a while to import

        clickhouse.compute_marts(environ)
    return status


def _prune(
    options: argparse.Namespace, entries: Sequence[Source], destination: Store | Warehouse
) -> int:
    first = first_kept(options.keep, destination.retention(entries[0].raw_table).now())
    for entry in entries:
        source_name, retention = entry.raw_table.source_name, destination.retention(entry.raw_table)
        if (entry.chosen_by or not options.sources) and not retention.partitions():
            continue  # a source that is not used, or a table that was never chosen
        if entry.looked_up:
            say(f"{source_name}: nothing is removed, because rows of every month use it")
            continue
        if not options.yes:
            going = list_older(retention, first)
            kept = len(retention.partitions()) - len(going)
            if going:
                rows = [(key,) for key in going]
                out.print(
                    tables.table(f"{source_name}: nothing is changed", ("would remove",), rows)
                )
            say(f"{source_name}: would remove {len(going)}, would keep {kept}, from {first} on")
            continue
        with destination.locked(source_name):
            destination.recover(entry.raw_table)
            gone = prune(retention, first)
            for key in gone:
                log.info("%s %s: removed", source_name, key)
            say(
                f"{source_name}: {len(gone)} removed, {len(retention.partitions())} kept, from "
                f"{first} on"
            )
    if not options.yes:
        say("Nothing was changed. --yes removes them; the history in deliveries stays.")
    return 0

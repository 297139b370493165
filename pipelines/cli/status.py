"""`status`: what is published, and how old it is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from pipelines.cli import tables
from pipelines.cli.console import out
from pipelines.cli.destination import open_destination
from pipelines.core import registry
from pipelines.marts import status


def show_status(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """One table per source that is configured or has published something."""
    destination = open_destination(options, environ)
    in_use = registry.in_use(options.sources)
    for source_name in registry.source_names(options.sources):
        rows = status.rows(registry.SOURCES[source_name].raw_table, destination)
        if not rows and source_name not in in_use:
            continue
        out.print(
            tables.table(source_name, status.COLUMNS, [r.cells() for r in rows], status.RIGHT)
        )
    return 0

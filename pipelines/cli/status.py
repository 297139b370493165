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
    in_use = registry.in_use(options.words)
    for word in registry.words(options.words):
        rows = status.rows(registry.SOURCES[word].place, destination)
        if not rows and word not in in_use:
            continue
        out.print(tables.table(word, status.COLUMNS, [r.cells() for r in rows], status.RIGHT))
    return 0

"""`normalize`, and the marts that follow whatever changes what is published."""

from __future__ import annotations

import argparse

from pipelines.cli.options import read_selection
from pipelines.cli.output.console import progress, say
from pipelines.core import registry
from pipelines.destinations.filesystem import destination
from pipelines.marts import compute
from pipelines.normalize import run as normalizing


def normalize(options: argparse.Namespace) -> int:
    """Normalise every partition with changed raw data, on the filesystem."""
    store = destination.configured_store()
    failed = 0
    in_use = registry.in_use(options.sources)
    for source_name in registry.source_names(options.sources):
        raw_table = registry.SOURCES[source_name].raw_table
        with store.locked(source_name), progress() as watcher:
            outcome = normalizing.normalize(
                raw_table, store, read_selection(options), watcher, options.dry_run
            )
        if not outcome.stale and source_name not in in_use:
            continue
        if options.dry_run:
            say(f"{source_name}: would normalise {', '.join(outcome.stale) or 'nothing'}")
            continue
        say(f"{source_name}: {len(outcome.normalized)} normalised, {len(outcome.failed)} failed")
        failed += len(outcome.failed)
    if options.dry_run:
        return 0
    if options.marts:
        compute.compute(store)  # it logs what it did
    else:
        say("marts: not computed; `python -m pipelines normalize` computes those that changed")
    return 1 if failed else 0

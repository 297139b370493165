"""`normalize`, and the marts that follow whatever changes what is published."""

from __future__ import annotations

import argparse

from pipelines.cli.console import progress, say
from pipelines.cli.options import selected
from pipelines.core import registry
from pipelines.destinations.filesystem import destination
from pipelines.marts import compute
from pipelines.normalize import run as normalizing


def normalize(options: argparse.Namespace) -> int:
    """Normalise every partition with changed raw data, on the filesystem."""
    store = destination.configured_store()
    failed = 0
    in_use = registry.in_use(options.words)
    for word in registry.words(options.words):
        place = registry.SOURCES[word].place
        with store.locked(word), progress() as watcher:
            outcome = normalizing.normalize(
                place, store, selected(options), watcher, options.dry_run
            )
        if not outcome.stale and word not in in_use:
            continue
        if options.dry_run:
            say(f"{word}: would normalise {', '.join(outcome.stale) or 'nothing'}")
            continue
        say(f"{word}: {len(outcome.normalized)} normalised, {len(outcome.failed)} failed")
        failed += len(outcome.failed)
    if options.dry_run:
        return 0
    if options.marts:
        compute.compute(store)  # it logs what it did
    else:
        say("marts: not computed; `python -m pipelines normalize` computes those that changed")
    return 1 if failed else 0

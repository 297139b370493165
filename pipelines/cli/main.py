"""The commands. `python -m pipelines --help` says what there is.

The one place that reads os.environ or turns an error into an exit status:
0 done, 1 something failed (each failure named), 2 wrong usage or configuration.
Imports that a command alone needs stand in it: a run that changes nothing is mostly imports.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError
from dlt.common.configuration.exceptions import ConfigurationException

from pipelines.cli import options as flags
from pipelines.cli import tables
from pipelines.cli.console import fail, out, progress, say, set_up_logging
from pipelines.cli.doctor import tell
from pipelines.cli.options import DESTINATIONS, Commands, options_of, selected
from pipelines.core import load as loading
from pipelines.core import registry
from pipelines.core.partition import ConfigurationError, Selection, UserError
from pipelines.core.text import size
from pipelines.destinations.filesystem import destination as filesystem
from pipelines.destinations.filesystem.store import Store
from pipelines.normalize import run as normalizing

if TYPE_CHECKING:
    from pipelines.destinations.clickhouse.warehouse import Warehouse


def parser() -> argparse.ArgumentParser:
    """Every command and option; the tests hold the documentation against it."""
    return options_of(COMMANDS, __doc__.split("\n")[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = parser().parse_args(arguments)
    set_up_logging(options.debug)
    try:
        status_code: int = options.function(options)
    except (ConfigurationError, ConfigurationException) as error:
        return fail(error, 2, options.debug)
    except UserError as error:
        return fail(error, 1, options.debug)
    except (OSError, BotoCoreError) as error:  # a source's are UserErrors by now
        fix = "`python -m pipelines doctor` examines the destination."
        return fail(UserError(f"{error}. {fix}"), 1, options.debug, error)
    except KeyboardInterrupt:
        return fail(UserError("Stopped. What was published stays; run again."), 1, False)
    except Exception as error:
        if options.debug:
            raise
        text = f"{type(error).__name__}: {error}"
        return fail(
            UserError(f"Unexpected: {text}\nRun again with --debug to see where."), 1, False
        )
    return status_code


def _load(options: argparse.Namespace) -> int:
    entries = [each for word in registry.to_load(options.words) for each in registry.to_read(word)]
    selection = selected(options)
    destination = _destination_of(options, migrated=not options.dry_run)
    if options.dry_run:
        return _show_plans(entries, destination, selection)
    return _load_entries(entries, destination, selection, "loaded", options.debug)


def _entries(words: Sequence[str]) -> list[registry.Word]:
    """Every raw table of the words."""
    chosen = (registry.SOURCES[word] for word in words)
    return [each for word in chosen for each in (word, *word.more)]


def _load_entries(
    entries: Sequence[registry.Word],
    destination: loading.Destination,
    selection: Selection,
    done: str,
    debug: bool,
) -> int:
    """Load one word after the other; one that fails as a whole does not keep the others."""
    codes = {0}
    for entry in entries:
        try:
            with progress() as watcher:
                outcome = loading.load(entry, destination, selection, watcher)
        except (ConfigurationError, ConfigurationException) as error:
            codes.add(fail(error, 2, debug))
            continue
        except UserError as error:
            codes.add(fail(error, 1, debug))
            continue
        loaded, bad = len(outcome.loaded), len(outcome.failed)
        unchanged = len(outcome.planned) - loaded - bad
        say(f"{entry.place.word}: {loaded} {done}, {unchanged} unchanged, {bad} failed")
        codes.add(1 if bad else 0)
    return 1 if 1 in codes else max(codes)


def _ingest(options: argparse.Namespace) -> int:
    from pipelines.cli import clickhouse

    store = filesystem.configured_store()
    warehouse = clickhouse.warehouse(os.environ, migrated=not options.dry_run)
    every = [registry.ingestion(word, store) for word in registry.words(options.words)]
    entries = [each for each in every if options.words or store.footers(each.place)]
    if not entries:
        say("nothing is normalised yet")
    if options.dry_run:
        return _show_plans(entries, warehouse, selected(options))
    return _load_entries(entries, warehouse, selected(options), "ingested", options.debug)


def _show_plans(
    entries: Sequence[registry.Word], destination: loading.Destination, selection: Selection
) -> int:
    for entry in entries:
        provider = entry.connect()
        planned = loading.plan(entry, destination, selection, provider)
        rows = [
            (
                p.partition.key,
                p.reason,
                p.partition.files,
                size(p.partition.bytes) if p.partition.bytes else None,
                p.partition.delivered_at,
            )
            for p in planned
        ]
        columns = ("partition", "would load", "files", "size", "delivered at (UTC)")
        out.print(
            tables.table(
                f"{entry.place.word}: nothing is changed", columns, rows, ("files", "size")
            )
        )
        if isinstance(provider, registry.Estimates):
            say(provider.estimate([p.partition for p in planned if p.to_load]))
    return 0


def _normalize(options: argparse.Namespace) -> int:
    store = filesystem.configured_store()
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
    if not options.dry_run:
        _compute_marts(store)
    return 1 if failed else 0


def _compute_marts(store: Store) -> None:
    from pipelines.marts import compute  # DuckDB, for what is computed

    compute.compute(store)  # it logs what it did


def _prune(options: argparse.Namespace) -> int:
    from pipelines.cli import retention

    destination = _destination_of(options, migrated=options.yes)
    status = retention.run(options, _entries(registry.words(options.words)), destination)
    if options.yes and isinstance(destination, Store):
        _compute_marts(destination)
    return status


def _anonymize(options: argparse.Namespace) -> int:
    from pipelines.cli import anonymize

    return anonymize.run(options, _destination_of(options))


def _check(options: argparse.Namespace) -> int:
    from pipelines.cli import clickhouse
    from pipelines.marts import checks

    destination = _destination_of(options)
    names = checks.named(options.without)
    if isinstance(destination, Store):
        from pipelines.marts.catalogue import local_connection

        results = checks.run(local_connection(destination), names)
    else:
        results = clickhouse.run_checks(destination.config, names)
    for result in results:
        if result.rows:
            out.print(tables.table(f"{result.name}: {result.meaning}", result.columns, result.rows))
    bad = [result.name for result in results if result.rows]
    say(f"{len(results)} checks, {len(bad)} failed" + (f": {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


def _status(options: argparse.Namespace) -> int:
    from pipelines.marts import status

    destination = _destination_of(options)
    in_use = registry.in_use(options.words)
    for word in registry.words(options.words):
        rows = status.rows(registry.SOURCES[word].place, destination)
        if not rows and word not in in_use:
            continue
        out.print(tables.table(word, status.COLUMNS, [r.cells() for r in rows], status.RIGHT))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from pipelines.doctor import examine

    words = registry.words(options.words)
    return tell(examine.examine(words, _destination_name(options), os.environ))


def _destination_of(options: argparse.Namespace, *, migrated: bool = False) -> Store | Warehouse:
    if _destination_name(options) == "filesystem":
        return filesystem.configured_store()
    from pipelines.cli import clickhouse

    return clickhouse.warehouse(os.environ, migrated=migrated)


def _destination_name(options: argparse.Namespace) -> str:
    """`--destination`, else DLT_DESTINATION, else the filesystem."""
    name = options.destination or os.environ.get("DLT_DESTINATION") or "filesystem"
    if name not in DESTINATIONS:
        raise ConfigurationError(
            f"DLT_DESTINATION is {name!r}. Set it to one of: {', '.join(DESTINATIONS)}."
        )
    return str(name)


def _migrate(options: argparse.Namespace) -> int:
    from pipelines.cli import clickhouse

    return clickhouse.migrate(options, os.environ)


_ALL = (flags.words, flags.selecting, flags.destination)
COMMANDS: Commands = {
    "load": (
        _load,
        "Load every changed partition.",
        (flags.words, flags.selecting, flags.destination),
    ),
    "normalize": (
        _normalize,
        "Normalise every partition whose raw changed, and compute the marts (filesystem).",
        (flags.words, flags.selecting, flags.computing),
    ),
    "ingest": (
        _ingest,
        "Load the normalised parquet files into ClickHouse instead of raw.",
        (flags.words, flags.selecting),
    ),
    "migrate": (
        _migrate,
        "ClickHouse: every statement of sql/, safe to repeat.",
        (flags.comparing,),
    ),
    "check": (
        _check,
        "Run sql/checks; print the offending rows.",
        (flags.destination, flags.without),
    ),
    "status": (_status, "What is published, and how old it is.", (flags.words, flags.destination)),
    "prune": (
        _prune,
        "Remove partitions older than so many months; says what goes unless --yes.",
        (flags.words, flags.keeping, flags.destination),
    ),
    "anonymize": (
        _anonymize,
        "Copy the published tables for the public: pseudonyms, scaled amounts.",
        (flags.copying, flags.destination),
    ),
    "doctor": (
        _doctor,
        "Configuration and connections, with fixes.",
        (flags.words, flags.destination),
    ),
}

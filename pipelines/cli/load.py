"""`load` and `ingest`: publish every changed partition, or show what would be."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from dlt.common.configuration.exceptions import ConfigurationException

from pipelines.cli.destination import open_destination
from pipelines.cli.options import read_selection
from pipelines.cli.output import tables
from pipelines.cli.output.console import fail, out, progress, say
from pipelines.clickhouse.server.settings import labelled
from pipelines.core import load as loading
from pipelines.core import registry
from pipelines.core.partition import ConfigurationError, Selection, UserError
from pipelines.core.text import size
from pipelines.destinations.filesystem import destination as filesystem


def load(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """`load`: every changed partition of the sources."""
    entries = [
        each
        for source_name in registry.to_load(options.sources)
        for each in registry.to_read(source_name)
    ]
    selection = read_selection(options)
    destination = open_destination(options, environ, migrated=not options.dry_run)
    if options.dry_run:
        return _show_plans(entries, destination, selection)
    status = _load_entries(entries, destination, selection, "loaded", options.debug)
    return max(status, _compute_marts(options, environ, destination))


def ingest(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """`ingest`: the normalised parquet files into ClickHouse."""
    from pipelines.cli import clickhouse

    store = filesystem.configured_store()
    warehouse = clickhouse.warehouse(environ, migrated=not options.dry_run)
    every = [
        registry.ingestion(source_name, store)
        for source_name in registry.source_names(options.sources)
    ]
    entries = [each for each in every if options.sources or store.footers(each.raw_table)]
    if not entries:
        say("nothing is normalised yet")
    if options.dry_run:
        return _show_plans(entries, warehouse, read_selection(options))
    status = _load_entries(entries, warehouse, read_selection(options), "ingested", options.debug)
    return max(status, _compute_marts(options, environ, warehouse))


def _load_entries(
    entries: Sequence[registry.Source],
    destination: loading.Destination,
    selection: Selection,
    done: str,
    debug: bool,
) -> int:
    """Load one source after the other; one that fails as a whole does not keep the others.

    What keeps several tables of a provider away is told once.
    """
    codes, told = {0}, set[str]()
    for entry in entries:
        try:
            source_name = entry.raw_table.source_name
            with labelled(source=source_name), progress() as watcher:
                outcome = loading.load(entry, destination, selection, watcher)
        except (ConfigurationError, ConfigurationException, UserError) as error:
            code = 2 if isinstance(error, ConfigurationError | ConfigurationException) else 1
            codes.add(code if str(error) in told else fail(error, code, debug))
            told.add(str(error))
            continue
        if entry.of_source and not outcome.planned:
            continue
        loaded, bad, kept = len(outcome.loaded), len(outcome.failed), len(outcome.kept)
        unchanged = len(outcome.planned) - loaded - bad - kept
        line = (
            f"{entry.raw_table.source_name}: {loaded} {done}, {unchanged} unchanged, {bad} failed"
        )
        say(f"{line}, {kept} kept as published" if kept else line)
        codes.add(1 if bad else 0)
    return 1 if 1 in codes else max(codes)


def _compute_marts(
    options: argparse.Namespace, environ: Mapping[str, str], destination: loading.Destination
) -> int:
    """In ClickHouse: local marts follow normalising. What is loaded stays when one cannot be."""
    if destination.kind != "clickhouse" or not options.marts:
        return 0
    from pipelines.cli import clickhouse

    try:
        clickhouse.compute_marts(environ)
    except UserError as error:
        return fail(error, 1, options.debug)
    return 0


def _show_plans(
    entries: Sequence[registry.Source], destination: loading.Destination, selection: Selection
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
                f"{entry.raw_table.source_name}: nothing is changed",
                columns,
                rows,
                ("files", "size"),
            )
        )
        to_load = [each.partition for each in planned if each.to_load]
        if isinstance(provider, registry.Estimates) and (cost := provider.estimate(to_load)):
            say(cost)
    return 0

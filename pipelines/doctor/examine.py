"""Examine configuration and connections; every finding that is bad names its fix."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

from botocore.exceptions import BotoCoreError
from dlt.common.configuration.exceptions import ConfigurationException

from pipelines.core import registry
from pipelines.core.findings import Finding, Kind, origin, skipped
from pipelines.core.partition import ConfigurationError, UserError
from pipelines.core.text import describe
from pipelines.destinations.filesystem import destination as filesystem
from pipelines.destinations.filesystem.store import LocalStore
from pipelines.doctor import clickhouse
from pipelines.normalize.run import tag_columns


def examine(
    source_names: Iterable[str], destination: str, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Everything that a run needs, in the order in which it needs it.

    `environ` holds ClickHouse's variables; ClickHouse is examined when it is the destination.
    """
    yield _python()
    yield from _guarded("tag columns", _tags)
    if destination == "clickhouse":
        yield from clickhouse.examine(environ)
    else:
        yield from _guarded("destination", _destination)
    source_names = list(source_names)
    wanted = registry.in_use(source_names if source_names != list(registry.SOURCES) else ())
    if not wanted:
        yield from _guarded("sources", _no_source)
    for source_name in (source_name for source_name in source_names if source_name not in wanted):
        how = registry.how_to_configure(source_name)
        yield skipped(f"source {source_name}", f"not configured; set {how}")
    for source_name in wanted:
        yield from _guarded(f"source {source_name}", _examiner(source_name))


def _guarded(subject: str, examiner: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What was found before an error still shows."""
    try:
        yield from examiner()
    except (UserError, ConfigurationException) as error:
        what, _, fix = describe(error).partition(
            ". "
        )  # our errors say what and where, then the fix
        wrong = isinstance(error, ConfigurationError | ConfigurationException)
        kind = Kind.CONFIGURATION if wrong else Kind.PLAIN
        yield Finding(False, subject, what.rstrip("."), fix, kind)


def _no_source() -> list[Finding]:
    """Raises ConfigurationError, which says what to set."""
    registry.to_load(())
    return []


def _python() -> Finding:
    return Finding(True, "python", f"{sys.version.split()[0]} in {sys.prefix}")


def _tags() -> list[Finding]:
    keys = tag_columns()
    return [Finding(True, "tag columns", f"{', '.join(keys) or 'none'} {origin('tag_columns')}")]


def _destination() -> list[Finding]:
    store = filesystem.configured_store()
    subject, where = "destination", f"filesystem, {store.root} {origin('bucket_url')}"
    if isinstance(store, LocalStore):
        nearest = next(p for p in (Path(store.root), *Path(store.root).parents) if p.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK):
            fix = f"Make {nearest} a writable folder, or set DESTINATION__FILESYSTEM__BUCKET_URL."
            return [Finding(False, subject, where + ": not writable", fix)]
        return [Finding(True, subject, where)]
    probe = f"{store.root}/.probe-{uuid4().hex}"
    try:
        store.fs.pipe_file(probe, b"")
        store.fs.rm(probe)
    except (OSError, BotoCoreError) as error:
        keys = "DESTINATION__FILESYSTEM__CREDENTIALS__*"
        fix = f"Check {keys}: the key must be able to write and delete objects."
        return [Finding(False, subject, f"{where}: {error}", fix)]
    return [Finding(True, subject, where)]


def _examiner(source_name: str) -> Callable[[], Iterable[Finding]]:
    examine_source: Callable[[], Iterable[Finding]] = registry.examiner(source_name).examine
    return examine_source

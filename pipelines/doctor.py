"""Examine configuration and connections; every finding that is bad names its fix."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

from botocore.exceptions import BotoCoreError
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.configuration.specs import AwsCredentials
from dlt.common.configuration.utils import get_resolved_traces

from pipelines import aws_pipeline, doctor_clickhouse
from pipelines.aws.deliveries import plan
from pipelines.aws.exports import Export, choose, recognise
from pipelines.console import told
from pipelines.destinations import filesystem
from pipelines.destinations.store import LocalStore
from pipelines.findings import Finding, Kind
from pipelines.normalize.run import tag_columns
from pipelines.partitions import ConfigurationError, UserError, now
from pipelines.report import age

_STALE_DAYS = 3


def examine(
    words: Iterable[str], destination: str, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Everything that a run needs, in the order in which it needs it.

    `environ` is where ClickHouse's variables stand; it is examined when it is the destination.
    """
    yield _python()
    yield from _guarded("tag columns", _tags)
    if destination == "clickhouse":
        yield from doctor_clickhouse.examine(environ)
    else:
        yield from _guarded("destination", _destination)
    for word in words:
        yield from _guarded(f"source {word}", EXAMINERS[word])


def _guarded(subject: str, examiner: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What was found before an error still shows."""
    try:
        yield from examiner()
    except (UserError, ConfigurationException) as error:
        what, _, fix = told(error).partition(". ")  # our errors say what and where, then the fix
        wrong = isinstance(error, ConfigurationError | ConfigurationException)
        kind = Kind.CONFIGURATION if wrong else Kind.PLAIN
        yield Finding(False, subject, what.rstrip("."), fix, kind)


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
        fix = "Check DESTINATION__FILESYSTEM__CREDENTIALS__*: the key must put and delete objects."
        return [Finding(False, subject, f"{where}: {error}", fix)]
    return [Finding(True, subject, where)]


def _aws() -> Iterator[Finding]:
    settings = aws_pipeline.configuration()
    subject = "source aws"
    yield Finding(True, subject, f"bucket {settings.bucket_url} {origin('bucket_url')}")
    if isinstance(settings.credentials, AwsCredentials):
        chain = settings.credentials.has_default_credentials()
        whose = "(found by AWS's standard chain)" if chain else origin("aws_access_key_id")
        yield Finding(True, subject, f"credentials {whose}")
    export = aws_pipeline.AwsExport(settings)
    objects = export.bucket.list()
    yield Finding(True, subject, f"bucket reachable, {len(objects):,} objects listed")
    found = recognise(objects)
    for name, each in found.items():
        yield Finding(True, subject, f"export {name or '.'}: {_described(each)}")
    yield from _periods(choose(found, settings.export, settings.bucket_url))


def _described(export: Export) -> str:
    manifests = "with manifests" if export.has_manifests else "without manifest: the listing serves"
    return f"{export.kind}, {len(export.periods)} billing periods, {manifests}"


def _periods(export: Export) -> list[Finding]:
    subject = "source aws"
    periods = plan(export)
    if not periods:
        fix = "Wait for AWS's first complete delivery (up to 24 hours after the export was made)."
        return [Finding(False, subject, "no complete billing period", fix)]
    newest = periods[-1]
    detail = f"newest period {newest.key}, delivered {age(newest.delivered_at)} ago"
    if (now() - max(p.delivered_at for p in periods)).days > _STALE_DAYS:
        fix = "AWS delivers at least daily: look at the export's status in the AWS console."
        return [Finding(False, subject, detail, fix)]
    return [Finding(True, subject, detail)]


EXAMINERS: dict[str, Callable[[], Iterable[Finding]]] = {"aws": _aws}


def origin(key: str) -> str:
    """Where dlt found a value last resolved: `(environment)`, `(secrets.toml)`, …"""
    for trace in reversed(get_resolved_traces().resolved_traces):
        if trace.key == key and trace.provider_name:
            return f"(from {trace.provider_name})"
    return "(by default)"

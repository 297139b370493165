"""Examine the FOCUS source: each export's bucket, layout, periods and how new they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines import focus_pipeline
from pipelines.core.findings import Finding, origin, warning
from pipelines.core.partition import UserError, now
from pipelines.core.text import age
from pipelines.providers.focus.deliveries import Source
from pipelines.providers.focus.settings import configuration, names, variables

_STALE_DAYS = 35


def examine() -> Iterator[Finding]:
    """In the order in which a run needs it; two listings and one object of each export."""
    for name in names():
        subject = f"source focus {name}"
        try:
            yield from _export(name, subject)
        except UserError as error:
            what, _, fix = str(error).partition(". ")
            yield Finding(False, subject, what, fix or f"Check {variables(name)}__BUCKET_URL.")


def _export(name: str, subject: str) -> Iterator[Finding]:
    settings = configuration(name)
    yield Finding(True, subject, f"place {settings.bucket_url} {origin('bucket_url')}")
    if settings.provider_name:
        yield Finding(True, subject, f"rows without a provider are of {settings.provider_name}")
    exports = focus_pipeline.FocusExports({name: settings})
    found = exports.planned(name, {})
    if settings.is_table:
        limit = settings.maximum_bytes
        said = f"at most {limit / 1024**3:,.0f} GiB a run" if limit else "no limit of bytes"
        project = exports.tables[name].jobs.client.project
        yield Finding(True, subject, f"queries run in project {project}, {said}")
    elif key := exports.read_one(name):
        yield Finding(True, subject, f"an object read: {key}")
    if not found:
        fix = "Wait until the provider has delivered, or settle_minutes have passed."
        yield Finding(False, subject, "no complete billing period", fix)
        return
    layout, how = _completeness(found[-1].detail)
    detail = f"{layout}, {len(found)} billing periods, complete {how}"
    yield Finding(True, subject, detail)
    newest = max(each.delivered_at for each in found)
    detail = f"newest period {found[-1].key}, delivered {age(newest)} ago"
    if (now() - newest).days > _STALE_DAYS:
        yield warning(subject, detail, "Look at the export at the provider: nothing came lately.")
    else:
        yield Finding(True, subject, detail)


def _completeness(detail: Any) -> tuple[str, str]:
    """The layout of a period, and what says that it is complete."""
    if not isinstance(detail, Source):
        return "bigquery", "by the newest export time" if detail.is_timed else "by rows and sums"
    run = detail.run
    return detail.layout, "with a manifest" if run.manifest or run.committed else "by the listing"

"""Examine the AWS source: bucket, credentials, exports, how new the newest period is."""

from __future__ import annotations

from collections.abc import Iterator

import dlt
from dlt.common.configuration.specs import AwsCredentials

from pipelines import aws_pipeline
from pipelines.core.findings import Finding, origin, warning
from pipelines.core.partition import UserError, now
from pipelines.core.text import age
from pipelines.providers.aws.deliveries import plan
from pipelines.providers.aws.exports import Export, recognise
from pipelines.providers.aws.several import choose_all, names_of
from pipelines.providers.aws.totals import account, invoices

_STALE_DAYS = 3


def examine() -> Iterator[Finding]:
    """In the order in which a run needs it."""
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
    if there := [each for each in objects if each.size]:
        smallest = min(there, key=lambda each: each.size)  # a manifest, where there is one
        export.bucket.read(smallest)  # the right to list is not the right to read
        yield Finding(True, subject, f"one of them read: {smallest.key}")
    found = recognise(objects)
    for name, each in found.items():
        yield Finding(True, subject, f"export {name or '.'}: {_described(each)}")
    chosen = choose_all(found, names_of(settings.export), settings.bucket_url)
    for name, each in chosen.items():
        yield from _periods(each, f"of {name} " if len(chosen) > 1 else "")
    if objects_of := dlt.config.get("sources.aws.objects", list):
        yield _totals(objects_of)


def _totals(chosen: list[str]) -> Finding:
    """Whether AWS's own totals can be asked for. Cost Explorer is not, since that costs."""
    subject, names = "source aws", ", ".join(chosen)
    try:
        settings = account.configuration()
        whose = account.account_of(settings)
        if "invoices" in chosen:
            invoices.Invoices(settings).rows(f"{now():%Y-%m}")
    except UserError as error:
        what, _, fix = str(error).partition(". ")
        return warning(subject, f"totals: {what}", fix)
    most = f"at most {settings.totals_pages} pages of Cost Explorer a day"
    return Finding(True, subject, f"totals of account {whose}: {names}; {most}")


def _described(export: Export) -> str:
    manifests = "with manifests" if export.has_manifests else "without manifest: the listing serves"
    return f"{export.kind}, {len(export.periods)} billing periods, {manifests}"


def _periods(export: Export, whose: str) -> list[Finding]:
    """`whose` names the export where several are loaded."""
    subject = "source aws"
    periods = plan(export)
    if not periods:
        fix = "Wait for AWS's first complete delivery (up to 24 hours after the export was made)."
        return [Finding(False, subject, f"no complete billing period {whose}".rstrip(), fix)]
    newest = periods[-1]
    detail = f"newest period {whose}{newest.key}, delivered {age(newest.delivered_at)} ago"
    if (now() - max(p.delivered_at for p in periods)).days > _STALE_DAYS:
        fix = "AWS delivers at least daily: look at the export's status in the AWS console."
        return [Finding(False, subject, detail, fix)]
    return [Finding(True, subject, detail)]

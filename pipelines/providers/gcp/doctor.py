"""Examine the GCP source: credentials, exports, one per billing account, how new their rows are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from pipelines import google_bq_incremental_pipeline as gcp
from pipelines.core.findings import BY_DEFAULT, Finding, origin, warning
from pipelines.core.partition import Selection, now
from pipelines.core.text import age
from pipelines.providers.gcp.exports import Export, by_account, is_focus

_STALE = timedelta(days=3)
_SUBJECT = "source gcp"


def examine() -> Iterator[Finding]:
    """In the order in which a run needs it."""
    settings = gcp.configuration()
    place = f"datasets {', '.join(settings.datasets)}" if settings.datasets else "tables named"
    key = "datasets" if settings.datasets else "tables"
    yield Finding(True, _SUBJECT, f"{place} {origin(key)}")
    chain = settings.credentials.has_default_credentials()
    set_at = [origin(name) for name in ("private_key", "credentials")]
    whose = "(application default)" if chain else min(set_at, key=lambda o: o == BY_DEFAULT)
    if settings.workload_identity_provider:
        whose = f"of the job's own identity {origin('workload_identity_provider')}"
    yield Finding(True, _SUBJECT, f"credentials {whose}")
    exports = gcp.GcpExports(settings)
    limit = settings.maximum_bytes
    said = f"at most {limit / 1024**3:,.0f} GiB a run" if limit else "no limit of bytes"
    yield Finding(True, _SUBJECT, f"queries run in project {exports.project}, {said}")
    yield _reading(exports)
    found = exports.exports()
    for each in found:
        yield Finding(True, _SUBJECT, f"export {each.table}: {_described(each)}")
    yield from _left_out(exports, found)
    yield from _days(exports)


def _reading(exports: gcp.GcpExports) -> Finding:
    """A session is opened on the result of a query that scans nothing."""
    if not exports.settings.storage_api:
        return Finding(True, _SUBJECT, f"days are read as REST pages {origin('storage_api')}")
    refused, fix = exports.jobs.examined()
    if refused:
        detail = f"BigQuery's Storage Read API cannot be used ({refused}): days are read as REST "
        return warning(_SUBJECT, f"{detail}pages, which takes longer", f"{fix}.")
    return Finding(True, _SUBJECT, "days are read by the Storage Read API")


def _described(export: Export) -> str:
    kind = "detailed" if export.detailed else "standard"
    return f"{kind}, billing account {export.account}" if export.is_export else "a copy"


def _left_out(exports: gcp.GcpExports, found: list[Export]) -> Iterator[Finding]:
    """Accounts with several tables, and Google's FOCUS exports."""
    for account, several in by_account(found).items():
        if len(several) > 1:
            yield Finding(
                True,
                _SUBJECT,
                f"billing account {account} has {len(several)} tables: each usage month is read "
                "from one of them, the detailed export where it has all of the month",
            )
    if exports.settings.datasets:
        for table in filter(is_focus, exports.tables_of_datasets()):
            yield Finding(
                True,
                _SUBJECT,
                f"export {table} is Google's FOCUS export: the source focus reads it",
            )


def _days(exports: gcp.GcpExports) -> Iterator[Finding]:
    """One cheap query per table over the newest partitions."""
    recent = (now() - timedelta(days=30)).date().isoformat()
    days = exports.partitions(Selection(first=recent))
    if not days:
        yield warning(
            _SUBJECT,
            "no rows in the last 30 export days",
            "Look at the export's status in the console (Billing, Billing export): Google exports "
            "several times a day.",
        )
        return
    newest = days[-1]
    detail = f"newest export day {newest.key}, exported {age(newest.delivered_at)} ago"
    if now() - newest.delivered_at > _STALE:
        fix = "Google exports several times a day: look at the export's status in the console."
        yield Finding(False, _SUBJECT, detail, fix)
    else:
        yield Finding(True, _SUBJECT, detail)

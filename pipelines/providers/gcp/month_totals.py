"""What BigQuery's tables hold, by table, account, month of use and of invoice, and currency.

A check and the reconciliation compare it.

One aggregate over each whole table, which shares nothing with how days are planned and read. It is
asked for only when `sources.gcp.objects` names it, since BigQuery bills the scan; the scan is said
before, and `maximum_bytes` holds for it. Rows of today's export are left out: more may come.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core.digests import hex_digest
from pipelines.core.landing import HINTS, Landing, Plan, delivered, everything, write_rows
from pipelines.core.partition import ALL, Delivery, Partition, Selection, Unchanged, now
from pipelines.providers.gcp import billing_exports

__all__ = ["CHECKED", "Totals", "connect", "source"]

log = logging.getLogger(__name__)

CHECKED = pa.schema(
    [
        ("export_table", pa.string()),
        ("billing_account_id", pa.string()),
        ("usage_month", pa.date32()),
        ("invoice_month", pa.string()),
        ("currency", pa.string()),
        ("row_count", pa.int64()),
        ("micros", pa.int64()),
        ("asked_on", pa.date32()),
    ]
)
_ASKED = """
select
    coalesce(billing_account_id, '') as billing_account_id,
    date_trunc(date(coalesce(usage_start_time, export_time)), month) as usage_month,
    coalesce(invoice.month, '') as invoice_month,
    coalesce(currency, '') as currency,
    count(*) as row_count,
    sum(
        safe_cast(round(cost * 1000000) as int64)
        + safe_cast(
            round(
                (select ifnull(sum(credit.amount), 0) from unnest(credits) as credit) * 1000000
            ) as int64
        )
    ) as micros
from `{table}`
where date(export_time) < @today
group by 1, 2, 3, 4
"""


class Totals:
    """The same exports as are loaded, asked as a whole."""

    def __init__(self, exports: billing_exports.GcpExports) -> None:
        self.exports = exports

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """One, whatever is selected; what is published of it tells whether it has changed."""
        today = datetime.combine(now().date(), time(), UTC)
        return [Partition("months", "", today, 1, 0, (today.date(), published.get("months")))]

    def rows(self, today: date) -> Iterator[dict[str, Any]]:
        """The answers. Raises ConfigurationError when they would scan more than the limit."""
        jobs = self.exports.jobs
        for table in sorted(each.table for each in self.exports.exports()):
            sql, parameters = _ASKED.format(table=table), {"today": today}
            scanned = jobs.bytes_of(sql, parameters, table)
            log.info("gcp: the months of %s: BigQuery scans %s bytes", table, f"{scanned:,}")
            found = jobs.rows(sql, parameters, table)
            with jobs.explained(table):
                for row in found:
                    yield {"export_table": table, "asked_on": today, **row}


def connect() -> Totals:
    """The configured exports."""
    return Totals(billing_exports.connect())


@dlt.source(name="gcp_month_totals", section="gcp", max_table_nesting=0)
def source(plan: Plan[Totals] | None = None) -> DltResource:
    """The months as they are now."""
    made: DltResource = month_totals(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="month_totals", **HINTS)
def month_totals(plan: Plan[Totals]) -> Iterator[Any]:
    """One row per table, account, months and currency. Raises Unchanged when they are known."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "listing")


def _land(provider: Totals, landing: Landing) -> Delivery:
    today, known = landing.partition.detail
    table = pa.Table.from_pylist(list(provider.rows(today)), CHECKED)
    table = table.sort_by([(name, "ascending") for name in CHECKED.names])
    fingerprint = hex_digest([repr(table.to_pylist())])
    if fingerprint == known:
        raise Unchanged
    path = landing.folder / "rows.parquet"
    write_rows(path, CHECKED, [table], landing.advance)
    return delivered(
        "gcp_month_totals",
        landing.partition.key,
        fingerprint,
        [path],
        delivered_at=landing.partition.delivered_at,
        layout="month_totals",
    )

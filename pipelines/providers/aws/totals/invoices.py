"""AWS's invoices of a month, without their lines: for the mart reconciliation.

The Invoicing API charges nothing. A month is asked for again, once a day, until it is over and an
invoice of it is there for a month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core import months
from pipelines.core.landing import HINTS, Plan, everything
from pipelines.core.partition import ALL, Partition, Selection, now
from pipelines.providers.aws.totals.account import (
    TotalsSettings,
    account_of,
    client,
    configuration,
    explained,
    plan,
)
from pipelines.providers.aws.totals.cost_explorer import Row, land

__all__ = ["CHECKED", "Invoices", "connect", "source"]

CHECKED = pa.schema(
    [
        ("account", pa.string()),
        ("invoice_id", pa.string()),
        ("invoice_type", pa.string()),
        ("entity", pa.string()),
        ("currency", pa.string()),
        ("before_tax", pa.float64()),
        ("after_tax", pa.float64()),
        ("issued_at", pa.timestamp("us", "UTC")),
        ("estimated", pa.bool_()),
        ("asked_at", pa.timestamp("us", "UTC")),
    ]
)
_SETTLED = timedelta(days=31)
"""After the end of a month: invoices of it may still come, for tax and for the marketplace."""


class Invoices:
    """The configured account's invoices."""

    def __init__(self, settings: TotalsSettings, clock: Callable[[], datetime] = now) -> None:
        self._settings, self._clock, self._account = settings, clock, ""

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """The last months, oldest first."""
        return plan(self._settings.totals_months, self._clock(), selection, published)

    def rows(self, month: str) -> list[Row]:
        """The invoices of a month."""
        self._account = self._account or account_of(self._settings)
        at, asked = self._clock(), {"Year": int(month[:4]), "Month": int(month[5:])}
        end = datetime.fromtimestamp(months.start_of(months.after(month)), UTC)
        shared = {
            "account": self._account,
            "estimated": at < end + _SETTLED,
            "asked_at": at,
        }
        with explained("invoicing:ListInvoiceSummaries"):
            pages = client(self._settings, "invoicing").get_paginator("list_invoice_summaries")
            found = pages.paginate(
                Selector={"ResourceType": "ACCOUNT_ID", "Value": self._account},
                Filter={"BillingPeriod": asked},
            )
            summaries = [each for page in found for each in page["InvoiceSummaries"]]
        return [shared | _row(each) for each in summaries]


def connect() -> Invoices:
    """The configured account."""
    return Invoices(configuration())


@dlt.source(name="aws_invoices", section="aws", max_table_nesting=0)
def source(plan: Plan[Invoices] | None = None) -> DltResource:
    """The invoices as AWS has them now."""
    made: DltResource = invoices(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="invoices", **HINTS)
def invoices(plan: Plan[Invoices]) -> Iterator[Any]:
    """One row per invoice of a month."""
    for landing in plan.landings:
        rows = plan.provider.rows(landing.partition.key)
        yield from landing.data(land("aws_invoices", CHECKED, rows, landing), "month")


def _row(summary: Mapping[str, Any]) -> Row:
    base = summary["BaseCurrencyAmount"]
    return {
        "invoice_id": summary["InvoiceId"],
        "invoice_type": summary.get("InvoiceType"),
        "entity": summary.get("Entity", {}).get("InvoicingEntity"),
        "currency": base["CurrencyCode"],
        "before_tax": float(base["TotalAmountBeforeTax"]),
        "after_tax": float(base["TotalAmount"]),
        "issued_at": summary["IssuedDate"].astimezone(UTC),
    }

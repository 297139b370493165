"""AWS Cost Explorer's months by service and record type: for the mart reconciliation.

AWS charges 0.01 USD for each page. So all months that may have changed are one query, which is
asked once a day at most; a month that AWS calls estimated is asked for again, a final one never.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core import months
from pipelines.core.digests import hex_digest
from pipelines.core.landing import HINTS, Landing, Plan, delivered, everything, write_rows
from pipelines.core.partition import ALL, Delivery, Partition, PartitionError, Selection, now
from pipelines.providers.aws.totals.account import (
    TotalsSettings,
    account_of,
    client,
    configuration,
    explained,
    fingerprint,
    plan,
)

__all__ = ["CHECKED", "PRICE", "CostExplorer", "connect", "source"]

log = logging.getLogger(__name__)

PRICE = 0.01
"""USD per request, and each page is one."""
METRICS = {
    "unblended": "UnblendedCost",
    "net_unblended": "NetUnblendedCost",
    "net_amortized": "NetAmortizedCost",
}
CHECKED = pa.schema(
    [
        ("account", pa.string()),
        ("service", pa.string()),
        ("record_type", pa.string()),
        ("currency", pa.string()),
        ("unblended", pa.float64()),
        ("net_unblended", pa.float64()),
        ("net_amortized", pa.float64()),
        ("estimated", pa.bool_()),
        ("asked_at", pa.timestamp("us", "UTC")),
    ]
)
Row = dict[str, Any]


class CostExplorer:
    """The configured account's Cost Explorer. `pages` counts what was paid for."""

    def __init__(self, settings: TotalsSettings, clock: Callable[[], datetime] = now) -> None:
        self._settings, self._clock = settings, clock
        self._wanted: list[str] = []
        self.pages = 0

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """The last months, oldest first; nothing is asked yet."""
        found = plan(self._settings.totals_months, self._clock(), selection, published)
        self._wanted = [each.key for each in found if not each.fingerprint]
        return found

    def estimate(self, partitions: Iterable[Partition]) -> str:
        """At least what a load of these months costs."""
        pages = 1 if any(not each.fingerprint for each in partitions) else 0
        return f"aws_cost_explorer: {pages} requests or more, at {PRICE:.2f} USD each"

    def rows(self, month: str) -> list[Row]:
        """The rows of a month. The first month that is asked for brings all that are wanted."""
        if month not in self._answer:
            raise PartitionError(f"aws_cost_explorer {month}: AWS has no such month. It stays.")
        return self._answer[month]

    @cached_property
    def _answer(self) -> dict[str, list[Row]]:
        """Every wanted month, pages merged by month."""
        period = {
            "Start": f"{self._wanted[0]}-01",
            "End": f"{months.after(self._wanted[-1])}-01",
        }
        found: dict[str, list[Row]] = {}
        account, at = account_of(self._settings), self._clock()
        for page in self._paged(period):
            for result in page["ResultsByTime"]:
                start = date.fromisoformat(result["TimePeriod"]["Start"])
                rows = found.setdefault(f"{start:%Y-%m}", [])
                shared = {
                    "account": account,
                    "estimated": bool(result.get("Estimated")),
                    "asked_at": at,
                }
                rows += [shared | _row(group) for group in result["Groups"]]
        return found

    def _paged(self, period: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Page by page: boto3 has no paginator of it. Raises PartitionError beyond the cap."""
        explorer, token, most = client(self._settings, "ce"), "", self._settings.totals_pages
        while True:
            if self.pages == most:
                raise PartitionError(
                    f"aws_cost_explorer: more than {most} pages, {most * PRICE:.2f} USD. Nothing "
                    "is published; raise sources.aws.totals_pages or lower totals_months."
                )
            self.pages += 1
            with explained("ce:GetCostAndUsage"):
                page = explorer.get_cost_and_usage(
                    TimePeriod=period,
                    Granularity="MONTHLY",
                    Metrics=list(METRICS.values()),
                    GroupBy=[
                        {"Type": "DIMENSION", "Key": "SERVICE"},
                        {"Type": "DIMENSION", "Key": "RECORD_TYPE"},
                    ],
                    **({"NextPageToken": token} if token else {}),
                )
            yield page
            token = page.get("NextPageToken", "")
            if not token:
                log.info("aws: Cost Explorer, %d pages, %.2f USD", self.pages, self.pages * PRICE)
                return


def connect() -> CostExplorer:
    """The configured account."""
    return CostExplorer(configuration())


@dlt.source(name="aws_cost_explorer", section="aws", max_table_nesting=0)
def source(plan: Plan[CostExplorer] | None = None) -> DltResource:
    """The months as AWS has them now."""
    made: DltResource = cost_explorer(plan or everything(connect(), None, None))
    return made


@dlt.resource(name="cost_explorer", **HINTS)
def cost_explorer(plan: Plan[CostExplorer]) -> Iterator[Any]:
    """One row per service and record type of a month."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "month")


def _land(provider: CostExplorer, landing: Landing) -> Delivery:
    rows = provider.rows(landing.partition.key)
    return land("aws_cost_explorer", CHECKED, rows, landing)


def land(source_name: str, schema: pa.Schema, rows: list[Row], landing: Landing) -> Delivery:
    """Rows as one landed file. A month is final once it is over and no row of it is estimated."""
    partition = landing.partition
    content = [{name: value for name, value in row.items() if name != "asked_at"} for row in rows]
    digest = hex_digest([repr(sorted(content, key=repr))], 24)
    is_over = partition.key < months.month_of(partition.delivered_at)
    is_final = is_over and bool(rows) and not any(row["estimated"] for row in rows)
    path = landing.folder / "rows.parquet"
    write_rows(path, schema, [pa.Table.from_pylist(rows, schema)], landing.advance)
    return delivered(
        source_name,
        partition.key,
        fingerprint(digest, is_final, partition.delivered_at),
        [path],
        delivered_at=partition.delivered_at,
        layout=source_name.removeprefix("aws_"),
    )


def _row(group: Mapping[str, Any]) -> Row:
    service, record_type = group["Keys"]
    amounts = {name: group["Metrics"][metric] for name, metric in METRICS.items()}
    units = {each["Unit"] for each in amounts.values()}
    if len(units) != 1:
        raise PartitionError(f"aws_cost_explorer: {service} has several currencies. It stays.")
    numbers = {name: float(each["Amount"]) for name, each in amounts.items()}
    return {"service": service, "record_type": record_type, "currency": units.pop()} | numbers

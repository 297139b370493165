"""Random cost lines as providers bill them, for tests of the FOCUS dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from pipelines.focus.lines import PERIOD, Part, Sums
from pipelines.marts.catalogue import DuckConnection
from pipelines.tables.schema import arrow_schema

SHAPE = arrow_schema(())
_JULY = datetime(2026, 7, 1, tzinfo=UTC)
_NAMES = st.sampled_from(
    ["web", "Zürich", "Größe 9", "東京", "a/b\\c \"d\" 'e'", "Ünïcode ☁ cloud", "tab\there"]
)
_TEXT = st.none() | _NAMES
_MONEY = st.floats(-1e4, 1e4).map(lambda value: round(value, 6))
_QUANTITY = st.none() | st.sampled_from([0.0, 1.0, 0.5, 744.0, -3.0, 1e9])
_SERVICES = {  # name, category
    "Amazon Elastic Compute Cloud": "Compute",
    "AmazonCloudWatch": "Management and Governance",
    "BigQuery": "Analytics",
    "Made Up": "Other",
    "Elastic Load Balancing": "Compute",  # not where the specification has its subcategory
}
_COMMITMENTS = {  # id: type, category, unit
    "arn:plan": ("Savings Plan", "Spend", None),
    "arn:reservation": ("Reserved Instance", "Usage", "Hrs"),
}
_KINDS = {  # line item type: category, status
    "Usage": ("Usage", None),
    "SavingsPlanCoveredUsage": ("Usage", "Used"),
    "DiscountedUsage": ("Usage", "Used"),
    "RIFee": ("Purchase", "Unused"),
    "SavingsPlanRecurringFee": ("Purchase", "Unused"),
    "Fee": ("Purchase", None),
    "Tax": ("Tax", None),
    "Credit": ("Credit", None),
    "Refund": ("Adjustment", None),
}


@st.composite
def cost_lines(draw: st.DrawFn) -> dict[str, Any]:
    """One line of the cost shape without what a provider never leaves open: amounts that nobody
    knows, a currency, an account, a period."""
    source = draw(st.sampled_from(["aws", "gcp", "clickhouse_cloud", "focus"]))
    kind = draw(st.sampled_from(sorted(_KINDS)))
    category, status = _KINDS[kind]
    service = draw(st.sampled_from(sorted(_SERVICES)))
    start = _JULY + timedelta(seconds=draw(st.integers(0, 40 * 86400)))
    own = "arn:plan" if kind.startswith("SavingsPlan") else "arn:reservation"
    named = draw(st.sampled_from([None, own])) if status else None
    of_type, of_category, unit = _COMMITMENTS[own] if status else (None, None, None)
    if not named:
        unit = None
    sign = draw(st.sampled_from([1, 1, 1, -1]))
    at_list = sign * abs(draw(_MONEY))
    cost = draw(_MONEY)
    if kind == "SavingsPlanCoveredUsage" and named:
        cost = 0.0  # what AWS takes back is a test of its own
    elif kind == "DiscountedUsage":
        cost = 0.0
    effective = cost if category in ("Tax", "Credit") else draw(_MONEY)
    region = draw(st.none() | st.sampled_from(["eu-central-2", "europe-west6"]))
    return {
        "provider_name": {"aws": "AWS", "gcp": "Google Cloud"}.get(source, "Example"),
        "publisher_name": draw(_TEXT),
        "invoice_issuer_name": (
            draw(st.none() | st.just("Amazon Web Services EMEA SARL")) if source == "aws" else None
        ),
        "billing_account_id": source,
        "billing_account_name": draw(_TEXT),
        "sub_account_id": draw(st.none() | st.just("444455556666")),
        "sub_account_name": draw(_TEXT),
        "billing_period_start": _JULY if start < _JULY + timedelta(days=31) else _AUGUST,
        "billing_period_end": _AUGUST if start < _JULY + timedelta(days=31) else _SEPTEMBER,
        "charge_period_start": start,
        "charge_period_end": start + timedelta(seconds=draw(st.integers(0, 90000))),
        "charge_category": category,
        "charge_description": draw(_TEXT),
        "charge_frequency": draw(st.none() | st.just("Usage-Based")),
        "service_category": _SERVICES[service],
        "service_name": service,
        "sku_id": draw(st.none() | st.just("SKU1")),
        "region_id": region,
        "region_name": region and draw(st.just({"eu-central-2": "Europe (Zürich)"}.get(region))),
        "resource_id": draw(
            st.none() | st.sampled_from(["i-1", "arn:x:capacity-reservation/cr-1"])
        ),
        "resource_name": draw(_TEXT),
        "resource_type": draw(st.none() | st.just("Compute Instance")),
        "consumed_quantity": draw(_QUANTITY),
        "consumed_unit": draw(st.none() | st.sampled_from(["Hrs", "GB-Mo"])),
        "pricing_quantity": draw(_QUANTITY),
        "pricing_unit": unit if named else draw(st.none() | st.sampled_from(["Hrs", "requests"])),
        "pricing_category": "Committed" if category == "Usage" and named else None,
        "billed_cost": cost,
        "effective_cost": effective,
        "list_cost": at_list,
        "contracted_cost": cost if category == "Credit" else at_list / 2,
        "billing_currency": "USD",
        "commitment_discount_id": named,
        "commitment_discount_type": of_type,
        "commitment_discount_category": of_category,
        "commitment_discount_status": status,
        "tags": draw(st.dictionaries(_NAMES, st.just("") | _NAMES, max_size=3)),
        "x_cost_categories": {},
        "x_account_tags": draw(st.dictionaries(_NAMES, _NAMES, max_size=1)),
        "x_line_item_type": kind if source == "aws" else "regular",
        "x_source": source,
        "x_partition": "2026-07" if start < _JULY + timedelta(days=31) else "2026-08",
        "x_credit_amount": 0.0,
        "x_credits": {},
        "x_fingerprint": "f",
        "x_dlt_load_id": "1",
    }


_AUGUST = _JULY + timedelta(days=31)
_SEPTEMBER = _JULY + timedelta(days=62)


def table(lines: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Lines in the cost shape."""
    return pa.Table.from_pylist([dict.fromkeys(SHAPE.names) | dict(x) for x in lines], SHAPE)


class TableLines:
    """Cost lines of a table, as a destination has them."""

    def __init__(self, rows: pa.Table, folder: Path) -> None:
        self._path = folder / "lines.parquet"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, self._path)

    def versions(self) -> dict[Part, str]:
        """Each partition at its only version."""
        with self.opened(()) as connection:
            rows = connection.query("select distinct x_source, x_partition from costs")[1]
        return {(row[0], row[1]): "1" for row in rows}

    def periods(self, parts: Collection[Part]) -> dict[Part, list[str]]:
        """The period is the partition."""
        return {part: [part[1]] for part in parts}

    def complete_through(self) -> dict[str, date]:
        """Of no source."""
        return {}

    def sums(self) -> Sums:
        """By the lines themselves."""
        month = PERIOD.format("billing_period_start")
        sql = (
            f"select {month}, coalesce(billing_currency, ''), coalesce(sum(billed_cost), 0), "
            "coalesce(sum(effective_cost), 0) from costs"
        )
        with self.opened(()) as connection:
            rows = connection.query(f"{sql} group by 1, 2")[1]
        return {(r[0], r[1]): {"billed_cost": r[2], "effective_cost": r[3]} for r in rows}

    @contextmanager
    def opened(self, parts: Collection[Part]) -> Iterator[DuckConnection]:
        """All of the partitions, or those named."""
        connection = DuckConnection()
        with connection.duck:
            connection.view("lines", [str(self._path)], SHAPE)
            wanted = sorted({f"{name}/{key}" for name, key in parts})
            where = f"where concat(x_source, '/', x_partition) in {(*wanted, '')}" if wanted else ""
            connection.duck.execute(f"create view costs as select * from lines {where}")
            yield connection

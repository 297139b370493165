"""The Billing Period dataset: a row per period and issuer, open until its invoices are there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.focus.check import check
from pipelines.focus.export import export
from pipelines.focus.lines import Part
from pipelines.marts.catalogue import DuckConnection
from pipelines.tables.focus_dataset.columns import BILLING_PERIOD, arrow_dataset
from pipelines.tables.revenue import COSTS_SPLIT
from pipelines.tables.schema import arrow_of
from tests.focus_dataset.test_focus_rows import LINE
from tests.support.focus_lines import TableLines, table

Row = dict[str, Any]
JULY, AUGUST, SEPTEMBER = (datetime(2026, month, 1, tzinfo=UTC) for month in (7, 8, 9))
INVOICED = LINE | {"invoice_id": "in-1"}
LATER = LINE | {
    "billing_period_start": AUGUST,
    "billing_period_end": SEPTEMBER,
    "charge_period_start": AUGUST,
    "charge_period_end": AUGUST.replace(hour=1),
    "x_partition": "2026-08",
}
SELLER = INVOICED | {"invoice_issuer_name": "Acme", "publisher_name": "Acme", "billed_cost": 0.0}


class Known(TableLines):
    """Lines of which all sources are complete through a day, without split charges."""

    through = date(2026, 7, 31)
    version = "1"

    def versions(self) -> dict[Part, str]:
        return dict.fromkeys(super().versions(), self.version)

    @contextmanager
    def opened(self, parts: Collection[Part]) -> Iterator[DuckConnection]:
        with super().opened(parts) as connection:
            connection.duck.register("costs_split", arrow_of(COSTS_SPLIT).empty_table())
            yield connection

    def complete_through(self) -> dict[str, date]:
        return {"aws": self.through}


def periods(lines: Sequence[Row], folder: Path, through: date = Known.through) -> list[Row]:
    """The rows of the dataset after a run over these lines, which keep every rule."""
    number = str(len(list(folder.glob("lines-*"))))
    source = Known(table(lines), folder / f"lines-{number}")
    source.through, source.version = through, number
    export(source, folder / "focus", "1.3")
    outcomes = check(folder / "focus", "1.3", source.sums(), BILLING_PERIOD)
    assert [each.rule.id for each in outcomes if each.status != "passed"] == []
    path = folder / "focus" / BILLING_PERIOD / "billing_period.parquet"
    found = pq.ParquetFile(path).read()
    assert found.schema.remove_metadata() == arrow_dataset(BILLING_PERIOD, "1.3")
    rows: list[Row] = found.to_pylist()
    return rows


def states(rows: Sequence[Row]) -> list[tuple[datetime, datetime, str, str]]:
    """Start, end, issuer and status."""
    return [
        (row["BillingPeriodStart"], row["BillingPeriodEnd"], row["InvoiceIssuerName"],
         row["BillingPeriodStatus"])
        for row in rows
    ]  # fmt: skip


def test_a_period_of_an_issuer_is_open_until_it_is_whole_and_invoiced_and_then_stays_closed(
    tmp_path: Path,
) -> None:
    first = periods([dict(LINE), SELLER, LATER], tmp_path)
    assert states(first) == [
        (JULY, AUGUST, "AWS", "Open"),  # without an invoice
        (JULY, AUGUST, "Acme", "Closed"),
        (AUGUST, SEPTEMBER, "AWS", "Open"),
    ]
    second = periods([INVOICED, SELLER, LATER | {"invoice_id": "in-2"}], tmp_path)
    assert states(second) == [
        (JULY, AUGUST, "AWS", "Closed"),
        (JULY, AUGUST, "Acme", "Closed"),
        (AUGUST, SEPTEMBER, "AWS", "Open"),  # invoiced, and its days are not all there
    ]
    created = [row["BillingPeriodCreated"] for row in first]
    assert [row["BillingPeriodCreated"] for row in second] == created
    assert [second[n]["BillingPeriodLastUpdated"] for n in (1, 2)] == [
        first[n]["BillingPeriodLastUpdated"] for n in (1, 2)
    ]
    third = periods([dict(LINE), SELLER, LATER], tmp_path)  # a correction without an invoice yet
    assert third == second


@pytest.mark.thorough
def test_a_charge_of_nothing_needs_no_invoice_and_a_month_that_is_not_whole_is_open(
    tmp_path: Path,
) -> None:
    free = LINE | {"billed_cost": 0.0, "effective_cost": 0.0}
    assert states(periods([free, INVOICED], tmp_path / "whole")) == [
        (JULY, AUGUST, "AWS", "Closed")
    ]
    assert states(periods([free], tmp_path / "none")) == [(JULY, AUGUST, "AWS", "Open")]
    until = date(2026, 7, 30)
    assert states(periods([INVOICED], tmp_path / "part", until)) == [(JULY, AUGUST, "AWS", "Open")]

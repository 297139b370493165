"""A query's rows as arrow: of REST pages, of the Storage API, and from one to the other.

The Storage API is gRPC, which the sandbox does not speak: its answers stand in here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
import pytest
from google.api_core import exceptions
from google.cloud.bigquery.table import RowIterator

from pipelines.providers.gcp.bigquery.rows import of_page, tables

SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("cost", pa.float64()),
        ("price", pa.decimal128(38, 9)),
        ("rows", pa.int64()),
        ("good", pa.bool_()),
        ("at", pa.timestamp("us", "UTC")),
        ("day", pa.date32()),
    ]
)
PAGE: list[dict[str, Any]] = [
    {
        "f": [
            {"v": v}
            for v in ("a", "0.1", "0.031611", "7", "true", "1793337320117000", "2026-10-30")
        ]
    },
    {"f": [{"v": v} for v in ("", "1E-7", "0", "-1", "false", "0", "1970-01-01")]},
    {"f": [{"v": None}] * 7},
]
ROWS = [
    ("a", 0.1, Decimal("0.031611000"), 7, True,
     datetime(2026, 10, 30, 5, 15, 20, 117000, tzinfo=UTC), date(2026, 10, 30)),
    ("", 1e-7, Decimal("0E-9"), -1, False, datetime(1970, 1, 1, tzinfo=UTC), date(1970, 1, 1)),
    (None,) * 7,
]  # fmt: skip


@dataclass
class Page:
    raw_page: dict[str, Any]


@dataclass
class Answer:
    """What a query gives: pages over REST, and over Storage batches or a refusal."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    refusal: Exception | None = None
    total_rows: int = 3

    @property
    def pages(self) -> Iterator[Page]:
        yield Page({"rows": PAGE[:2]})
        yield Page({"rows": PAGE[2:]})
        yield Page({})

    def to_arrow_iterable(self, bqstorage_client: object) -> Iterator[pa.RecordBatch]:
        if self.refusal:
            raise self.refusal
        yield from self.batches


def read(answer: Answer, storage: object = None) -> list[tuple[Any, ...]]:
    found = list(tables(cast("RowIterator", answer), SCHEMA, lambda: storage))
    assert {table.schema for table in found} <= {SCHEMA}
    return [tuple(row.values()) for table in found for row in table.to_pylist()]


def test_a_page_has_every_type() -> None:
    assert [tuple(row.values()) for row in of_page(PAGE, SCHEMA).to_pylist()] == ROWS
    assert of_page([], SCHEMA).num_rows == 0


def test_pages_are_read_where_there_is_no_storage() -> None:
    assert read(Answer()) == ROWS


@pytest.mark.parametrize(
    "refusal",
    [
        exceptions.PermissionDenied("bigquery.readsessions.create"),
        exceptions.Forbidden("no"),
        exceptions.ServiceUnavailable("no way to gRPC"),
        exceptions.RetryError("Timeout", cause=None),
    ],
)
def test_pages_are_read_where_storage_is_refused(refusal: Exception) -> None:
    assert read(Answer(refusal=refusal), storage=object()) == ROWS


def test_storage_gives_batches_in_other_types_of_the_same_kind() -> None:
    batch = pa.RecordBatch.from_pylist(
        [dict(zip(SCHEMA.names, row, strict=True)) for row in ROWS], schema=SCHEMA
    )
    assert read(Answer(batches=[batch.slice(0, 1), batch.slice(1)]), storage=object()) == ROWS
    assert read(Answer(total_rows=0), storage=object()) == ROWS  # nothing to open a session for


def test_an_error_in_the_middle_of_storage_is_no_reason_to_begin_again() -> None:
    class Breaking(Answer):
        def to_arrow_iterable(self, bqstorage_client: object) -> Iterator[pa.RecordBatch]:
            yield of_page(PAGE[:1], SCHEMA).to_batches()[0]
            raise exceptions.ServiceUnavailable("gone")

    with pytest.raises(exceptions.ServiceUnavailable):
        read(Breaking(), storage=object())

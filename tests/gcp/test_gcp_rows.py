"""A query's rows as arrow, of REST pages; test_gcp_storage.py has those of the Storage Read API."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from pipelines.bigquery.rows import of_page

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


def test_a_page_has_every_type() -> None:
    assert [tuple(row.values()) for row in of_page(PAGE, SCHEMA).to_pylist()] == ROWS
    assert of_page([], SCHEMA).num_rows == 0

"""Small export days of GCP cost in a BigQuery server, for tests whose subject is not the lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from scripts.sandbox.gcp.schema import DETAILED, PARTITION_TIME, STANDARD
from tests.support.providers.raw_gcp import LINE, TABLE, Row

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

STANDARD_TABLE = TABLE.replace("_resource", "")
OTHER_TABLE = "example-billing.billing_export.gcp_billing_export_v1_0F1E2D_3C4B5A_697887"
OTHER = {"billing_account_id": "0F1E2D-3C4B5A-697887", "currency": "CHF"}

Days = Mapping[str, Sequence[float]]
"""Costs by export day, one row each."""


def rows(days: Days, at: int = 5, **changes: Any) -> list[Row]:
    """A row per cost, exported at so many hours UTC."""
    found = []
    for day, costs in days.items():
        begin = datetime.combine(datetime.fromisoformat(day), time(), UTC)
        exported = {"export_time": begin + timedelta(hours=at), PARTITION_TIME: begin}
        found += [LINE | exported | {"cost": cost} | changes for cost in costs]
    return found


def table_of(given: Sequence[Row], schema: pa.Schema = DETAILED) -> pa.Table:
    """Rows as a table of the export."""
    return pa.Table.from_pylist(list(given), schema=schema)


def put(server: BigQueryServer, days: Days, table: str = TABLE, **changes: Any) -> None:
    """Make these days the whole of a table."""
    schema = DETAILED if "_resource_" in table else STANDARD
    server.load(table, table_of(rows(days, **changes), schema))


def environ(server: BigQueryServer, *tables: str) -> dict[str, str]:
    """The variables by which the commands read these tables of a server."""
    return dict(server.environ) | {
        "SOURCES__GCP__CREDENTIALS": json.dumps(server.service_account()),
        "SOURCES__GCP__TABLES": json.dumps(tables or (TABLE,)),
        "SOURCES__GCP__RETRY_SECONDS": "2.5",
    }


def billed(data: Path) -> dict[str, list[float]]:
    """Published cost by day, sorted, as one who globs the mart's folder reads it."""
    return {
        path.stem.removeprefix("gcp-"): sorted(
            pq.ParquetFile(path).read(["billed_cost"])["billed_cost"].to_pylist()
        )
        for path in sorted(data.glob("marts/costs/gcp-*.parquet"))
    }


def raw(data: Path, day: str) -> pa.Table:
    """The raw rows of a day."""
    paths = sorted(data.glob(f"gcp_costs/billing_export/export_date={day}/*.parquet"))
    return pa.concat_tables(
        [pq.ParquetFile(path).read() for path in paths], promote_options="permissive"
    )

"""ClickHouse Cloud's cost lines, one per day, entity and meter. Twin: sql/24_clickhouse_cloud.sql.

One ClickHouse Credit (CHC) is one USD by list: a discount on buying credits is not in it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.normalize.columns import TIME, Raw, literal, no_amounts, nulls, require
from pipelines.normalize.copied import whole
from pipelines.tables.copied import copied
from pipelines.tables.schema import Context, cost_columns, tag_column_name

REQUIRED = (
    "organization_id",
    "organization_name",
    "usage_date",
    "data_warehouse_id",
    "entity_type",
    "entity_id",
    "entity_name",
    "meter",
    "amount_chc",
)
_COPIED = copied("clickhouse_cloud/columns")
_DAY = pa.scalar(86_400_000_000, pa.duration("us"))


def columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """Those of a raw file's columns to read, and those of them to read dictionary-encoded."""
    require(schema, REQUIRED, "The usage cost of ClickHouse Cloud")
    texts = [name for name in REQUIRED if name not in ("usage_date", "amount_chc")]
    return list(REQUIRED), texts


def normalize(table: pa.Table, context: Context) -> pd.DataFrame:
    """The cost shape of one batch of raw rows. Raises ShapeError for a column it cannot use."""
    require(table.schema, REQUIRED, "The usage cost of ClickHouse Cloud")
    raw = Raw(table)
    n = raw.rows
    start = raw.time("usage_date")
    month = pc.floor_temporal(start, unit="month")
    amount = raw.number("amount_chc")
    return whole(
        cost_columns(context.tag_columns),
        raw,
        _COPIED,
        {
            # when
            "billing_period_start": month,
            "billing_period_end": pc.ceil_temporal(
                month, unit="month", ceil_is_strictly_greater=True
            ),
            "charge_period_start": start,
            "charge_period_end": pc.add(start, _DAY).cast(TIME),
            # how much: the API has costs only
            "consumed_quantity": np.full(n, np.nan),
            # tags: the API has none of a service here
            "tags": pa.array([[]] * n, pa.map_(pa.string(), pa.string())),
            **{tag_column_name(key): nulls(n) for key in context.tag_columns},
            # ours
            "x_usage_date": start.cast(pa.date32()),
            "x_partition": literal(context.partition, n),
            "x_credit_amount": np.zeros(n),
            "x_credits": no_amounts(n),
            "x_currency_rate_usd": np.ones(n),
            "x_billed_cost_usd": amount,
            "x_effective_cost_usd": amount,
            "x_fingerprint": literal(context.fingerprint, n),
            "x_dlt_load_id": literal(context.load_id, n),
        },
    )

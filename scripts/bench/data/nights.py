"""A store of daily cost rows on disk, and how long the marts of a night take on it.

    python -m scripts.bench.data.nights MONTHS [ROWS]

A month has 60,000 daily rows, or so many, a thirtieth of them resources, in 17 services and 24
accounts, each of which belongs to a team. Then the newest month is published again with other
amounts. Prints as JSON the seconds, processor seconds and peak memory of computing the marts after
it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

from pipelines.destinations.filesystem.destination import configured_store
from pipelines.destinations.filesystem.store import Store
from pipelines.marts.compute import compute
from pipelines.tables import daily

ROWS = 60_000
_COUNTS = ", ".join(f"0 as {daily.without(name)}" for name in daily.SUMS)
_MONTH = """
select 'AWS' as provider_name, 'aws' as x_source, '{month}' as x_partition,
    date '{month}-01' + cast(row % 28 as integer) as x_usage_date, false as x_spans_days,
    timestamptz '{month}-01 00:00:00+00' as billing_period_start, 'Usage' as charge_category,
    'Usage-Based' as charge_frequency, 'service ' || (row % 17) as service_name,
    'Compute' as service_category, 'account ' || (row % 24) as sub_account_id,
    'account ' || (row % 24) as sub_account_name, 'region-' || (row % 6) as region_id,
    'sku ' || (row % 800) as sku_id, 'arn:aws:resource/' || (row // 28) as resource_id,
    'USD' as billing_currency, 1.0 as x_currency_rate_usd, 'Usage' as x_line_item_type,
    'env ' || (row % 24 % 4) as tag_environment,
    case when row % 17 < 16 then 'team ' || (row % 24 % 8) end as tag_team,
    case when row % 17 < 2 then 'plan ' || (row % 17) end as commitment_discount_id,
    case when row % 17 < 2 then 'Savings Plan' end as commitment_discount_type,
    case when row % 17 < 2 then 'Used' end as commitment_discount_status,
    {scale} * (hash(row) % 1000) / 1000 as billed_cost,
    {scale} * (hash(row) % 1000) / 1000 as effective_cost, (hash(row) % 1000) / 900 as list_cost,
    (hash(row) % 1000) / 1000 as contracted_cost, 24 as x_lines, 0 as x_lines_without_cost,
    {counts}, '{fingerprint}' as x_fingerprint, '1' as x_dlt_load_id
from range({rows}) as numbers(row)
"""


def main(arguments: Sequence[str]) -> int:
    """Generate, change the newest month, compute."""
    months, rows = int(arguments[0]), int(arguments[1]) if arguments[1:] else ROWS
    store = configured_store()
    for number in range(months):
        _publish(store, number, rows, 1.0)
    compute(store)
    _publish(store, months - 1, rows, 1.1)
    before, started = _processor(), time.perf_counter()
    compute(store)
    seconds, after = time.perf_counter() - started, _processor()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps({"seconds": seconds, "cpu_seconds": after - before, "peak_mb": peak}))
    return 0


def _publish(store: Store, number: int, rows: int, scale: float) -> None:
    month = f"{2023 + number // 12}-{number % 12 + 1:02d}"
    path = Path(store.mart(daily.NAME, "aws", month))
    path.parent.mkdir(parents=True, exist_ok=True)
    select = _MONTH.format(
        month=month, scale=scale, rows=rows, counts=_COUNTS, fingerprint=f"{month} {scale}"
    )
    duckdb.sql(f"copy ({select}) to '{path}' (format parquet, compression zstd)")


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Marts of files are computed from sums: they are what `costs_daily` itself would make of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.schema.marts import Mart, mart_selects
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.destinations.filesystem.store import Store
from pipelines.marts.catalogue import mart_views, published_connection, raw_list_views
from pipelines.marts.compute import compute
from pipelines.marts.inputs import LISTS
from pipelines.normalize.run import tag_columns
from pipelines.tables import daily

_COUNTS = ", ".join(f"(hash(row, '{name}') % 9 // 8)::bigint as {daily.without(name)}"
                    for name in daily.SUMS)  # fmt: skip
_AMOUNTS = ", ".join(
    f"case when hash(row, '{name}') % 11 > 0 "
    f"then (hash(row, '{name}') % 4001)::bigint / 64 - 10 end as {name}"
    for name in daily.SUMS
)


def one_of(name: str, *values: str) -> str:
    """SQL for a column with values that look random, the same in every 60th row."""
    cases = " ".join(f"when {number} then {value}" for number, value in enumerate(values))
    return f"case (hash(row % 60, '{name}') % {len(values)})::bigint {cases} end as {name}"


def deliver(store: Store, source: str, month: str, rows: int = 900) -> None:
    """A month of daily rows in which everything that marts look at varies, amounts in 64ths."""
    columns = [
        f"'{source}' as x_source, '{month}' as x_partition",
        f"date '{month}-01' + (hash(row, 'day') % 7)::integer * 4 as x_usage_date",
        f"timestamptz '{month}-01 00:00:00+00' as billing_period_start",
        one_of("x_spans_days", "false", "false", "true"),
        one_of("provider_name", "'AWS'", "'Google Cloud'"),
        one_of("service_name", "'Compute'", "'Storage'", "null", "'Support'"),
        one_of("sub_account_id", "'1'", "'2'", "null"),
        one_of("sub_account_name", "'one'", "'two'", "null"),
        one_of(
            "charge_category", "'Usage'", "'Usage'", "'Usage'", "'Credit'", "'Tax'", "'Purchase'"
        ),
        one_of("charge_frequency", "'Usage-Based'", "'Recurring'", "'One-Time'", "null"),
        one_of("pricing_category", "'Standard'", "'Committed'", "'Dynamic'"),
        one_of("billing_currency", "'USD'", "'USD'", "'EUR'"),
        one_of("x_currency_rate_usd", "1.0", "2.0", "null"),
        one_of("commitment_discount_id", "'plan'", "'reservation'", "null", "null"),
        one_of("commitment_discount_type", "'Savings Plan'", "'Reserved'", "null"),
        one_of("commitment_discount_status", "'Used'", "'Unused'", "null", "null"),
        one_of("x_line_item_type", "'Usage'", "'EdpDiscount'", "'Refund'", "null"),
        one_of("x_commitment_family", "'none'", "'EC2'", "null"),
        one_of("x_commitment_end", "timestamptz '2026-09-30 10:00:00+00'", "null"),
        one_of("tag_team", "'a'", "'b'", "null"),
        one_of("tag_environment", "'live'", "null"),
        one_of("invoice_id", "'17'", "null"),
        "'resource ' || row as resource_id, 'sku ' || row % 7 as sku_id, 'x' as service_category",
        f"{_AMOUNTS}, 3::bigint as x_lines, 1::bigint as x_lines_without_cost, {_COUNTS}",
        f"'{month}' as x_fingerprint, '1' as x_dlt_load_id",
    ]
    path = Path(store.mart(daily.NAME, source, month))
    path.parent.mkdir(parents=True, exist_ok=True)
    select = f"select {', '.join(columns)} from range({rows}) as numbers(row)"
    duckdb.sql(f"copy ({select}) to '{path}' (format parquet)")


def directly(store: Store, marts: list[Mart]) -> dict[str, list[tuple[Any, ...]]]:
    """Every mart of `costs_daily` itself, in the order of the published columns."""
    connection = published_connection(store)
    mart_views(connection, store, [daily.NAME])
    raw_list_views(connection, store, sorted(LISTS))
    found = {}
    for mart in marts:
        if not mart.is_of_raw:
            connection.duck.execute(f"create view {mart.name} as {mart.select}")
        if not mart.source_name:
            names = pq.read_schema(store.computed(mart.name)).names
            quoted = ", ".join(f'"{name}"' for name in names)
            found[mart.name] = ordered(connection.query(f"select {quoted} from {mart.name}")[1])
    return found


def ordered(rows: Any) -> list[tuple[Any, ...]]:
    """Rows in one order, amounts to a billionth."""
    rounded = [
        tuple(round(value, 9) + 0.0 if isinstance(value, float) else value for value in row)
        for row in rows
    ]
    return sorted(rounded, key=repr)


@pytest.mark.thorough
def test_marts_of_sums_are_those_of_the_daily_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "data"))
    store = configured_store()
    for month in ("2026-06", "2026-07", "2026-08"):
        deliver(store, "aws", month)
        deliver(store, "gcp", month, 300)
    compute(store)
    marts = mart_selects(SQL, tag_columns())
    published = {
        mart.name: ordered(zip(*pq.read_table(store.computed(mart.name)).to_pydict().values(),
                               strict=True))
        for mart in marts
        if not mart.source_name
    }  # fmt: skip
    assert published == directly(store, marts)
    assert min(len(published[name]) for name in ("commitments", "untagged", "cost_movers")) > 10
    rows = pq.read_metadata(store.sums("aws-2026.parquet")).num_rows
    assert rows < 1800


def test_sums_of_a_year_follow_its_partitions_however_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "data"))
    store = configured_store()
    older = [Path(store.sums("aws-2026-06.parquet")), Path(store.root, "sums.json")]
    Path(store.sums("")).mkdir(parents=True)
    for left in older:  # as versions before had them
        left.write_text("{}")
    for month in ("2025-12", "2026-06", "2026-07"):
        deliver(store, "aws", month)
    compute(store)
    assert summed(store, 2025) | summed(store, 2026) == daily_lines(store)
    deliver(store, "aws", "2026-07", 500)
    deliver(store, "aws", "2026-08", 300)
    Path(store.mart(daily.NAME, "aws", "2026-06")).unlink()
    Path(store.mart(daily.NAME, "aws", "2025-12")).unlink()
    compute(store)
    assert summed(store, 2026) == daily_lines(store) == {"2026-07": 1500, "2026-08": 900}
    Path(store.sums("aws-2026.parquet")).write_text("no parquet")
    deliver(store, "aws", "2026-08", 400)
    compute(store)
    assert summed(store, 2026) == daily_lines(store) == {"2026-07": 1500, "2026-08": 1200}
    assert store.glob(store.sums("*")) == [store.sums("aws-2026.parquet")]
    assert not any(left.exists() for left in older)


def summed(store: Store, year: int) -> dict[str, int]:
    """The cost lines in a year's sums, by partition."""
    return lines_by_partition(store.sums(f"aws-{year}.parquet"))


def daily_lines(store: Store) -> dict[str, int]:
    """The same in the daily rows of all partitions."""
    return lines_by_partition(store.mart(daily.NAME, "aws", "*"))


def lines_by_partition(files: str) -> dict[str, int]:
    """x_lines by x_partition."""
    sql = f"select x_partition, sum(x_lines)::bigint from read_parquet('{files}') group by all"
    with duckdb.connect() as duck:
        return dict(duck.execute(sql).fetchall())


def test_no_mart_has_a_condition_on_a_sum_that_is_not_kept_apart() -> None:
    sums = "|".join(daily.sum_names())
    condition = re.compile(rf"\b(?:{sums})\s*(?:>|<|=)[^\n]*")
    found = {
        match[0].strip()
        for mart in mart_selects(SQL, ("team",))
        if not mart.source_name
        for match in condition.finditer(mart.select)
    }
    assert found == {"list_cost > 0"}

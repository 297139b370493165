"""Deribit's twins: pandas and ClickHouse make the same rows, of the tape and of any name."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.core.landing import delivered, write_rows
from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.layout import RawTable
from pipelines.normalize.batches import RawFile, normalize_files
from pipelines.providers.deribit import normalize
from pipelines.providers.deribit.days import RAW
from pipelines.tables.schema import Context
from pipelines.tables.shapes import arrow_shape, columns_of
from scripts.sandbox.deribit.tape import Shape, make
from tests.deribit.test_deribit_names import NAMES, UNKNOWN
from tests.support.providers.deribit_market import FIRST

RAW_TABLE: RawTable = SOURCES["deribit"].raw_table
PARTITION, FINGERPRINT, LOAD_ID = f"{FIRST}.BTC", "closed-f00d", "1790000000.5"
OTHERS = ["ETH_BTC", "BTC_EURR-PERPETUAL", "BTC_USDT", "USDC_USDT", "BTC_EURR-9MAY26-5-C"]


def test_the_twins_make_the_same_rows(clickhouse: ClickHouseConfig, tmp_path: Path) -> None:
    tape = make(["BTC", "USDC"], FIRST, 1, Shape(trades_per_day=500))
    raw = [*tape.trades("BTC", FIRST), *tape.trades("USDC", FIRST)]
    names = [*NAMES, *[name for name in UNKNOWN if name], *OTHERS]
    raw += [raw[n] | {"instrument_name": name} for n, name in enumerate(names)]
    raw += [{name: raw[0][name] for name in normalize.REQUIRED}]  # of early history
    unique = [
        row | {"trade_id": f"{n:06}", "combo_trade_id": _text(row.get("combo_trade_id"))}
        for n, row in enumerate(raw)
    ]
    mine, theirs = _both(clickhouse, tmp_path, unique)
    assert len(mine) == len(unique) > 1_000
    differing = [
        (name, column.name, row[column.name], theirs[key][column.name])
        for key, row in mine.items()
        for column in columns_of("deribit", ())
        for name in [row["instrument_name"]]
        if not _is_same(row[column.name], theirs[key][column.name])
    ]
    assert differing[:5] == []
    kinds = {row["kind"] for row in mine.values()}
    assert {"option", "perpetual", "spot", "future_combo", "option_combo", "unclassified"} < kinds


def _both(
    server: ClickHouseConfig, folder: Path, raw: list[dict[str, Any]]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    rows = [{f.name: row.get(f.name) for f in RAW} for row in raw]
    write_rows(folder / "raw.parquet", RAW, [pa.Table.from_pylist(rows, RAW)])
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    delivery = delivered(
        "deribit", PARTITION, FINGERPRINT, [folder / "raw.parquet"],
        delivered_at=moment, layout="trades",
    ).loaded_by(LOAD_ID)  # fmt: skip
    name = str(delivery.files[0]["name"])
    context = Context(PARTITION, FINGERPRINT, LOAD_ID)
    shape = arrow_shape("deribit", ())
    target = folder / "normalized.parquet"
    normalize_files([RawFile(name, folder / name)], target, normalize, context, shape=shape)
    mine = pq.ParquetFile(target).read()
    migrate(server, ())
    with Warehouse(server) as warehouse:
        warehouse.publish(RAW_TABLE, folder, delivery)
    names = ", ".join(shape.names)
    with connect(server) as client:
        theirs = client.query_arrow(
            f"select {names} from normalized_deribit",
            settings={"output_format_arrow_string_as_string": 1,
                      "output_format_arrow_low_cardinality_as_dictionary": 0},
        ).cast(shape)  # fmt: skip
    return _by_id(mine), _by_id(theirs)


def _by_id(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["trade_id"]: row for row in table.to_pylist()}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return type(one) is type(other) and one == other

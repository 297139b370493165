"""ClickHouse, the other ways: the files into a plain table, or by dlt's stock merge, twice.

    python -m scripts.bench.yardsticks.insert plain|merge FILE…

The server is the one of dlt's variables, DESTINATION__CLICKHOUSE__CREDENTIALS__*. `plain` is
clickhouse-connect's insert_file, file after file, and nothing else. `merge` gives dlt the untouched
files (its fastest way) with the billing period as merge key, once into nothing and once more as a
restatement. Prints the seconds as JSON, imports and connecting not counted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import clickhouse_connect
import dlt
import pyarrow as pa
import pyarrow.parquet as pq
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.tools import insert_file
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns

CREDENTIALS = "DESTINATION__CLICKHOUSE__CREDENTIALS__"
PERIOD = "bill_billing_period_start_date"


def main(arguments: Sequence[str]) -> int:
    """One of the two ways."""
    how, *files = arguments
    found = plain(files) if how == "plain" else merge(files)
    print(json.dumps(found))
    return 0


def plain(files: Sequence[str]) -> dict[str, float]:
    """Insert the files into a new table without key or partitions."""
    client = connect()
    create(client, "bench_plain", files[0])
    started = time.perf_counter()
    for file in files:
        insert_file(client, "bench_plain", file, fmt="Parquet", settings={"async_insert": 0})
    seconds = time.perf_counter() - started
    return {"seconds": seconds}


def merge(files: Sequence[str]) -> dict[str, float]:
    """dlt's stock destination. Tables are made first: dlt would make text of the map columns."""
    client = connect()
    for dataset in ("bench_stock", "bench_stock_staging"):
        create(client, f"{dataset}__cur", files[0])
    pipeline = dlt.pipeline(
        pipeline_name="bench_stock",
        destination=dlt.destinations.clickhouse(
            credentials=credentials(), dataset_table_separator="__"
        ),
        dataset_name="bench_stock",
    )
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        pipeline.run(cur(files))
        seconds.append(time.perf_counter() - started)
        # as for ours: what would be merged later is merged now, on nobody's account
        client.command("optimize table bench_stock__cur final")
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    loaded = int(str(client.command("select count() from bench_stock__cur")))
    if loaded != rows:
        raise RuntimeError(f"dlt's merge left {loaded:,} rows of {rows:,}: nothing to compare with")
    return {"first": seconds[0], "restated": seconds[1]}


@dlt.resource(write_disposition="merge", merge_key=PERIOD)
def cur(files: Sequence[str]) -> Iterator[Any]:
    """The files, for dlt to carry as they are."""
    for file in files:
        columns = py_arrow_to_table_schema_columns(pq.read_schema(file))
        hints = dlt.mark.make_hints(columns=columns)
        count = pq.read_metadata(file).num_rows
        yield dlt.mark.with_file_import(file, "parquet", items_count=count, hints=hints)


def credentials() -> dict[str, Any]:
    """dlt's variables, as dlt names them inside."""
    texts = ("host", "username", "password", "database")
    numbers = ("port", "http_port", "secure")
    found: dict[str, Any] = {name: os.environ[f"{CREDENTIALS}{name.upper()}"] for name in texts}
    return found | {name: int(os.environ[f"{CREDENTIALS}{name.upper()}"]) for name in numbers}


def connect() -> Client:
    """A client of that server."""
    to = credentials()
    client: Client = clickhouse_connect.get_client(
        host=to["host"],
        port=to["http_port"],
        username=to["username"],
        password=to["password"],
        database=to["database"],
        autogenerate_session_id=False,
        send_receive_timeout=600,
    )
    return client


def create(client: Client, table: str, file: str) -> None:
    """A table with a file's columns."""
    columns = ", ".join(f"`{field.name}` {type_of(field.type)}" for field in pq.read_schema(file))
    client.command(f"create table {table} ({columns}) engine = MergeTree order by tuple()")


def type_of(kind: pa.DataType) -> str:
    """ClickHouse's type for a column of the benchmark's bill."""
    if pa.types.is_map(kind):
        return f"Map(String, {'Float64' if pa.types.is_floating(kind.item_type) else 'String'})"
    if pa.types.is_timestamp(kind):
        return "Nullable(DateTime64(6, 'UTC'))"
    return "Nullable(Float64)" if pa.types.is_floating(kind) else "Nullable(String)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A BigQuery sandbox with many rows, in a process of its own, which tells how long it was at work.

    python -m scripts.bench.servers.gcp FOLDER ROWS

Repeats the detailed export of scripts/sandbox/gcp/exports.py over ten days and writes the same
rows as newline JSON. Prints a line of JSON when it is ready; for each line on stdin, one with the
seconds that it has answered so far.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from scripts.sandbox.bigquery.server import BigQueryServer
from scripts.sandbox.gcp import exports
from scripts.sandbox.gcp.schema import PARTITION_TIME

FIRST = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 10


class TimedServer(BigQueryServer):
    """Adds up the seconds in which it answers over REST: queries, and pages where they are read.

    What it streams over gRPC is read meanwhile, so that is not among them.
    """

    seconds = 0.0

    def answer(self, request: Any, authorization: str | None) -> bytes:
        """The body of an answer. Raises ApiError or TokenError."""
        started = time.perf_counter()
        try:
            return super().answer(request, authorization)
        finally:
            self.seconds += time.perf_counter() - started


def rows(count: int) -> pa.Table:
    """So many rows of the sandbox, each with a cost of its own, in equal days."""
    base = exports.tables()[exports.DETAILED_USD]
    times = -(-count // base.num_rows)
    table = pa.concat_tables([base] * times).slice(0, count).combine_chunks()
    number = pa.array(range(count), pa.int64())
    day = [FIRST + timedelta(days=n * DAYS // count) for n in range(count)]
    partition = pa.array(day, pa.timestamp("us", "UTC"))
    exported = pc.add(partition, pa.scalar(timedelta(hours=5), pa.duration("us")))
    cost = pc.add(table["cost"], pc.divide(pc.cast(number, pa.float64()), 1e6))
    for name, values in ((PARTITION_TIME, partition), ("export_time", exported), ("cost", cost)):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.field(at), values)
    return table


def main(arguments: Sequence[str]) -> int:
    """Serve until stdin ends."""
    folder, count = Path(arguments[0]), int(arguments[1])
    table = rows(count)
    lines = folder / "rows.json"
    with duckdb.connect(":memory:") as duck:
        duck.register("given", table)
        duck.execute(f"copy (select * exclude ({PARTITION_TIME}) from given) to '{lines}'")
    with TimedServer() as server:
        server.load(exports.DETAILED_USD, table)
        ready = {"environ": server.environ, "account": server.service_account()}
        days = [(FIRST + timedelta(days=n)).date().isoformat() for n in range(DAYS)]
        print(json.dumps(ready | {"lines": str(lines), "days": days}), flush=True)
        for _ in sys.stdin:
            print(json.dumps({"seconds": server.seconds}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The yardstick: DuckDB reads parquet or newline JSON and writes it as one parquet, all cores.

    python -m scripts.bench.yardsticks.duckdb TARGET FILE…

Prints the seconds of the statement alone, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import duckdb


def main(arguments: Sequence[str]) -> int:
    """COPY the files into the target."""
    target, *files = arguments
    names = ", ".join(f"'{file}'" for file in files)
    with duckdb.connect(":memory:") as duck:
        duck.execute("set enable_progress_bar = false")
        started = time.perf_counter()
        kind = "json" if files[0].endswith(".json") else "parquet"
        source = f"read_{kind}([{names}])"
        duck.execute(f"copy (select * from {source}) to '{target}' (format parquet)")
        print(json.dumps({"seconds": time.perf_counter() - started}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The usual way: dlt's own filesystem source, its rows as dicts, merged by the line item's key.

    python -m scripts.bench.yardsticks.peer FOLDER WORK

What dlt's documentation shows for parquet in a bucket and what public cost projects do, to the same
destination as ours (parquet files on disk). Prints the seconds of pipeline.run() alone, as JSON;
imports and the making of the pipeline are not counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import dlt
from dlt.sources.filesystem import filesystem, read_parquet


def main(arguments: Sequence[str]) -> int:
    """Load every parquet file of a folder."""
    folder, work = (Path(argument).resolve() for argument in arguments)
    key = ["identity_line_item_id", "identity_time_interval"]
    rows = filesystem(bucket_url=folder.as_uri(), file_glob="*.parquet") | read_parquet()
    rows = rows.with_name("cur")
    rows.apply_hints(write_disposition="merge", primary_key=key, merge_key=key)
    pipeline = dlt.pipeline(
        pipeline_name="peer",
        pipelines_dir=str(work / "dlt"),
        destination=dlt.destinations.filesystem(bucket_url=str(work / "data")),
        dataset_name="aws_costs",
    )
    started = time.perf_counter()
    pipeline.run(rows, loader_file_format="parquet")
    print(json.dumps({"seconds": time.perf_counter() - started}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

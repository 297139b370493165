"""Contract Commitment and Billing Period, made of the files of Cost and Usage.

Each is one file, and is written again when what it is made of changed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.clickhouse.focus import supporting
from pipelines.core.digests import hex_digest
from pipelines.core.partition import now
from pipelines.destinations.filesystem.footers import footer_of
from pipelines.destinations.filesystem.swap import sync
from pipelines.focus.metadata import FOOTER, Written
from pipelines.tables.focus_dataset.columns import (
    BILLING_PERIOD,
    COST_AND_USAGE,
    arrow_dataset,
    datasets,
)

log = logging.getLogger(__name__)

STAGING = ".staging"


def write_supporting(
    folder: Path, version: str, periods: Mapping[str, Written | None], complete: Collection[str]
) -> None:
    """Those of a version. `complete`: the periods that every source has whole."""
    for dataset in datasets(version):
        if dataset != COST_AND_USAGE:
            select = supporting(dataset)
            of_periods = sorted(complete) if dataset == BILLING_PERIOD else []
            rules = hex_digest([select, str(periods), *of_periods])
            path = folder / dataset / f"{dataset}.parquet"
            have = read_written(path) if path.is_file() else None
            if have is None or have.rules != rules:
                before = None if have is None else path
                rows = _rows(folder, select, version, dataset, periods, of_periods, before)
                _write(folder, path, version, dataset, rows, rules)


def _rows(
    folder: Path,
    select: str,
    version: str,
    dataset: str,
    periods: Collection[str],
    complete: Collection[str],
    before: Path | None,
) -> pa.Table:
    """The rows of a dataset; `before` is its file of the run before."""
    schema = arrow_dataset(dataset, version)
    files = [str(folder / COST_AND_USAGE / f"{period}.parquet") for period in sorted(periods)]
    if not files:
        return schema.empty_table()
    with duckdb.connect() as duck:
        duck.execute("set timezone = 'UTC'")
        duck.read_parquet(files, union_by_name=True).create_view("charges")
        known = pq.read_table(before) if before else schema.empty_table()
        duck.register("before_now", known)
        duck.register("complete_periods", pa.table({"period": pa.array(complete, pa.string())}))
        this_run = pa.array([now().replace(microsecond=0)], pa.timestamp("us", "UTC"))
        duck.register("this_run", pa.table({"moment": this_run}))
        return duck.sql(select).to_arrow_table().cast(schema)


def _write(
    folder: Path, path: Path, version: str, dataset: str, rows: pa.Table, rules: str
) -> None:
    target = folder / STAGING / f"{uuid4().hex}.parquet"
    made = Written(rows.num_rows, {}, rules, moment())
    with pq.ParquetWriter(target, rows.schema, compression="zstd") as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({FOOTER: made.to_json(dataset, version)})
    put(target, path)


def put(made: Path, path: Path) -> None:
    """A file in its place, in one step."""
    path.parent.mkdir(exist_ok=True)
    sync(made)
    made.replace(path)


def moment() -> str:
    """Now, as footers and metadata write it."""
    return f"{now():%Y-%m-%dT%H:%M:%SZ}"


def read_written(path: Path) -> Written | None:
    """What a file was made of; None when it cannot be read, and is written again."""
    try:
        with path.open("rb") as file:
            return Written.from_json(footer_of(pq.ParquetFile(file))[FOOTER])
    except (pa.ArrowInvalid, KeyError, ValueError) as error:
        log.warning("%s cannot be read and is written again: %s", path, error)
        return None

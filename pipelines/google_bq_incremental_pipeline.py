"""GCP cost lines as Google exports them to BigQuery: the standard or the detailed billing export.

An export day is the unit: DATE(export_time), UTC. Corrections and late usage come as new rows with
nothing that identifies a row, identical ones are legal, so a day is replaced whole and never
merged. What there is, is known from one aggregate query per table over few partitions.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

if not __package__:  # run as a script: Python looks here first, where stripe/ is ours
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.core.landing import (
    CONTRACT,
    REPLACED,
    Landing,
    Plan,
    delivered,
    everything,
    write_rows,
)
from pipelines.core.partition import Delivery, Partition, PartitionError
from pipelines.providers.gcp.billing_exports import GcpExports, by_table, connect
from pipelines.providers.gcp.calendar import is_of
from pipelines.providers.gcp.columns import CHECKED, EMPTY, arrow_schema
from pipelines.providers.gcp.exports import Export
from pipelines.providers.gcp.settings import GcpOptions, configuration

__all__ = ["CHECKED", "GcpExports", "configuration", "connect", "gcp"]


@dlt.source(name="gcp", section="gcp", spec=GcpOptions, max_table_nesting=0)
def gcp(
    datasets: list[str] | None = None,
    tables: list[str] | None = None,
    accounts: list[str] | None = None,
    project: str | None = None,
    credentials: Any = None,
    first: str | None = None,
    last: str | None = None,
    plan: Plan[GcpExports] | None = None,
) -> DltResource:
    """Every export day from `first` to `last` (2026-10-31), whole: a later load replaces it.

    Either `datasets` or `tables`. `plan` is the loader's: the one day that it wants.
    """
    if plan is None:
        given = {"datasets": datasets, "tables": tables, "accounts": accounts, "project": project}
        plan = everything(GcpExports(configuration(credentials, **given)), first, last)
    return billing_export(plan)


@dlt.resource(
    name="billing_export",
    file_format="parquet",
    write_disposition=REPLACED,
    schema_contract=CONTRACT,
)
def billing_export(plan: Plan[GcpExports]) -> Iterator[Any]:
    """The rows of an export day, a file per table. No column of Google's is the day."""
    for landing in plan.landings:
        plan.provider.refuse_too_much()
        yield from landing.data(_land(plan.provider, landing), "export_date")


def _land(exports: GcpExports, landing: Landing) -> Delivery:
    partition, folder = landing.partition, landing.folder
    paths = _landed(exports, partition, folder, landing.advance)
    if landing.removed and (kept := _kept(exports, landing)).num_rows:
        paths.append(folder / "kept")
        write_rows(paths[-1], EMPTY, [kept])
    if not paths:
        paths = [folder / "empty"]
        write_rows(paths[0], EMPTY, ())
    kinds = {Export.of(table).detailed for table in by_table(partition)}
    return delivered(
        "gcp",
        partition.key,
        partition.fingerprint,
        paths,
        delivered_at=partition.delivered_at,
        layout="both" if len(kinds) == 2 else "detailed" if True in kinds else "standard",
    )


def _landed(
    exports: GcpExports, partition: Partition, folder: Path, advance: Callable[[int], None]
) -> list[Path]:
    """A file per table that has rows of the day. Raises Changed or PartitionError."""
    day, paths = date.fromisoformat(partition.key), list[Path]()
    for number, (table, several) in enumerate(by_table(partition).items()):
        path = folder / f"table-{number}"
        schema = arrow_schema(exports.columns(table))
        try:
            write_rows(path, schema, exports.read(table, several, day), advance)
        except pa.ArrowException as error:
            raise PartitionError(
                f"gcp {partition.key}: {table} has a value that its type cannot hold ({error}). "
                "The published partition stays."
            ) from error
        paths.append(path)
    return paths


def _kept(exports: GcpExports, landing: Landing) -> pa.Table:
    """What is published of datasets and tables that are not configured any more.

    Not of a billing account that is still read: its rows are those of the tables that have it now.
    """
    found = [EMPTY.empty_table()]
    for table in landing.published(EMPTY):
        names, accounts = (
            table[name].to_pylist() for name in ("x_export_table", "billing_account_id")
        )
        is_kept = [
            (account or "") not in exports.accounts
            and any(is_of(member, name or "", account or "") for member in landing.removed)
            for name, account in zip(names, accounts, strict=True)
        ]
        found.append(table.filter(pa.array(is_kept, pa.bool_())))
    return pa.concat_tables(found)


if __name__ == "__main__":  # python pipelines/google_bq_incremental_pipeline.py [options of `load`]
    sys.argv[1:] = ["load", "gcp", *sys.argv[1:]]
    runpy.run_module("pipelines", run_name="__main__")

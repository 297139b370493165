"""Writes AWS cost deliveries in every form that AWS delivers, byte for byte the same each time.

Rows are dicts in CUR 2.0 names (`resource_tags`, `product`, `discount` and `cost_category` as
dicts, times as aware datetimes); each function converts them to its form and puts the objects in
the order AWS does: data first, the manifest last. Sources: AWS Data Exports user guide,
"Understanding export delivery"; CUR user guide, "Accessing your Cost and Usage Reports in
Amazon S3", "Running Amazon Athena queries"; manifests as published by their readers.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from scripts.sandbox.aws import columns as cur_columns
from scripts.sandbox.aws import files as cur_files
from scripts.sandbox.aws import focus, legacy
from scripts.sandbox.aws.targets import FolderTarget, S3Target, Target
from scripts.sandbox.aws.writer import Bodies, Delivered, Writer, chunks, date_range, under

__all__ = [
    "Delivered",
    "FolderTarget",
    "Mode",
    "Row",
    "S3Target",
    "Target",
    "deliver_cur2",
    "deliver_focus",
    "deliver_legacy_csv",
    "deliver_legacy_parquet",
]

Row = Mapping[str, Any]
#: "overwrite" replaces the last delivery of a period; "create" adds a folder for every delivery.
Mode = Literal["overwrite", "create"]


def deliver_cur2(
    target: Target | str | Path,
    prefix: str,
    export: str,
    period: str,
    rows: Sequence[Row],
    *,
    files: int = 1,
    mode: Mode = "overwrite",
    execution_id: str | None = None,
    delivered_at: datetime | None = None,
    complete: bool = True,
    columns: Sequence[str] | None = None,
    types: Mapping[str, pa.DataType] | None = None,
    tag_keys: Literal["verbatim", "snake_case"] = "verbatim",
) -> Delivered:
    """CUR 2.0 as parquet: `<prefix>/<export>/data/BILLING_PERIOD=YYYY-MM/[<run>/]…-00001.…`.

    `columns` defaults to those that any row has, `types` overrides AWS's type of a column, for
    tests of odd files. `tag_keys="snake_case"` writes tag keys as AWS spells them in CUR 2.0
    (`user_cost_center`); "verbatim" leaves the rows' own keys, hostile ones too.
    """
    if tag_keys == "snake_case":
        rows = [_with_snake_case_tags(row) for row in rows]
    names = list(columns or cur_columns.columns_of(rows))
    kinds = {name: cur_columns.column_type(name, (row.get(name) for row in rows)) for name in names}
    kinds |= {name: kind for name, kind in (types or {}).items() if name in kinds}

    def encode(part: Sequence[Row]) -> bytes:
        table = cur_columns.table(part, names, kinds)
        return cur_files.parquet(table, keep_schema=bool(types))

    writer = Writer(target, period, len(rows), delivered_at, execution_id, export)
    manifest_columns = [{"name": n, "type": _manifest_type(kinds[n])} for n in names]
    bodies = [encode(part) for part in chunks(rows, files)]
    return _deliver_data_export(
        writer,
        f"{under(prefix, export)}/data/BILLING_PERIOD={period}",
        Bodies(f"{export}-", ".snappy.parquet", bodies, encode([])),
        manifest_columns,
        mode,
        complete,
    )


def deliver_focus(
    target: Target | str | Path,
    prefix: str,
    export: str,
    period: str,
    rows: Sequence[Row],
    *,
    version: Literal["1.0", "1.2"] = "1.2",
    file_format: Literal["parquet", "csv"] = "parquet",
    files: int = 1,
    mode: Mode = "overwrite",
    execution_id: str | None = None,
    delivered_at: datetime | None = None,
    complete: bool = True,
    partition: str = "billing_period",
) -> Delivered:
    """FOCUS with AWS columns: `<prefix>/<export>/data/billing_period=YYYY-MM/…`.

    AWS spells the partition of a FOCUS export in lower case (only the preview of 1.0 wrote
    `BILLING_PERIOD=`: give `partition` for that). A null is a null in parquet and an empty field
    in csv; maps are JSON texts in csv.
    """
    lines = focus.focus_rows(rows, version)
    names = focus.columns(version)
    kinds = {name: focus.column_type(name) for name in names}

    def encode(part: Sequence[Row]) -> bytes:
        if file_format == "csv":
            return cur_files.csv_gz(names, [[line.get(n) for n in names] for line in part])
        return cur_files.parquet(cur_columns.table(part, names, kinds))

    suffix = ".csv.gz" if file_format == "csv" else ".snappy.parquet"
    writer = Writer(target, period, len(lines), delivered_at, execution_id, export)
    bodies = [encode(part) for part in chunks(lines, files)]
    return _deliver_data_export(
        writer,
        f"{under(prefix, export)}/data/{partition}={period}",
        Bodies(f"{export}-", suffix, bodies, encode([])),
        [{"name": n, "type": _manifest_type(kinds[n])} for n in names],
        mode,
        complete,
    )


def deliver_legacy_csv(
    target: Target | str | Path,
    prefix: str,
    report: str,
    period: str,
    rows: Sequence[Row],
    *,
    files: int = 1,
    mode: Mode = "overwrite",
    assembly_id: str | None = None,
    delivered_at: datetime | None = None,
    complete: bool = True,
) -> Delivered:
    """A legacy CUR as csv: `<prefix>/<report>/YYYYMMDD-YYYYMMDD/[<assembly>/]…-00001.csv.gz`.

    "create" keeps former deliveries in their assembly folders and writes the manifest there and,
    replaced each time, in the date folder; "overwrite" has the date folder alone.
    """
    report_columns = legacy.csv_columns(rows)

    def encode(part: Sequence[Row]) -> bytes:
        values = [[column.value(row) for column in report_columns] for row in part]
        return cur_files.csv_gz([column.header for column in report_columns], values)

    writer = Writer(target, period, len(rows), delivered_at, assembly_id, report, "assembly")
    folder = f"{under(prefix, report)}/{date_range(period)}"
    run = f"{folder}/{writer.run}" if mode == "create" else folder
    bodies = Bodies(
        f"{report}-", ".csv.gz", [encode(part) for part in chunks(rows, files)], encode([])
    )
    keys = writer.put_data(run, bodies, overwrite=mode == "overwrite")
    manifest = legacy.manifest(
        writer.target.bucket,
        report,
        period,
        writer.run,
        keys,
        [column.entry() for column in report_columns],
        ("GZIP", "text/csv"),
    )
    where = [f"{d}/{report}-Manifest.json" for d in dict.fromkeys((run, folder))]
    return writer.finish(keys, manifest, where if complete else [])


def deliver_legacy_parquet(
    target: Target | str | Path,
    prefix: str,
    report: str,
    period: str,
    rows: Sequence[Row],
    *,
    files: int = 1,
    assembly_id: str | None = None,
    delivered_at: datetime | None = None,
    complete: bool = True,
) -> Delivered:
    """A legacy CUR for Athena: `<prefix>/<report>/<report>/year=YYYY/month=M/…-00001.snappy…`.

    Always "overwrite". The manifest lies in the month's folder and in the date folder, beside the
    artefacts a reader must not take for data: a `create-table.sql` and a status table in parquet.
    Times are INT96, an absent text is ''.
    """
    report_columns = legacy.parquet_columns(rows)

    def encode(part: Sequence[Row]) -> bytes:
        return cur_files.parquet(legacy.parquet_table(part, report_columns), int96=True)

    writer = Writer(target, period, len(rows), delivered_at, assembly_id, report, "assembly")
    base = under(prefix, report)
    year, month = period.split("-")
    folder = f"{base}/{report}/year={year}/month={int(month)}"
    bodies = Bodies(
        f"{report}-", ".snappy.parquet", [encode(part) for part in chunks(rows, files)], encode([])
    )
    keys = writer.put_data(folder, bodies, overwrite=True)
    status = f"{base}/cost_and_usage_data_status/cost_and_usage_data_status.parquet"
    writer.put(status, cur_files.parquet(pa.table({"status": ["READY"]})))
    date_folder = f"{base}/{date_range(period)}"
    writer.put(f"{date_folder}/{report}-create-table.sql", legacy.create_table(report_columns))
    manifest = legacy.manifest(
        writer.target.bucket,
        report,
        period,
        writer.run,
        keys,
        [column.entry(athena=True) for column in report_columns],
        ("Parquet", "Parquet"),
    )
    where = [f"{place}/{report}-Manifest.json" for place in (folder, date_folder)]
    return writer.finish(keys, manifest, where if complete else [])


def _deliver_data_export(
    writer: Writer,
    folder: str,
    data: Bodies,
    columns: list[dict[str, str]],
    mode: Mode,
    complete: bool,
) -> Delivered:
    """Data and manifest of a data export. "create" writes the manifest of the run, then the
    period's, which always stands for the newest run."""
    at = writer.delivered_at
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z-{writer.run}"
    run = f"{folder}/{stamp}" if mode == "create" else folder
    keys = writer.put_data(run, data, overwrite=mode == "overwrite")
    root, partition = folder.split("/data/")
    export = root.rsplit("/", 1)[-1]
    export_id = uuid.uuid5(uuid.NAMESPACE_URL, export)
    manifest = {
        "executionId": writer.run,
        "exportArn": f"arn:aws:bcm-data-exports:us-east-1:999988887777:export/{export}-{export_id}",
        "columns": columns,
        "dataFiles": [f"s3://{writer.target.bucket}/{key}" for key in keys],
        "additionalOutputFiles": [],
    }
    metadata = f"{root}/metadata/{partition}"
    folders = [f"{metadata}/{stamp}", metadata] if mode == "create" else [metadata]
    where = [f"{place}/{export}-Manifest.json" for place in folders]
    return writer.finish(keys, manifest, where if complete else [])


def _manifest_type(kind: pa.DataType) -> str:
    if pa.types.is_map(kind):
        return "map"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return "double" if pa.types.is_floating(kind) else "string"


def _with_snake_case_tags(row: Row) -> Row:
    if not row.get("resource_tags"):
        return row
    tags: dict[str, str] = {}
    for key, value in row["resource_tags"].items():
        tags.setdefault(cur_columns.athena_name(key), value)
    return {**row, "resource_tags": tags}

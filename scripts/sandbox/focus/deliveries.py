"""Write rows where and as each provider delivers them.

Sources: Microsoft Cost Management, "Create and manage exports" (folders, manifest.json, overwrite);
Oracle, "Cost reports overview" (a file every six hours, kept for a year); Databricks,
"Transactional writes to cloud storage with DBIO" (marks of a transaction).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scripts.sandbox.aws.targets import Target
from scripts.sandbox.focus.rows import Row

Rows = Sequence[Row]
_TIME = pa.timestamp("us", "UTC")


def encoded(rows: Rows, extension: str, columns: Sequence[str] = ()) -> bytes:
    """The rows as a file: parquet, csv or csv.gz. `columns` are those of a file without rows."""
    names = list(dict.fromkeys([*columns, *(name for each in rows for name in each)]))
    if extension == "parquet":
        return _parquet(rows, names)
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(each.get(name)) for name in names] for each in rows)
    body = lines.getvalue().encode()
    return gzip.compress(body, mtime=0) if extension.endswith("gz") else body


def generic(
    target: Target,
    month: str,
    rows: Rows,
    *,
    extension: str = "parquet",
    name: str = "rows",
    folder: str = "focus",
    at: datetime | None = None,
) -> str:
    """`<folder>/billing_period=2026-10/rows.parquet`; the key."""
    key = f"{folder}/billing_period={month}/{name}.{extension}".lstrip("/")
    target.put(key, encoded(rows, extension), at)
    return key


def azure(
    target: Target,
    month: str,
    rows: Rows,
    *,
    run: str = "3f1e2d4c-0000-4000-8000-000000000001",
    export: str = "exports/focus-daily",
    extension: str = "csv.gz",
    parts: int = 1,
    version: str = "1.0",
    is_complete: bool = True,
    at: datetime | None = None,
) -> list[str]:
    """A run of an export of a month to date; its keys, the manifest's last.

    `CreateNewReport` gives each run a folder of its own; with `OverwritePreviousReport` whoever
    calls this removes the folder of the run before.
    """
    folder = f"{export}/{_range(month)}/{run}"
    keys: list[str] = []
    blobs: list[dict[str, Any]] = []
    for number in range(parts):
        part = rows[number::parts]
        body = encoded(part, extension, list(rows[0]) if rows else ["BilledCost"])
        key = f"{folder}/part_{number}_0001.{extension}"
        target.put(key, body, at)
        keys.append(key)
        blobs.append({"blobName": key, "byteCount": len(body), "dataRowCount": len(part)})
    if is_complete:
        manifest = {
            "manifestVersion": "2024-04-01",
            "byteCount": sum(blob["byteCount"] for blob in blobs),
            "blobCount": len(blobs),
            "dataRowCount": len(rows),
            "exportConfig": {
                "exportName": export.rsplit("/", 1)[-1],
                "dataVersion": version,
                "type": "FocusCost",
                "timeFrame": "MonthToDate",
                "granularity": "Daily",
            },
            "deliveryConfig": {"partitionData": True, "dataOverwriteBehavior": "CreateNewReport"},
            "runInfo": {"runId": run, "startDate": f"{month}-01T00:00:00"},
            "blobs": blobs,
        }
        keys.append(f"{folder}/manifest.json")
        target.put(keys[-1], json.dumps(manifest).encode(), at)
    return keys


def oci(
    target: Target, day: str, rows: Rows, *, number: int = 1, at: datetime | None = None
) -> str:
    """One of a day's files, `FOCUS Reports/2026/10/05/0001000000000001-00001.csv.gz`; its key."""
    key = f"FOCUS Reports/{day.replace('-', '/')}/0001{number:012d}-00001.csv.gz"
    target.put(key, encoded(rows, "csv.gz"), at)
    return key


def databricks(
    target: Target,
    month: str,
    rows: Rows,
    *,
    transaction: int,
    removes: Sequence[str] = (),
    is_committed: bool = True,
    at: datetime | None = None,
) -> str:
    """A transaction that writes one file and takes the names in `removes` away; the file's name."""
    folder = f"focus/billing_period={month}"
    name = f"part-00000-tid-{transaction}-0c5f-1-c000.snappy.parquet"
    target.put(f"{folder}/_started_{transaction}", b"", at)
    target.put(f"{folder}/{name}", encoded(rows, "parquet"), at)
    if is_committed:
        mark = json.dumps({"added": [name], "removed": list(removes)}).encode()
        target.put(f"{folder}/_committed_{transaction}", mark, at)
    return name


def _range(month: str) -> str:
    """`20261001-20261031`."""
    year, number = int(month[:4]), int(month[5:])
    following = datetime(year + number // 12, number % 12 + 1, 1)  # noqa: DTZ001 (a date of a name)
    last = following.toordinal() - 1
    return f"{year}{number:02d}01-{datetime.fromordinal(last):%Y%m%d}"


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%MZ}"
    return json.dumps(value, default=str) if isinstance(value, dict | list) else value


def _parquet(rows: Rows, names: Sequence[str]) -> bytes:
    arrays = []
    for name in names:
        values = [each.get(name) for each in rows]
        sample = next((value for value in values if value is not None), None)
        if isinstance(sample, dict):
            pairs = [None if value is None else list(value.items()) for value in values]
            arrays.append(pa.array(pairs, pa.map_(pa.string(), pa.string())))
        else:
            kind = _TIME if isinstance(sample, datetime) else None
            arrays.append(pa.array(values, kind))
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, list(names)), sink, compression="snappy")
    return sink.getvalue()

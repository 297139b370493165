"""metadata.json: what the specification wants said of a dataset beside its rows.

Who made it, the schema with its columns, and which billing periods and files there are. It is
written when it changes, and a schema keeps its id and its date for as long as its columns stay.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines import __version__
from pipelines.core.digests import hex_digest
from pipelines.core.partition import now
from pipelines.tables.focus_dataset.columns import (
    COST_AND_USAGE,
    NAMES,
    FocusColumn,
    datasets,
    focus_columns,
    version_of,
)

METADATA = "metadata.json"
UNKNOWN = "unknown"
"""The period of lines that have no start of one."""
FOOTER = "focus"
"""The key of a parquet footer under which a file says what it is."""
_DATA_TYPES = {"text": "STRING", "number": "DECIMAL", "timestamp": "DATETIME"}
_TAG_PREFIXES = ["aws:", "project:", "tag:"]
"""Keys of tags that are not a resource's own labels: AWS's, a project's, GCP's resource tags."""


@dataclass(frozen=True)
class Written:
    """What a period's file was made of: partitions by version, and the rules."""

    rows: int
    parts: dict[str, str]
    rules: str

    at: str
    """When it was written (UTC)."""

    def to_json(self, dataset: str, version: str) -> str:
        """The text of the file's footer."""
        return json.dumps(
            {
                "FocusVersion": version_of(dataset, version),
                "SchemaId": schema_id(dataset, version),
                "at": self.at,
                "rows": self.rows,
                "parts": self.parts,
                "rules": self.rules,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Written:
        """Of a footer. Raises ValueError or KeyError for another text."""
        read = json.loads(text)
        return cls(read["rows"], read["parts"], read["rules"], read["at"])


def schema_id(dataset: str, version: str) -> str:
    """Changes when a column does."""
    columns = [repr(each) for each in focus_columns(dataset, version)]
    return f"{dataset}-{version}-{hex_digest(columns, 12)}"


def write_metadata(
    folder: Path,
    version: str,
    periods: Mapping[str, Written | None],
    complete: Collection[str] = (),
) -> None:
    """Put metadata.json in place, when it says something else than what is there.

    `complete`: the periods in which every source has its last day.
    """
    path = folder / METADATA
    have = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    new = {
        "FocusVersion": version,
        "DataGenerator": {"DataGenerator": "pipelines"},
        "Schema": _schemas(version, have.get("Schema", [])),
        "x_BillingPeriods": [_period(each, rows) for each, rows in sorted(periods.items())],
    }
    if version >= "1.3":
        new |= _recency(version, periods, complete)
    if new == have:
        return
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{METADATA}.partial"
    partial.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _period(period: str, written: Written | None) -> dict[str, Any]:
    return {
        "BillingPeriod": period,
        "File": f"{COST_AND_USAGE}/{period}.parquet",
        "Rows": written.rows if written else 0,
    }


def _recency(
    version: str, periods: Mapping[str, Written | None], complete: Collection[str]
) -> dict[str, Any]:
    """What version 1.3 says of each dataset: whether it is complete, and of which time."""
    known = {period: each for period, each in sorted(periods.items()) if each}
    sectors = [
        {
            "TimeSectorStart": f"{period}-01T00:00:00Z",
            "TimeSectorEnd": f"{_next(period)}-01T00:00:00Z",
            "TimeSectorComplete": period in complete,
            "TimeSectorLastUpdated": each.at,
        }
        for period, each in known.items()
        if period != UNKNOWN
    ]
    newest = max((each.at for each in known.values()), default=None)
    is_complete = bool(known) and set(known) <= set(complete)
    return {
        "DatasetInstance": [
            {
                "DatasetInstanceId": dataset,
                "DatasetInstanceName": NAMES[dataset],
                "FocusDatasetId": NAMES[dataset].title().replace(" ", ""),
            }
            for dataset in datasets(version)
        ],
        "Recency": [
            {
                "DatasetInstanceId": dataset,
                "DatasetInstanceComplete": is_complete,
                "DatasetInstanceLastUpdated": newest,
                "TimeSectors": sectors if dataset == COST_AND_USAGE else [],
            }
            for dataset in datasets(version)
        ],
    }


def _next(period: str) -> str:
    year, month = map(int, period.split("-"))
    return f"{year + month // 12}-{month % 12 + 1:02}"


def _schemas(version: str, have: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every schema that files were written with; the newest are last."""
    by_id = {each["SchemaId"]: each for each in have}
    mine = {schema_id(dataset, version): dataset for dataset in datasets(version)}
    earlier = [each for name, each in by_id.items() if name not in mine]
    return [*earlier, *(by_id.get(name) or _schema(mine[name], version) for name in mine)]


def _schema(dataset: str, version: str) -> dict[str, Any]:
    return {
        "SchemaId": schema_id(dataset, version),
        "FocusVersion": version_of(dataset, version),
        "CreationDate": f"{now():%Y-%m-%dT%H:%M:%SZ}",
        "DataGeneratorVersion": __version__,
        "ColumnDefinition": [
            dict(_definition(each, version)) for each in focus_columns(dataset, version)
        ],
    }


def _definition(each: FocusColumn, version: str) -> Iterator[tuple[str, Any]]:
    yield "ColumnName", each.column.name
    if each.deprecated and each.deprecated <= version:
        yield "Deprecated", True
    yield "DataType", _DATA_TYPES[each.column.type]
    if each.column.type == "number":
        yield "NumericPrecision", pa.float64().bit_width
    if each.column.type == "text":
        yield "StringEncoding", "UTF-8"
    if each.column.name == "Tags":
        yield "ProviderTagPrefixes", _TAG_PREFIXES

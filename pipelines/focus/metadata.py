"""metadata.json: what the specification wants said of a dataset beside its rows.

Who made it, the schema with its columns, and which billing periods and files there are. It is
written when it changes, and a schema keeps its id and its date for as long as its columns stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines import __version__
from pipelines.core.digests import hex_digest
from pipelines.core.partition import now
from pipelines.tables.focus_dataset.columns import COST_AND_USAGE, FocusColumn, focus_columns

METADATA = "metadata.json"
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

    def to_json(self, version: str) -> str:
        """The text of the file's footer."""
        return json.dumps(
            {
                "FocusVersion": version,
                "SchemaId": schema_id(version),
                "rows": self.rows,
                "parts": self.parts,
                "rules": self.rules,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Written:
        """Of a footer. Raises ValueError or KeyError for another text."""
        read = json.loads(text)
        return cls(read["rows"], read["parts"], read["rules"])


def schema_id(version: str) -> str:
    """Changes when a column does."""
    columns = [repr(each) for each in focus_columns(COST_AND_USAGE, version)]
    return f"focus-{version}-{hex_digest(columns, 12)}"


def write_metadata(folder: Path, version: str, periods: Mapping[str, Written | None]) -> None:
    """Put metadata.json in place, when it says something else than what is there."""
    path = folder / METADATA
    have = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    new = {
        "FocusVersion": version,
        "DataGenerator": {"DataGenerator": "pipelines"},
        "Schema": _schemas(version, have.get("Schema", [])),
        "x_BillingPeriods": [_period(each, rows) for each, rows in sorted(periods.items())],
    }
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


def _schemas(version: str, have: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every schema that files were written with; the newest is last."""
    mine = schema_id(version)
    earlier = [each for each in have if each["SchemaId"] != mine]
    same = [each for each in have if each["SchemaId"] == mine]
    return [*earlier, *(same or [_schema(version)])]


def _schema(version: str) -> dict[str, Any]:
    return {
        "SchemaId": schema_id(version),
        "FocusVersion": version,
        "CreationDate": f"{now():%Y-%m-%dT%H:%M:%SZ}",
        "DataGeneratorVersion": __version__,
        "ColumnDefinition": [
            dict(_definition(each)) for each in focus_columns(COST_AND_USAGE, version)
        ],
    }


def _definition(each: FocusColumn) -> Iterator[tuple[str, Any]]:
    yield "ColumnName", each.column.name
    yield "DataType", _DATA_TYPES[each.column.type]
    if each.column.type == "number":
        yield "NumericPrecision", pa.float64().bit_width
    if each.column.type == "text":
        yield "StringEncoding", "UTF-8"
    if each.column.name == "Tags":
        yield "ProviderTagPrefixes", _TAG_PREFIXES

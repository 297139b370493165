"""What readers of a filesystem destination see: its published content, without times and ids."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.partition import STEPS
from pipelines.tables.sources import SOURCES

#: Differ between two runs that do the same.
_OF_A_RUN = ["x_dlt_load_id"]
#: What a publishing took, in the history.
OF_THE_WORK = (
    "load_id",
    *(f"{step}_seconds" for step in STEPS),
    "read_bytes",
    "written_bytes",
    "cpu_seconds",
)


#: Which computed marts are made of it; of any other source those that its files are linked into.
MARTS = {
    "stripe": ("marts/revenue/*.parquet", "marts/margin_daily/*.parquet"),
    "fx": ("marts/fx_rates/*.parquet",),
}


def published(data: Path, source_name: str = "aws", without: Sequence[str] = ()) -> dict[str, Any]:
    """Raw, normalised, marts (under `costs`) and history: equal when two states are the same.

    `without` names columns of the history that differ between two runs of this source.
    """
    left_out = ("published_at", "bytes", *OF_THE_WORK, *without)
    raw = SOURCES[source_name]
    patterns = MARTS.get(source_name, (f"marts/*/{source_name}-*.parquet",))
    marts = [_tables(data, files) for files in patterns]
    return {
        "raw": {
            folder.name: (_delivery(folder)["fingerprint"], _rows(sorted(folder.glob("*.parquet"))))
            for folder in sorted(data.glob(f"{raw.dataset}/{raw.table}/{raw.partition}=*"))
        },
        "normalised": _tables(data, f"normalized_{source_name}/*/data.parquet"),
        "costs": {path: rows for mart in marts for path, rows in mart.items()},
        "history": {
            path.name: [
                {k: v for k, v in row.items() if k not in left_out}
                for row in pq.read_table(path).to_pylist()
            ]
            for path in sorted(data.glob("deliveries/*.parquet"))
        },
    }


def totals(data: Path, column: str = "line_item_unblended_cost") -> dict[str, float]:
    """Raw and published cost by partition, as one who globs the folders reads it."""
    found = {}
    for folder in data.glob("aws_costs/cur/billing_period=*"):
        tables = [pq.ParquetFile(path).read([column]) for path in sorted(folder.glob("*.parquet"))]
        found[f"raw {folder.name}"] = _sum(tables, column)
    for pattern in ("normalized_aws/*/*.parquet", "marts/costs/*.parquet"):
        for path in data.glob(pattern):
            name = f"{path.parts[-3]} {path.parts[-2]} {path.name}"
            found[name] = _sum([pq.ParquetFile(path).read(["billed_cost"])], "billed_cost")
    return found


def leftovers(data: Path) -> list[str]:
    """Files that no reader looks at and no run needs any more."""
    return [str(path.relative_to(data)) for path in data.rglob("*") if _is_leftover(path, data)]


def copy_state(source: Path, target: Path) -> None:
    """A copy of a whole working state; the mart's files stay links of the normalised ones."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


def _is_leftover(path: Path, data: Path) -> bool:
    return path.is_file() and (
        path.relative_to(data).parts[0] == ".staging" or path.suffix in (".partial", ".download")
    )


def _delivery(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "_delivery.json").read_text())
    return document


def _tables(data: Path, pattern: str) -> dict[str, list[Any]]:
    return {
        str(path.relative_to(data)): _rows([path], without=_OF_A_RUN)
        for path in sorted(data.glob(pattern))
    }


def _rows(paths: list[Path], without: list[str] | None = None) -> list[Any]:
    rows: list[Any] = []
    for path in paths:
        table = pq.ParquetFile(path).read()
        dropped = [name for name in without or [] if name in table.column_names]
        rows += table.drop_columns(dropped).to_pylist()
    return sorted(rows, key=repr)


def _sum(tables: list[pa.Table], column: str) -> float:
    values: Iterator[float | None] = (v for t in tables for v in t[column].to_pylist())
    return round(sum(v or 0.0 for v in values), 6)


def files_with(secret: str, *folders: Path) -> list[str]:
    """Every file below the folders that holds a secret, in plain or as JSON or a URL writes it."""
    from urllib.parse import quote

    spellings = {secret, secret.replace("/", "\\/"), quote(secret), quote(secret, safe="")}
    wanted = [text.encode(encoding) for text in spellings for encoding in ("utf-8", "utf-16-le")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert paths
    return [str(path) for path in paths if any(w in path.read_bytes() for w in wanted)]

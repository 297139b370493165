"""Generated bills, cached by what they are made of, laid out as AWS delivers a CUR 2.0 export."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bench_process import ROOT, run

PERIOD = "2026-10"
EXPORT = "bench"


@dataclass(frozen=True)
class Shape:
    """What a bill is made of."""

    rows: int
    files: int = 4
    unique: bool = False
    row_group: int | None = None
    period: str = PERIOD

    @property
    def name(self) -> str:
        """The name of its folder in the cache."""
        parts = (self.period, self.rows, self.files, "unique" if self.unique else "", self.row_group)
        return "-".join(str(part) for part in parts if part)


def bill(cache: Path, shape: Shape) -> list[Path]:
    """The parquet files of a bill, made when they are not in the cache; read once, so warm."""
    folder = cache / shape.name / _version()
    if not folder.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)  # made by other rules
        making = folder.with_suffix(".partial")
        counts = ["--rows", str(shape.rows), "--files", str(shape.files), "--period", shape.period]
        group = ["--row-group", str(shape.row_group)] if shape.row_group else []
        unique = ["--unique"] if shape.unique else []
        run([ROOT / "scripts" / "bench_cur.py", making, *counts, *group, *unique])
        making.rename(folder)
    files = [folder / f"{number}.parquet" for number in range(1, shape.files + 1)]
    for file in files:
        _warm(file)
    return files


def sample(files: Sequence[Path]) -> Path:
    """The folder of the file that holds a tenth of a bill's rows."""
    return files[0].parent / "sample"


def export(bucket: Path, months: Mapping[str, Sequence[Path]]) -> Path:
    """A bucket with one export: hard links to the files of each month, and its manifest."""
    shutil.rmtree(bucket, ignore_errors=True)
    for period, files in months.items():
        data = bucket / EXPORT / "data" / f"BILLING_PERIOD={period}"
        metadata = bucket / EXPORT / "metadata" / f"BILLING_PERIOD={period}"
        data.mkdir(parents=True)
        metadata.mkdir(parents=True)
        names = [f"{EXPORT}-{number:05d}.snappy.parquet" for number in range(1, len(files) + 1)]
        for file, name in zip(files, names, strict=True):
            os.link(file, data / name)
        manifest = {
            "executionId": f"bench-{period}",
            "dataFiles": [
                f"s3://example-billing/{(data / name).relative_to(bucket).as_posix()}"
                for name in names
            ],
            "additionalOutputFiles": [],
        }
        (metadata / f"{EXPORT}-Manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return bucket


def _version() -> str:
    """Changes with the generator, so that nobody measures yesterday's data."""
    scripts = (ROOT / "scripts" / name for name in ("bench_cur.py", "bench_estate.py"))
    return hashlib.sha256(b"".join(script.read_bytes() for script in scripts)).hexdigest()[:12]


def _warm(file: Path) -> None:
    with file.open("rb") as stream:
        while stream.read(1 << 22):
            pass

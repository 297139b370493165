"""Generated bills, cached by what they are made of, laid out as AWS delivers a CUR 2.0 export."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.bench.process import run

PERIOD = "2026-10"
EXPORT = "bench"


@dataclass(frozen=True)
class Shape:
    """What a bill is made of; `rows` and `files` are of each month."""

    rows: int
    files: int = 4
    unique: bool = False
    row_group: int | None = None
    periods: tuple[str, ...] = (PERIOD,)

    @property
    def arguments(self) -> list[str]:
        """Those of cur.py."""
        counts = ["--rows", str(self.rows), "--files", str(self.files)]
        group = ["--row-group", str(self.row_group)] if self.row_group else []
        unique = ["--unique"] if self.unique else []
        return [*counts, *group, *unique, "--period", *self.periods]


def bill(cache: Path, shape: Shape) -> dict[str, list[Path]]:
    """The parquet files of each month, made when they are not in the cache; read once, so warm."""
    folder = cache / _name(shape)
    if not folder.exists():
        making = folder.with_suffix(".partial")
        shutil.rmtree(making, ignore_errors=True)
        run(["-m", "scripts.bench.data.cur", making, *shape.arguments])
        making.rename(folder)
    numbers = range(1, shape.files + 1)
    months = {
        period: [folder / period / f"{number}.parquet" for number in numbers]
        for period in shape.periods
    }
    for files in months.values():
        for file in files:
            _warm(file)
    return months


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


def _name(shape: Shape) -> str:
    """Of its folder; another one when the generator changes: nobody measures yesterday's data."""
    names = ("cur.py", "arrays.py", "estate.py")
    made_by = b"".join(Path(__file__).with_name(name).read_bytes() for name in names)
    digest = hashlib.sha256(made_by + " ".join(shape.arguments).encode()).hexdigest()[:12]
    return f"{shape.rows}-rows-{'unique-' if shape.unique else ''}{digest}"


def _warm(file: Path) -> None:
    with file.open("rb") as stream:
        while stream.read(1 << 22):
            pass

"""Readers glob the published folders while a month is restated over and over."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.cli.main import main
from tests.support.providers.aws_months import deliver

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = [1.0, 2.0, 4.0, 8.0], [100.0, 200.0]
#: A reader sees both contents in two rounds already.
ROUNDS = pytest.mark.parametrize(
    "rounds", [pytest.param(2, id="quick"), pytest.param(6, id="all", marks=pytest.mark.thorough)]
)

#: Lists, then reads what it listed, as DuckDB and pandas do; a file that has gone in between is
#: told apart, since the reader then knows that it has to list again.
READER = """
import glob, sys
import pyarrow.parquet as pq
pattern, column = sys.argv[1:]
print("ready", flush=True)
while True:
    try:
        files = sorted(glob.glob(pattern))
        values = [v for f in files for v in pq.ParquetFile(f).read([column])[column].to_pylist()]
        print(sum(values) if files else "none", flush=True)
    except FileNotFoundError:
        print("gone", flush=True)
"""


@contextmanager
def reading(pattern: Path, column: str) -> Iterator[Counter[str]]:
    """What a reader in a process of its own sees while the block runs, counted."""
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(pattern), column], stdout=subprocess.PIPE, text=True
    )
    seen: Counter[str] = Counter()
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    try:
        yield seen
    finally:
        process.terminate()
        seen.update(line.strip() for line in process.stdout.read().splitlines(keepends=True)[:-1])
        process.wait()
        process.stdout.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A month in two files, loaded and normalised."""
    monkeypatch.setenv("SOURCES__AWS__BUCKET_URL", (tmp_path / "bucket").as_uri())
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "data"))
    deliver(tmp_path / "bucket", "2026-09", OLD, files=2)
    assert main(["load"]) == 0
    assert main(["normalize", "--no-marts"]) == 0
    return tmp_path


def restate(bucket: Path, rounds: int) -> None:
    """The other content in turn, each round loaded and normalised."""
    for number in range(rounds):
        costs = NEW if number % 2 == 0 else OLD
        deliver(bucket, "2026-09", costs, files=2, prefix=f"round-{number}")
        assert main(["load"]) == 0
        assert main(["normalize", "--no-marts"]) == 0


@pytest.mark.quick("normalised-quick")
@ROUNDS
@pytest.mark.parametrize(
    ("pattern", "column"),
    [
        ("normalized_aws/*/*.parquet", "billed_cost"),
        ("marts/costs/*.parquet", "billed_cost"),
    ],
    ids=["normalised", "mart"],
)
def test_a_reader_of_published_files_sees_the_old_or_the_new_month(
    world: Path, pattern: str, column: str, rounds: int
) -> None:
    with reading(world / "data" / pattern, column) as seen:
        restate(world / "bucket", rounds)
    assert set(seen) == {"15.0", "300.0"}


@ROUNDS
def test_a_reader_of_raw_files_sees_one_delivery_or_has_to_list_again(
    world: Path, rounds: int
) -> None:
    pattern = world / "data" / "aws_costs/cur/*/*.parquet"
    with reading(pattern, "line_item_unblended_cost") as seen:
        restate(world / "bucket", rounds)
    assert {"15.0", "300.0"} <= set(seen) <= {"15.0", "300.0", "gone"}

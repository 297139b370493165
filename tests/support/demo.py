"""One run of `make demo` per session, read by every test and every worker that wants it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.estate import configured

Files = dict[str, list[int]]
"""Size and time of files, by path."""
LEFT = Path("data/marts/costs/aws-1999-01.parquet")
"""Of an earlier demo in the same folder."""


@dataclass(frozen=True)
class Ran:
    """What a run printed and how it ended; the files outside its folder before and after."""

    status: int
    out: str
    err: str
    before: Files
    after: Files


@dataclass(frozen=True)
class Demo:
    """The demo's folder, which tests only read, and what the run in it said."""

    folder: Path
    ran: Ran

    @property
    def data(self) -> Path:
        """What it published as parquet."""
        return self.folder / "data"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo of this session: whichever worker wants it first runs it, the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    home, answer = shared / "demo-1", shared / "demo-1.json"
    with (shared / "demo-1.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a worker that dies gives it back
        if not answer.exists():
            leave_a_demo(home / "d")
            answer.write_text(json.dumps(asdict(run(home))), encoding="utf-8")
    return Demo(home / "d", Ran(**json.loads(answer.read_text(encoding="utf-8"))))


@contextmanager
def configured_of(demo: Demo) -> Iterator[None]:
    """The demo's parquet as the configured destination."""
    variables = {
        "DESTINATION__FILESYSTEM__BUCKET_URL": str(demo.data),
        "DLT_PROJECT_DIR": str(demo.folder / "project"),
        "NORMALIZE__TAG_COLUMNS": '["Environment", "Team", "Application"]',
    }
    with configured(variables):
        yield


def leave_a_demo(folder: Path) -> None:
    """What an earlier demo left there: a month that this one does not have."""
    (folder / "bucket").mkdir(parents=True)
    left = folder / LEFT
    left.parent.mkdir(parents=True)
    left.write_text("of an earlier demo", encoding="utf-8")


def run(home: Path) -> Ran:
    """`make demo` in `home/d`, of somebody with a ClickHouse and a bucket of their own."""
    (home / "home").mkdir(parents=True, exist_ok=True)
    theirs = {
        "CLICKHOUSE_HOST": "192.0.2.1",
        "CLICKHOUSE_PASSWORD": "theirs",
        "DESTINATION__CLICKHOUSE__CREDENTIALS__DATABASE": "theirs",
        "DESTINATION__FILESYSTEM__BUCKET_URL": str(home / "theirs"),
        "DLT_DESTINATION": "clickhouse",
        "NORMALIZE__TAG_COLUMNS": '["theirs"]',
        "SOURCES__AWS__BUCKET_URL": "file:///nowhere",
        "SOURCES__AWS__EXPORT": "theirs",
    }
    ours = {
        "HOME": str(home / "home"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT),
    }
    before = _files_elsewhere(home)
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.demo", "--dir", str(home / "d")],
        cwd=home,
        env=os.environ | theirs | ours,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr, before, _files_elsewhere(home))


def _files_elsewhere(home: Path) -> Files:
    """The files where it runs and where it is configured, its own folder aside."""
    paths = [path for root in (home, ROOT / ".dlt") for path in root.rglob("*") if path.is_file()]
    return {
        str(path): [path.stat().st_size, path.stat().st_mtime_ns]
        for path in paths
        if not path.is_relative_to(home / "d")
    }

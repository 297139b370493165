"""A process measured from outside: wall time and peak memory (resident) of exactly that process.

Linux counts a child's peak from what its parent had when it was started. So nothing large is ever
imported here: data is made, and everything measured, in processes of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parents[2]
#: What would let a developer's own configuration into a measured command.
_FOREIGN = ("SOURCES__", "DESTINATION__", "DLT_", "NORMALIZE__", "LOAD__", "CLICKHOUSE_", "AWS_")


class BenchError(Exception):
    """A measured command failed; the text says which and what it printed."""


@dataclass(frozen=True)
class Ran:
    """One process that ended well: wall time, peak in megabytes of 10^6 bytes, CPU seconds."""

    seconds: float
    peak_mb: float
    output: str
    cpu_seconds: float = 0.0

    @property
    def said(self) -> dict[str, Any]:
        """Its output as JSON."""
        document: dict[str, Any] = json.loads(self.output)
        return document


def run(arguments: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Ran:
    """Run Python with these arguments in the project's folder. Raises BenchError.

    Dirty pages of whatever ran before are written first, so that nobody pays for another's output.
    """
    os.sync()
    command = [sys.executable, *(str(argument) for argument in arguments)]
    env = _clean() | dict(environ or {})
    with _file() as output, _file() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        printed, complaint = (_content(file) for file in (output, errors))
    if process.returncode:
        text = (printed + complaint)[-2000:]
        raise BenchError(f"{' '.join(command)} ended with {process.returncode}:\n{text}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes here
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Ran(seconds, usage.ru_maxrss * unit / 1e6, printed, cpu_seconds)


def median(runs: Sequence[Ran]) -> float:
    """The median wall time."""
    return statistics.median(run.seconds for run in runs)


def peak(runs: Sequence[Ran]) -> float:
    """The highest peak of all runs."""
    return max(run.peak_mb for run in runs)


class Workplace:
    """A folder in which `python -m pipelines` works on its own: bucket, destination, dlt's folder.

    The project's `.dlt/config.toml` applies, from a copy: secrets.toml lies beside the original.
    """

    def __init__(self, folder: Path, bucket: Path, destination: Mapping[str, str] | None = None):
        self.folder = folder
        project = folder / "project"
        (project / ".dlt").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / ".dlt" / "config.toml", project / ".dlt" / "config.toml")
        self.environ = {
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(self.data),
            "DLT_DATA_DIR": str(folder / "dlt"),
            "DLT_DESTINATION": "filesystem",
            "DLT_PROJECT_DIR": str(project),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "SOURCES__AWS__BUCKET_URL": bucket.resolve().as_uri(),
        } | dict(destination or {})

    @property
    def data(self) -> Path:
        """The filesystem destination."""
        return self.folder / "data"

    def pipelines(self, *arguments: str) -> Ran:
        """`python -m pipelines …`."""
        return run(["-m", "pipelines", *arguments], self.environ)

    def empty(self) -> None:
        """As on the first day: nothing published, dlt knows nothing."""
        for name in ("data", "dlt"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def _file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


def _content(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


@contextmanager
def serving(*command: object) -> Iterator[tuple[IO[str], IO[str], dict[str, Any]]]:
    """A sandbox's process while the block runs: where it is asked and answers, its first line.

    It ends when nobody asks any more.
    """
    with subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        asking, answers = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        try:
            yield asking, answers, json.loads(answers.readline())
        finally:
            asking.close()
            process.wait()

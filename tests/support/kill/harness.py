"""A process that forks one child per command and can `kill -9` it at its n-th step.

A step is what changes files: Python announces each open for writing, rename, link, mkdir and
removal to its audit hooks, so every one of our and of dlt's steps is a kill point, without a word
about tests in the code. Talked to over stdin and stdout, a JSON line each; forked from a process
without threads that has everything imported already.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate",
             "os.symlink", "shutil.rmtree", "shutil.move", "shutil.copyfile"}  # fmt: skip
_MOVING = {"os.rename", "os.link"}


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (None when killed) and the steps that it took."""

    status: int | None
    steps: tuple[str, ...]


class Harness:
    """Runs commands of ours, killing where asked."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.kill.harness"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *arguments: str,
        environ: Mapping[str, str],
        watched: Path,
        kill_at: int = 0,
        on_start: Callable[[int], None] = lambda pid: None,
    ) -> Ended:
        """One command; killed just before its step `kill_at` (the first is 1), 0 is never.

        Steps are those below `watched`. `on_start` hears the number of its process, for whoever
        kills it by other signs.
        """
        assert self._process.stdin
        assert self._process.stdout
        request = {
            "arguments": arguments,
            "environ": dict(environ),
            "watched": str(watched),
            "kill_at": kill_at,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        on_start(json.loads(self._process.stdout.readline())["pid"])
        answer = json.loads(self._process.stdout.readline())
        return Ended(answer["status"], tuple(answer["steps"]))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="session")
def harness() -> Iterator[Harness]:
    """One process for all: importing everything takes longer than a run."""
    made = Harness()
    yield made
    made.close()


def _serve() -> None:
    from dlt.common.configuration.container import Container
    from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

    # imported before the fork, since the commands themselves import late
    from pipelines.cli import clickhouse, focus, load, normalize  # noqa: F401
    from pipelines.cli import main as ours
    from pipelines.core.registry import tables
    from pipelines.destinations.clickhouse import destination  # noqa: F401
    from pipelines.marts import compute  # noqa: F401

    for entry in tables():
        entry.checked()  # imports its module and its client library

    gc.freeze()  # or each child copies what was imported as soon as it looks for cycles
    for line in sys.stdin:
        request = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.environ.clear()
            os.environ.update(request["environ"])
            os.dup2(2, 1)  # what the command prints is not part of the conversation
            # dlt reads once where its files are
            Container()[PluggableRunContext].reload(os.environ.get("DLT_PROJECT_DIR"))
            _watch(request["watched"], request["kill_at"], writing)
            os._exit(ours.main(request["arguments"]))
        os.close(writing)
        _say({"pid": child})
        with os.fdopen(reading) as steps:
            taken = steps.read().splitlines()
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        _say({"status": None if code == -signal.SIGKILL else code, "steps": taken})


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _watch(watched: str, kill_at: int, pipe: int) -> None:
    numbers = itertools.count(1)  # atomic: steps are taken in several threads

    def hook(event: str, arguments: Sequence[Any]) -> None:
        if not _changes(event, arguments) or watched not in str(arguments[0]):
            return
        number = next(numbers)
        target = f" > {arguments[1]!s}" if event in _MOVING else ""
        os.write(pipe, f"{event} {arguments[0]!s}{target}\n".encode())
        if number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # the signal may reach another thread first

    sys.addaudithook(hook)


def _changes(event: str, arguments: Sequence[Any]) -> bool:
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        writing = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(flags, int) else 0
        return bool(writing) or (isinstance(mode, str) and any(c in mode for c in "wax+"))
    return event in _CHANGING


if __name__ == "__main__":
    _serve()

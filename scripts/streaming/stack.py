"""Start and stop the stack; what runs is noted in its folder, one file with a pid for each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from scripts.streaming.jars import ROOT, fetch
from scripts.streaming.java import Missing, find_java
from scripts.streaming.services import Place, Ports, Service, services, wait

FOLDER = ROOT / ".streaming"
_STOP = 20.0
_STARTED: dict[int, subprocess.Popen[bytes]] = {}
"""By pid what this process has started, so that it can be waited for."""


def up(folder: Path, ports: Ports, connect: bool = True) -> list[Service]:
    """Start what does not run, in order, each when the one before it answers. Raises Missing."""
    place = Place(folder, fetch(), find_java(), ports)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ports.json").write_text(json.dumps(asdict(ports)), encoding="utf-8")
    started = []
    for service in services(place, connect):
        if not is_running(folder, service.name):
            start(folder, service)
        started.append(service)
    return started


def start(folder: Path, service: Service) -> int:
    """Start one service and wait until it answers; its pid."""
    log = folder / f"{service.name}.log"
    with log.open("ab") as target:
        process = subprocess.Popen(
            service.command, stdin=subprocess.DEVNULL, stdout=target, stderr=target,
            start_new_session=True,
        )  # fmt: skip
    _STARTED[process.pid] = process
    (folder / f"{service.name}.pid").write_text(str(process.pid), encoding="utf-8")
    wait(service, process, log)
    return process.pid


def down(folder: Path) -> list[str]:
    """Stop what runs, the last one first; their names. The data stays."""
    stopped = []
    for name in ("connect", "registry", "kafka"):
        if (pid := is_running(folder, name)) is not None:
            stop(pid)
            stopped.append(name)
        (folder / f"{name}.pid").unlink(missing_ok=True)
    return stopped


def stop(pid: int) -> None:
    """SIGTERM, and SIGKILL when that does nothing; what was acknowledged survives both."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + _STOP
        while time.monotonic() < end and is_alive(pid):
            time.sleep(0.1)
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def is_running(folder: Path, name: str) -> int | None:
    """The pid of a service that was started here and lives."""
    try:
        pid = int((folder / f"{name}.pid").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return pid if is_alive(pid) else None


def ports_of(folder: Path) -> Ports:
    """Where the stack of a folder listens. Raises Missing before its first start."""
    try:
        return Ports(**json.loads((folder / "ports.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise Missing("No stack was started here. Start it: make streaming-up") from None


def is_alive(pid: int) -> bool:
    """Whether a process lives: one of our own, or of an earlier command."""
    if process := _STARTED.get(pid):
        return process.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

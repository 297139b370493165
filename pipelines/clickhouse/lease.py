"""A lease in ClickHouse that keeps two loaders of one word apart, on whatever machines they run.

`create table _lock_<word>__<n>` succeeds for one of two that try it: the highest n holds. Its
comment says who, and until when; the holder renews it while it works. A holder on this machine
whose process has gone holds nothing. Being right does not rest on the lease: publishing is one
step, and a partition counts as current only when raw and normalised agree.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.errors import ClickHouseError, ClickHouseQueryError
from pipelines.clickhouse.manager import ClickHouseManager
from pipelines.clickhouse.statements import quoted
from pipelines.partitions import Busy

log = logging.getLogger(__name__)

LEASE_SECONDS = 300
_RENEW_SECONDS = 60
_TABLE_EXISTS = 57


@contextmanager
def leased(config: ClickHouseConfig, word: str) -> Iterator[None]:
    """Hold the lease of a word while the block runs. Raises Busy at once when another has it."""
    with ClickHouseManager(config) as manager:
        mine = _acquire(manager, word)
        ended = threading.Event()
        keeper = threading.Thread(target=_keep, args=(config, mine, ended), daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()
            _release(manager, mine)


def _acquire(manager: ClickHouseManager, word: str) -> str:
    while True:
        held = _held(manager, word)
        number = 1 + max((n for n, _, _ in held), default=0)
        if held:
            _refuse_if_alive(manager, word, max(held)[2])
        mine = f"_lock_{word}__{number}"
        try:
            manager.execute(
                f"create table {mine} (x UInt8) engine = Memory comment {_comment(manager)}"
            )
        except ClickHouseQueryError as error:
            if error.code == _TABLE_EXISTS:
                continue  # another was faster: look again
            raise
        if max(_held(manager, word))[1] != mine:
            manager.execute(f"drop table if exists {mine} sync")
            continue
        for _, name, _ in held:
            manager.execute(f"drop table if exists {name} sync")
        return mine


def _held(manager: ClickHouseManager, word: str) -> list[tuple[int, str, dict[str, Any]]]:
    sql = "select name, comment from system.tables where database = currentDatabase()"
    rows = manager.execute(f"{sql} and match(name, %(p)s)", {"p": f"^_lock_{word}__[0-9]+$"})
    return [(int(name.rpartition("__")[2]), name, json.loads(text)) for name, text in rows]


def _refuse_if_alive(manager: ClickHouseManager, word: str, holder: dict[str, Any]) -> None:
    left = holder["until"] - _now(manager)
    if left <= 0 or (holder["boot"] == _boot() and not _lives(holder["pid"], holder["start"])):
        return
    raise Busy(
        f"{word} is locked by {holder['host']} process {holder['pid']} in ClickHouse. Wait until "
        f"it has finished, then run again; should it have died, its lock ends in {left} s."
    )


def _comment(manager: ClickHouseManager) -> str:
    """Who holds, and until when by the server's clock."""
    return quoted(
        json.dumps(
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "start": _started(os.getpid()),
                "boot": _boot(),
                "until": _now(manager) + LEASE_SECONDS,
            }
        )
    )


def _keep(config: ClickHouseConfig, mine: str, ended: threading.Event) -> None:
    while not ended.wait(_RENEW_SECONDS):
        try:
            with ClickHouseManager(config) as manager:
                manager.execute(f"alter table {mine} modify comment {_comment(manager)}")
        except ClickHouseError as error:
            log.debug("the lease %s was not renewed: %s", mine, error)


def _release(manager: ClickHouseManager, mine: str) -> None:
    try:
        manager.execute(f"drop table if exists {mine} sync")
    except ClickHouseError as error:  # the server has gone; the lease runs out by itself
        log.debug("the lease %s was not released: %s", mine, error)


def _now(manager: ClickHouseManager) -> int:
    return int(manager.execute("select toUnixTimestamp(now())")[0][0])


def _boot() -> str:
    """This machine since it was started; '' where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks: process numbers are used again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _lives(pid: int, start: str) -> bool:
    return not _boot() or _started(pid) == start

"""A lease in ClickHouse that keeps two runs apart, on whatever machines they are.

A run creates a table `_lock_<source>__<n>`. Its comment names the run and the end of its lease; the
run renews it while it works. Then it looks for other live runs, and holds the lease if there are
none. When two runs meet like this, the higher number waits for the lower to give way; a run that
already holds the lease does not. A run on this machine is not live when its process has ended.
Correctness does not depend on the lease: publishing is one step, and a partition is current only
when raw and normalised agree.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseError, ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import Busy

log = logging.getLogger(__name__)

LEASE_SECONDS = 300
RENEW_SECONDS = 60
_LOOKS, _PAUSE = 40, 0.05  # how often and after how long a rival is looked for that gives way
_TABLE_EXISTS = 57


@contextmanager
def leased(
    config: ClickHouseConfig,
    source_name: str,
    *,
    seconds: float = LEASE_SECONDS,
    renew_every: float = RENEW_SECONDS,
) -> Iterator[None]:
    """Hold the lease of a source while the block runs. Raises Busy when another run has it.

    It lasts `seconds` after its holder was last heard of, by the server's clock.
    """
    lease = _Lease(config, source_name, seconds)
    lease.acquire()
    ended = threading.Event()
    keeper = threading.Thread(target=lease.keep, args=(ended, renew_every), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        lease.release()


@dataclass(frozen=True)
class _Run:
    """Who holds a lock, as its comment says; `until` in seconds since 1970, the server's clock."""

    token: str
    host: str
    machine: str
    pid: int
    start: str
    until: float

    @classmethod
    def read(cls, comment: str) -> _Run | None:
        """None for a comment that no lease wrote."""
        try:
            return cls(**json.loads(comment))
        except (ValueError, TypeError):
            return None

    def lives(self, now: float) -> bool:
        """Whether it is at work, as far as can be known."""
        if self.until <= now:
            return False
        here = bool(_machine()) and self.machine == _machine()
        return not here or _started(self.pid) == self.start


class _Lease:
    """One run's try to hold a source."""

    def __init__(self, config: ClickHouseConfig, source_name: str, seconds: float) -> None:
        self.config, self.source_name, self.seconds = config, source_name, seconds
        self.token, self.number = uuid4().hex, 0

    @property
    def table(self) -> str:
        return self._name(self.number)

    def acquire(self) -> None:
        """Raises Busy when another run holds it, or is a little ahead."""
        with ClickHouseManager(self.config) as manager:
            while not self._is_made(manager):
                pass
            for _ in range(_LOOKS):
                locks = self._locks(manager)
                rivals = self._living(manager, locks)
                rivals.pop(self.number, None)
                if not rivals and self.number in locks:  # a replica may show it a little later
                    for number in locks.keys() - {self.number}:
                        manager.execute(f"drop table if exists {self._name(number)} sync")
                    return
                if rivals and max(rivals) > self.number:
                    break
                time.sleep(_PAUSE)
            self.release()
            raise self._busy(manager, rivals[max(rivals)]) if rivals else self._unseen()

    def _is_made(self, manager: ClickHouseManager) -> bool:
        """Make the table with the next number; False when another run took that number."""
        locks = self._locks(manager)
        if living := self._living(manager, locks):
            raise self._busy(manager, living[max(living)])
        self.number = 1 + max(locks, default=0)
        sql = f"create table {self.table} (x UInt8) engine = Memory comment"
        try:
            manager.execute(f"{sql} {self._comment(manager)}")
        except ClickHouseQueryError as error:
            if error.code != _TABLE_EXISTS:
                raise
            return False
        return True

    def keep(self, ended: threading.Event, every: float) -> None:
        """Renew the lease until the run has ended."""
        while not ended.wait(every):
            try:
                with ClickHouseManager(self.config) as manager:
                    locks = self._locks(manager)
                    mine = locks.get(self.number)
                    is_anothers = mine is not None and mine.token != self.token
                    if is_anothers or max(locks, default=0) > self.number:
                        log.warning("%s: another run has taken over the lease", self.source_name)
                        return
                    if self.number not in locks:
                        continue  # a replica that lags behind: renewed next time
                    comment = self._comment(manager)
                    manager.execute(f"alter table {self.table} modify comment {comment}")
            except ClickHouseError as error:
                log.debug("the lease %s was not renewed: %s", self.table, error)

    def release(self) -> None:
        """Let go. Nothing happens when another run has taken it over meanwhile."""
        try:
            with ClickHouseManager(self.config) as manager:
                if self._is_mine(manager):
                    manager.execute(f"drop table if exists {self.table} sync")
        except ClickHouseError as error:  # the server is unreachable; the lease expires
            log.debug("the lease %s was not released: %s", self.table, error)

    def _is_mine(self, manager: ClickHouseManager) -> bool:
        run = self._locks(manager).get(self.number)
        return run is not None and run.token == self.token

    def _locks(self, manager: ClickHouseManager) -> dict[int, _Run | None]:
        """Every lock of this source by number."""
        sql = "select name, comment from system.tables where database = currentDatabase()"
        rows = manager.execute(f"{sql} and match(name, %(p)s)", {"p": f"^{self._name('[0-9]+')}$"})
        return {int(name.rpartition("__")[2]): _Run.read(comment) for name, comment in rows}

    def _living(self, manager: ClickHouseManager, locks: dict[int, _Run | None]) -> dict[int, _Run]:
        now = _now(manager)
        return {number: run for number, run in locks.items() if run and run.lives(now)}

    def _comment(self, manager: ClickHouseManager) -> str:
        pid, host = os.getpid(), socket.gethostname()
        until = _now(manager) + self.seconds
        run = _Run(self.token, host, _machine(), pid, _started(pid), until)
        return quoted(json.dumps(asdict(run)))

    def _unseen(self) -> Busy:
        return Busy(
            f"{self.table} was created and is not seen in {_LOOKS * _PAUSE:g} s: the replica that "
            f"answers lags behind. Run again; set CLICKHOUSE_HOST to one replica."
        )

    def _busy(self, manager: ClickHouseManager, run: _Run) -> Busy:
        left = max(0, round(run.until - _now(manager)))
        return Busy(
            f"{self.source_name} is locked by {run.host} process {run.pid} in ClickHouse. Wait "
            f"until it has finished, then run again; if it died, its lock expires in {left} s."
        )

    def _name(self, number: int | str) -> str:
        return f"_lock_{self.source_name}__{number}"


def _now(manager: ClickHouseManager) -> float:
    return float(manager.execute("select toUnixTimestamp64Milli(now64(3)) / 1000")[0][0])


def _machine() -> str:
    """This machine since it was started, and this container on it; '' where that is not told.

    Containers on one machine have one boot id and process numbers of their own.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in the kernel's ticks: numbers are used again. '' for a dead one."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if status[0] in "ZX" else status[19]

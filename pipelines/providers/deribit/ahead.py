"""Read the next partition while the one before it is published.

One thread of its own, since the order matters to the proof, and a daemon: nothing that it holds is
lost when the run is killed, it is read again. At most one partition waits to be taken, so that
memory holds two.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from pipelines.core.partition import Partition

Read = TypeVar("Read")
Advance = Callable[[int], None]
Reader = Callable[[Partition, Advance, Callable[[], bool]], Read]


class Ahead(Generic[Read]):
    """Reads planned partitions in order, one ahead of who takes them."""

    def __init__(self, read: Reader[Read]) -> None:
        self._read = read
        self._waiting: list[Partition] = []
        self._started: tuple[str, Future[Read], _Told] | None = None

    def plan(self, partitions: Sequence[Partition]) -> None:
        """What will be asked for, in this order."""
        self._waiting = list(partitions)

    def take(self, partition: Partition, advance: Advance) -> Read:
        """The content of one; from now on the next is read. Raises what reading it raised."""
        found, told = self._of(partition)
        told.tell(advance)
        result = found.result()
        self._start_next(partition.key)
        return result

    def _of(self, partition: Partition) -> tuple[Future[Read], _Told]:
        if self._started and self._started[0] == partition.key:
            _, future, told = self._started
            self._started = None
            return future, told
        if self._started:  # somebody skipped it: let it end, since it shares our pace
            self._started[2].stop()
            self._started[1].exception()
            self._started = None
        return self._start(partition)

    def _start_next(self, key: str) -> None:
        keys = [each.key for each in self._waiting]
        if key in keys:
            self._waiting = self._waiting[keys.index(key) + 1 :]
            if self._waiting:
                following = self._waiting[0]
                self._started = (following.key, *self._start(following))

    def _start(self, partition: Partition) -> tuple[Future[Read], _Told]:
        future: Future[Read] = Future()
        told = _Told()

        def run() -> None:
            try:
                future.set_result(self._read(partition, told.add, told.is_stopped))
            except BaseException as error:  # noqa: BLE001 (whoever takes it gets it)
                future.set_exception(error)

        threading.Thread(target=run, name=f"ahead {partition.key}", daemon=True).start()
        return future, told


class _Told:
    """Progress for whoever takes the partition, including what was read before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._amount = 0
        self._advance: Advance | None = None
        self._stop = threading.Event()

    def add(self, amount: int) -> None:
        with self._lock:
            if self._advance is None:
                self._amount += amount
                return
        self._advance(amount)

    def tell(self, advance: Advance) -> None:
        with self._lock:
            self._advance, before = advance, self._amount
        advance(before)

    def stop(self) -> None:
        self._stop.set()

    def is_stopped(self) -> bool:
        return self._stop.is_set()

"""Faults on command, and a record of what was asked, for servers on loopback."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from scripts.sandbox.bigquery.errors import ApiError


@dataclass
class Fault:
    """What happens to requests of these kinds on these targets: the matches numbered
    `after + 1 … after + times` (all of them from there when `times` is None)."""

    kinds: frozenset[str]
    target: str = "*"
    after: int = 0
    times: int | None = 1
    error: ApiError | None = None
    cut_after: int | None = None
    call: Callable[[], object] | None = None
    matched: int = 0

    def strikes(self, kind: str, target: str) -> bool:
        """Count this request when it matches, and say whether the fault is on for it."""
        if kind not in self.kinds or not fnmatchcase(target, self.target):
            return False
        self.matched += 1
        number = self.matched - self.after
        return number > 0 and (self.times is None or number <= self.times)


@dataclass
class Faults:
    """The faults that were set, and the requests (kind, target) in order of arrival."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def counts(self) -> Counter[str]:
        """How many requests of each kind came, those that were failed included."""
        return Counter(kind for kind, _ in self.requests)

    def add(self, fault: Fault) -> None:
        """Set one more."""
        with self.lock:
            self.faults.append(fault)

    def reset(self) -> None:
        """No faults, no counts."""
        with self.lock:
            self.requests.clear()
            self.faults.clear()

    def arrived(self, kind: str, target: str) -> list[Fault]:
        """Record a request; the faults that are on for it."""
        with self.lock:
            self.requests.append((kind, target))
            return [fault for fault in self.faults if fault.strikes(kind, target)]

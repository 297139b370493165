"""Objects of a stand-in for a store: whole, with a version each, and what happens before a read."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Stored:
    """One object. `version` is its generation, and part of its ETag."""

    body: bytes
    version: int
    modified: datetime


@dataclass
class Objects:
    """The objects of one bucket: a target of the sandbox's deliveries.

    `refuse` is the status with which every request is answered; `before_read` is called once, just
    before the next object is sent.
    """

    bucket: str
    page: int = 2
    refuse: int = 0
    before_read: Callable[[], object] | None = None
    found: dict[str, Stored] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1_790_000_000))

    def put(self, key: str, body: bytes, modified: datetime | None = None) -> None:
        """One object whole."""
        moment = modified or datetime.now(UTC).replace(microsecond=0)
        self.found[key] = Stored(body, next(self._numbers), moment)

    def keys(self, prefix: str = "") -> list[str]:
        """Every key below a prefix, sorted."""
        return sorted(key for key in self.found if key.startswith(prefix))

    def listed(self, prefix: str, after: str) -> tuple[list[str], str]:
        """A page of the keys after one of them, and the last of it when more follow."""
        keys = [key for key in self.keys(prefix) if key > after]
        return keys[: self.page], keys[self.page - 1] if len(keys) > self.page else ""

    def read(self, key: str) -> Stored | None:
        """One object, after what was to happen before."""
        if call := self.before_read:
            self.before_read = None
            call()
        return self.found.get(key)

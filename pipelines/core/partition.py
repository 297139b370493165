"""What source, load and destination tell each other: a partition, its delivery, and a user's error.

A leaf: of ours it imports only core, so that every other module may import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pipelines.core.digests import hex_digest


class UserError(Exception):
    """Something that a person can mend; its text says what is wrong, where, and what to do.

    Nothing has been published when it is raised. Never carries a secret.
    """


class ConfigurationError(UserError):
    """Configuration is missing or contradicts itself; the command exits with 2."""


class PartitionError(UserError):
    """One partition cannot be loaded or normalised; the others go on, the exit status is 1."""


class Changed(Exception):
    """The provider replaced a file between planning and reading: plan that partition again."""


class Unchanged(Exception):
    """What was read is what is published: there is nothing to publish."""


class Kept(UserError):
    """What is published stays, since what was read would have replaced it by far less.

    `delivery` is what was read; None where nothing was landed.
    """

    def __init__(self, message: str, delivery: Delivery | None = None) -> None:
        super().__init__(message)
        self.delivery = delivery


class Busy(UserError):
    """Another run holds the lock of this source."""


@dataclass(frozen=True)
class Partition:
    """One partition as the provider has it now.

    `fingerprint` identifies the content: equal fingerprints mean equal bytes. '' where it is known
    only once the partition is read; landing it then raises Unchanged when it is the published one.
    `has_moved`: rows of it are read elsewhere now, so that fewer of them are right.
    `detail` belongs to the source alone; nobody else looks into it.
    """

    key: str
    fingerprint: str
    delivered_at: datetime
    files: int
    bytes: int
    detail: Any = field(default=None, compare=False, repr=False)
    has_moved: bool = field(default=False, compare=False)

    def to_note(self) -> dict[str, str]:
        """What a destination notes of a partition that a listing showed."""
        return {
            "partition": self.key,
            "fingerprint": self.fingerprint,
            "delivered_at": self.delivered_at.isoformat(),
        }


#: The steps of a publishing whose seconds `deliveries` has, in their order.
STEPS = ("read", "stage", "normalise", "publish")

#: How JSON and SQL call a field: files and tables of older versions have these names.
STORED_NAMES = {"source_name": "word", "layout": "form"}
_FIELDS = {stored: name for name, stored in STORED_NAMES.items()}


@dataclass(frozen=True)
class Delivery:
    """One partition that has been landed and published: what `_delivery.json` holds.

    `files` is a list of {name, rows, bytes, source, etag}; `loaded_at` and `delivered_at` are UTC.
    `seconds` are what the STEPS took so far.
    """

    source_name: str
    partition: str
    fingerprint: str
    rows: int
    bytes: int
    delivered_at: datetime
    loaded_at: datetime
    load_id: str
    layout: str
    files: tuple[Mapping[str, Any], ...]
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values, times as ISO 8601 UTC."""
        times = {name: getattr(self, name).isoformat() for name in ("delivered_at", "loaded_at")}
        plain: dict[str, Any] = asdict(self) | times
        plain["files"] = [dict(file) for file in self.files]
        plain["seconds"] = dict(self.seconds)
        return {STORED_NAMES.get(name, name): value for name, value in plain.items()}

    def took(self, step: str, seconds: float) -> Delivery:
        """The same delivery, of which a step took so long."""
        return replace(self, seconds={**self.seconds, step: round(seconds, 3)})

    def loaded_by(self, load_id: str) -> Delivery:
        """The same delivery with dlt's load id, which only the destination knows."""
        return replace(self, load_id=load_id)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Delivery:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError on anything else."""
        times = {
            name: datetime.fromisoformat(document[name]) for name in ("delivered_at", "loaded_at")
        }
        plain: dict[str, Any] = {**document, **times, "files": tuple(document["files"])}
        return cls(**{_FIELDS.get(name, name): value for name, value in plain.items()})


@dataclass(frozen=True)
class Selection:
    """Which partitions a command is about: `--from`, `--to` (both inclusive) and `--force`.

    `accept_shrunk`: a partition that became empty or lost many rows is published, too.
    """

    first: str | None = None
    last: str | None = None
    force: bool = False
    accept_shrunk: bool = False

    @property
    def is_asking(self) -> bool:
        """Whether partitions are wanted that no plain run would read again."""
        return self.force or self.first is not None

    def __contains__(self, key: str) -> bool:
        """A month contains its days, and a year its months: the shorter text decides.

        What follows an @ names one of several partitions of a month; a bound without it means all.
        """
        date, _, name = key.partition("@")
        first, _, first_name = (self.first or "").partition("@")
        last, _, last_name = (self.last or date).partition("@")
        after, before = (
            date[: len(first)] >= first[: len(date)],
            date[: len(last)] <= last[: len(date)],
        )
        is_named = date != first or name >= first_name
        return (
            after and before and is_named and (date != last or not last_name or name <= last_name)
        )


ALL = Selection()
"""Every partition, and of those what has changed."""


class Published(dict[str, str]):
    """Fingerprints of published partitions; `open` are those that are not final yet.

    `added` are configured members that no partition was ever read for, though others were.
    """

    open: frozenset[str] = frozenset()
    added: frozenset[str] = frozenset()


class Progress:
    """What a long run tells whoever watches; this one keeps silent."""

    def plan(self, source_name: str, count: int, unit: str) -> None:
        """So many partitions are to be loaded; `advance` counts in bytes, or in rows of a name."""

    def ended(self) -> None:
        """One of them is over, whatever became of it."""

    def start(self, source_name: str, partition: str, size: int) -> None:
        """A partition of `size` bytes (or rows) begins."""

    def advance(self, amount: int) -> None:
        """`amount` more bytes (or rows) of it are done; called from several threads."""

    def done(self, source_name: str, partition: str, line: str) -> None:
        """It is published; `line` is the log line."""

    def failed(self, source_name: str, partition: str, error: UserError) -> None:
        """It is not published, the old one stays."""


@dataclass(frozen=True)
class Run:
    """One run of a source that has ended; a row of `runs`.

    `outcome` is well; partly, where partitions failed; failed, where none could be tried.
    """

    source_name: str
    command: str
    started_at: datetime
    ended_at: datetime
    outcome: str
    loaded: int = 0
    unchanged: int = 0
    failed: int = 0
    kept: int = 0

    def row(self) -> dict[str, Any]:
        """The fields by the names of the table."""
        return {STORED_NAMES.get(name, name): value for name, value in asdict(self).items()}


def seconds_of(seconds: Mapping[str, float]) -> dict[str, float | None]:
    """Seconds by step as columns of `deliveries`; NULL where a step is not known."""
    return {f"{step}_seconds": seconds.get(step) for step in STEPS}


def fingerprint(parts: Iterable[tuple[str, str, int]]) -> str:
    """32 hex digits over (name, ETag, size), independent of their order."""
    return hex_digest(f"{name}\t{etag}\t{size}\n" for name, etag, size in sorted(parts))


def causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything that it wraps, outermost first: dlt wraps what a job raises."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        for name in ("__cause__", "__context__", "exception", "client_exception"):
            inner = getattr(current, name, None)
            if isinstance(inner, BaseException):
                waiting.append(inner)


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


Reporter = Callable[[str], None]

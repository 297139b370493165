"""How old partitions are removed whole, and how a destination remembers which it keeps.

The note is written first, with what is about to go; the next run of any kind finishes what a
killed one left. A load without --from begins at the first partition that is kept, so nothing comes
back as new. The history in `deliveries` stays. Each destination's side is its retention.py.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pipelines.core.partition import Selection

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Horizon:
    """The first partition that is kept (None: all are), and those that are being removed."""

    first: str | None = None
    removing: tuple[str, ...] = ()


class Retention(Protocol):
    """What is kept of one raw table and of the tables that are computed from it."""

    def now(self) -> datetime:
        """The moment by which months are counted: on a server, by its clock."""

    def horizon(self) -> Horizon:
        """The recorded horizon; an empty one when nothing was ever pruned."""

    def note(self, horizon: Horizon) -> None:
        """Record the horizon beside the data."""

    def partitions(self) -> list[str]:
        """Every partition that lies there, raw or normalised."""

    def remove(self, partition: str) -> None:
        """Remove a partition, in steps that a reader sees whole: raw first. Repeatable."""

    def forget(self, horizon: Horizon) -> None:
        """Take what is not kept out of the note of what the provider has: no check waits for it."""

    def forget_unwanted(self, partitions: Collection[str]) -> None:
        """Take partitions out of that note which configuration does not ask for any more."""


def list_older(retention: Retention, first: str) -> list[str]:
    """The partitions that end before `first`; one that is not called by its date stays."""
    return [key for key in retention.partitions() if key not in Selection(first)]


def prune(retention: Retention, first: str) -> list[str]:
    """Keep `first` and later alone; what was removed. The caller holds the source's lock."""
    finish(retention)
    removing = list_older(retention, first)
    horizon = Horizon(first, tuple(removing))
    retention.note(horizon)
    _finish(retention, horizon)  # as known here: a replica may still show the note before it
    return removing


def finish(retention: Retention) -> None:
    """Remove what the note says is being removed: the end of a `prune` that was killed."""
    _finish(retention, retention.horizon())


def _finish(retention: Retention, horizon: Horizon) -> None:
    for partition in horizon.removing:
        retention.remove(partition)
    if horizon.first is not None and horizon.removing:
        retention.forget(horizon)
        retention.note(Horizon(horizon.first))

"""What a destination remembers of what was told: each event once to each channel.

Each destination's side is its alerts.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Alerts(Protocol):
    """The events that were told, by their keys."""

    def told(self, channel: str) -> set[str]:
        """What the channel was told and is not over."""

    def note(self, channel: str, events: Sequence[str]) -> None:
        """Remember that the channel took them."""

    def forget(self, channel: str, events: Sequence[str]) -> None:
        """They are over: when they come back, they are told again."""

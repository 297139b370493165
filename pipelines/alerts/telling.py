"""Tells each channel what it was not told yet, and remembers that with the data.

It is remembered after a channel took the message: a run that is killed in between tells it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.alerts.channels import Channel, ChannelError
from pipelines.alerts.events import LASTING, Event
from pipelines.alerts.message import EVENTS, Message
from pipelines.destinations.alerts import Alerts


@dataclass
class Telling:
    """How many events each channel took, and the error of each that took none or not all."""

    sent: dict[str, int] = field(default_factory=dict)
    errors: list[ChannelError] = field(default_factory=list)


def untold(events: Sequence[Event], channel: str, alerts: Alerts) -> list[Event]:
    """The events that this channel was not told yet."""
    known = alerts.told(channel)
    return [event for event in events if event.key not in known]


def tell(
    events: Sequence[Event], channels: Sequence[Channel], alerts: Alerts, link: str
) -> Telling:
    """Send each channel what is new to it. One that fails does not keep the others from it."""
    done = Telling()
    current = {event.key for event in events}
    for channel in channels:
        over = [
            key
            for key in alerts.told(channel.name)
            if key.partition("/")[0] in LASTING and key not in current
        ]
        alerts.forget(channel.name, over)
        new = untold(events, channel.name, alerts)
        done.sent[channel.name] = 0
        try:
            for start in range(0, len(new), EVENTS):
                part = new[start : start + EVENTS]
                channel.send(Message(part, link))
                alerts.note(channel.name, [event.key for event in part])
                done.sent[channel.name] += len(part)
        except ChannelError as error:
            done.errors.append(error)
    return done


class Nothing:
    """Remembers nothing: for what is to be told although the destination cannot be read."""

    def told(self, channel: str) -> set[str]:
        """Nothing was told."""
        return set()

    def note(self, channel: str, events: Sequence[str]) -> None:
        """Write nothing down: without state each event is new."""

    def forget(self, channel: str, events: Sequence[str]) -> None:
        """There is nothing to forget."""

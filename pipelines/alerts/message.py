"""One message of several events, in the form that each channel takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.alerts.events import Event

TITLE = "Cloud cost alerts"
EVENTS = 20  # a Teams card may have 28 KB


@dataclass(frozen=True)
class Message:
    """What is told at once, and where a reader finds more; `link` may be empty."""

    events: Sequence[Event]
    link: str = ""

    @property
    def subject(self) -> str:
        """The only event's title, else how many there are."""
        if len(self.events) == 1:
            return f"{TITLE}: {self.events[0].title}"
        return f"{TITLE}: {len(self.events)} new"

    def text(self) -> str:
        """Plain text, for a mail."""
        parts = [f"{event.title}\n{event.text}" for event in self.events]
        return "\n\n".join([*parts, self.link] if self.link else parts) + "\n"

    def markdown(self) -> str:
        """For GitHub; a name with an @ calls nobody."""
        lines = [f"- **{_quiet(event.title)}**: {_quiet(event.text)}" for event in self.events]
        return "\n".join([*lines, "", self.link] if self.link else lines)

    def slack(self) -> Mapping[str, Any]:
        """Slack's mrkdwn, in the key `text`, which other receivers of webhooks know as well."""
        lines = [f"*{_plain(event.title)}*\n{_plain(event.text)}" for event in self.events]
        more = [f"<{self.link}|More>"] if self.link else []
        return {"text": "\n\n".join([f"*{TITLE}*", *lines, *more])}

    def teams(self) -> Mapping[str, Any]:
        """An Adaptive Card, as the workflow "When a Teams webhook request is received" takes it."""
        blocks: list[dict[str, Any]] = [_block(TITLE, size="Large", weight="Bolder")]
        for event in self.events:
            blocks += [
                _block(event.title, weight="Bolder", separator=True),
                _block(event.text, spacing="None"),
            ]
        card: dict[str, Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "body": blocks,
        }
        if self.link:
            card["actions"] = [{"type": "Action.OpenUrl", "title": "More", "url": self.link}]
        kind = "application/vnd.microsoft.card.adaptive"
        attachment = {"contentType": kind, "contentUrl": None, "content": card}
        return {"type": "message", "attachments": [attachment]}


def _block(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **more}


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _quiet(text: str) -> str:
    return text.replace("<", "&lt;").replace("@", "@\u200b")

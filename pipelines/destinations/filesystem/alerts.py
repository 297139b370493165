"""What was told: the filesystem's side, `alerts.json` beside the data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pipelines.core.partition import now

LOCK = "alerts"


class Files(Protocol):
    """What it needs of a store."""

    def alerts(self) -> str:
        """The path of the file that says what was told."""

    def read(self, path: str) -> bytes:
        """The content of a small file."""

    def target(self, source_name: str) -> Path:
        """A local path for a file that is to be published."""

    def publish_file(self, source: Path, target: str) -> None:
        """Make a local file the published one, in one step."""


class StoreAlerts:
    """One small file: by channel when it was told each event."""

    def __init__(self, store: Files) -> None:
        self._store = store

    def told(self, channel: str) -> set[str]:
        """What the channel was told and is not over."""
        return set(self._read().get(channel, {}))

    def note(self, channel: str, events: Sequence[str]) -> None:
        """Add them, in one file that is replaced whole."""
        known = self._read()
        at = now().isoformat(timespec="seconds")
        self._write(known | {channel: known.get(channel, {}) | dict.fromkeys(events, at)})

    def forget(self, channel: str, events: Sequence[str]) -> None:
        """Take them out."""
        known = self._read()
        kept = {key: at for key, at in known.get(channel, {}).items() if key not in events}
        if kept != known.get(channel, {}):
            self._write(known | {channel: kept})

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            found: dict[str, dict[str, str]] = json.loads(self._store.read(self._store.alerts()))
        except FileNotFoundError:
            return {}
        return found

    def _write(self, told: Mapping[str, Mapping[str, str]]) -> None:
        target = self._store.target(LOCK)
        target.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        self._store.publish_file(target, self._store.alerts())

"""What a bucket of any kind holds, and how it is read.

Fetching is bound to the ETag that was listed, so bytes of a newer delivery never slip in unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, order=True)
class Object:
    """One object of a listing. `key` is relative to the bucket URL; `modified` is UTC."""

    key: str
    etag: str
    size: int
    modified: datetime


class Bucket(Protocol):
    """Where a provider delivers. Errors are UserErrors that name the place and the fix."""

    url: str

    def list(self) -> list[Object]:
        """Every object below the URL, in key order."""

    def read(self, item: Object) -> bytes:
        """A small object, whole and exactly as listed. Raises Changed when it was replaced."""

    def fetch(self, wanted: Sequence[tuple[Object, Path]], advance: Callable[[int], None]) -> None:
        """Each object into its file, exactly as listed. Raises Changed when one was replaced."""

"""Digests that identify content. Change one, and whatever it identifies is loaded again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def hex_digest(parts: Iterable[str], digits: int = 32) -> str:
    """The first hex digits of SHA-256 over the parts, one directly after the other, as UTF-8."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()[:digits]

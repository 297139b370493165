"""How fast we ask: one token bucket for each host, shared by all threads."""

from __future__ import annotations

import threading
import time


class TokenBucket:
    """`rate` requests a second, and up to a second's worth at once after a pause."""

    def __init__(self, rate: float) -> None:
        self._step = 1.0 / rate
        self._burst = 1.0
        self._lock = threading.Lock()
        self._next = 0.0

    def take(self) -> None:
        """Wait until this request may be sent."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - self._burst) + self._step
            wait = self._next - now
        if wait > 0:
            time.sleep(wait)

    def pause(self, seconds: float) -> None:
        """Send nothing for this many seconds: the host reported too many requests."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

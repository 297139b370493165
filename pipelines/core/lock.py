"""One run per source and destination on a machine: the second refuses, and says who is at work.

The lock is the kernel's (flock): it ends with its process, however that ends. Being right does not
rest on it, since every publish is one step; it keeps two runs from doing the work twice.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.core.partition import Busy, now


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock at `path` while the block runs. Raises Busy at once when another run has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another run"
            raise Busy(
                f"{what} is locked by {holder}. Wait until it has finished, then run again: its "
                "lock ends with it."
            ) from error
        os.ftruncate(descriptor, 0)
        holder = (
            f"{socket.gethostname()} process {os.getpid()}, since {now():%Y-%m-%d %H:%M:%S} UTC"
        )
        os.pwrite(descriptor, holder.encode(), 0)
        yield
    finally:
        os.close(descriptor)

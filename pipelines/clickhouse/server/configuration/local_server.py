"""The server that scripts/local_clickhouse.py runs, as its folder tells."""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(".clickhouse")


@dataclass(frozen=True)
class LocalServer:
    """A server that runs now. `password` is None when its user gave one, which is kept nowhere."""

    port: int
    http_port: int
    user: str
    password: str | None = field(repr=False)
    folder: Path


def running_server(folder: Path = FOLDER) -> LocalServer | None:
    """The server that runs on `folder`, None when none does.

    A killed server leaves its ready.json behind, so the folder's lock decides: the system drops
    it with the process.
    """
    try:
        if not _is_locked(folder / "lock"):
            return None
        ready = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
        file = ready["password_file"]
        password = Path(file).read_text(encoding="utf-8").strip() if file else None
        return LocalServer(ready["port"], ready["http_port"], ready["user"], password, folder)
    except (FileNotFoundError, NotADirectoryError):
        return None  # no such folder, or the server is just starting or stopping


def _is_locked(path: Path) -> bool:
    with path.open(encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

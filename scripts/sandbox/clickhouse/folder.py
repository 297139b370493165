"""The folder of a local ClickHouse: who holds it, the password, and what it tells when ready.

lock is held as long as the server lives, so it is the truth about whether one runs; ready.json
says where it is, and is left over after a kill. local_server.py in
pipelines/clickhouse/server/configuration reads both.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

_HERE = Path.cwd()  # the engine changes it


class Refused(Exception):
    """The command cannot be carried out; the message names the fix."""


def prepare(folder: Path) -> None:
    """Make the folder, readable by its owner alone; refuse one that holds something else."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        foreign = not (folder / "lock").exists() and any(folder.iterdir())
        if not foreign:
            (folder / "lock").touch(0o600)
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise Refused(
            f"{folder} cannot be used: {error.strerror}. Fix: --dir another folder"
        ) from error
    if foreign:
        raise Refused(
            f"{folder} holds other files, not a server's data. Fix: --dir an empty or new folder"
        )


def occupy(folder: Path) -> int:
    """Take the folder's lock, which the system drops with the process; its descriptor."""
    prepare(folder)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    for _ in range(20):  # a look by `status` or by the configuration holds it for a moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.05)
    else:
        raise Refused(in_use(folder, holder(folder) or 0))
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    (folder / "ready.json").unlink(missing_ok=True)
    return lock


def holder(folder: Path) -> int | None:
    """The process that holds the folder's lock, None when nobody does."""
    for _ in range(20):
        try:
            with (folder / "lock").open(encoding="utf-8") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    if pid := int(lock.read() or 0):
                        return pid
                else:
                    return None
        except (FileNotFoundError, NotADirectoryError):
            return None
        time.sleep(0.05)  # taken this moment: its holder has not written its number yet
    raise Refused(f"{folder}/lock is held, but not by a server. Fix: see what has it open")


def in_use(folder: Path, pid: int) -> str:
    """Why a second server cannot start."""
    return (
        f"{folder} is in use by a server that runs already (pid {pid}). "
        "Fix: use that one, stop it with make clickhouse-down, or --dir another folder"
    )


def stored_password(folder: Path) -> Path:
    """The file with the generated password, made at the first start, for its owner alone."""
    file = folder / "password"
    if not file.exists():
        file.touch(0o600)
        file.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
    return file


def write_ready(folder: Path, ready: dict[str, Any]) -> None:
    """Tell the facts of a server that answers."""
    partial = folder / "ready.json.partial"
    partial.write_text(json.dumps(ready, indent=1) + "\n", encoding="utf-8")
    partial.rename(folder / "ready.json")


def read_ready(folder: Path) -> dict[str, Any] | None:
    """These facts, None when there are none."""
    try:
        ready: dict[str, Any] = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return ready


def ready_line(folder: Path, ready: dict[str, Any]) -> str:
    """One line: where it is, where the password lies, what to export for other programs."""
    file = ready["password_file"]
    password = f'"$(cat {shown(Path(file))})"' if file else "<the one you gave>"
    exports = [
        f"CLICKHOUSE_PORT={ready['port']}",
        f"CLICKHOUSE_HTTP_PORT={ready['http_port']}",
        f"CLICKHOUSE_USER={ready['user']}",
        f"CLICKHOUSE_PASSWORD={password}",
    ]
    tls = ""
    if "secure_port" in ready:
        tls = f", TLS on {ready['secure_port']} and {ready['https_port']}"
    return (
        f"ClickHouse {ready['version']} is ready on localhost:{ready['port']} (native) and "
        f"{ready['http_port']} (HTTP){tls}; data in {shown(folder)}. "
        f"To use it: export CLICKHOUSE_MODE=local {' '.join(exports)}"
    )


def shown(path: Path) -> str:
    """As one would type it where the command was started."""
    return str(path.relative_to(_HERE)) if path.is_relative_to(_HERE) else str(path)

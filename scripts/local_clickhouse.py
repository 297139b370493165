"""A real ClickHouse on this machine: native and HTTP port, a user with a password, optional TLS.

    python scripts/local_clickhouse.py up [--dir .clickhouse] [--port 9000] [--http-port 8123]
    python scripts/local_clickhouse.py status | down [--dir .clickhouse]

`up` starts it in the background and waits until it answers; `--foreground` stays until SIGTERM,
SIGINT or SIGHUP. It listens on loopback alone. Everything lies in the folder: data/ survives a stop
and a kill, ready.json tells the project's own commands where the server is, and password (mode
0600) holds the generated password. The folder's lock, held while the server lives, is the truth
about whether it runs; a ready.json without it is left over from a kill.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.clickhouse_engine import HOST, VERSION, Account, Engine, EngineError, check_wheel
from scripts.tls_front import TlsFront

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
STOP_SECONDS = 60
PASSWORD_VARIABLE = "LOCAL_CLICKHOUSE_PASSWORD"  # noqa: S105 - a name; arguments show in `ps`
_HERE = Path.cwd()  # the engine changes it


class Refused(Exception):
    """The command cannot be carried out; the message names the fix."""


def main(arguments: list[str]) -> int:
    """Run one command; the exit status: 0 done, 1 refused (or, for status, not running)."""
    args = _parser().parse_args(arguments)
    args.dir = args.dir.resolve()
    try:
        match args.command:
            case "up" if args.foreground:
                return _serve(args)
            case "up":
                return _start_in_background(arguments, args)
            case "down":
                return _stop(args.dir)
            case _:
                return _report(args.dir)
    except (Refused, EngineError) as error:
        print(f"local_clickhouse: {error}", file=sys.stderr, flush=True)
        # not sys.exit(): a half-started engine's threads must not outlive their globals
        os._exit(1)


def _serve(args: argparse.Namespace) -> int:
    """Be the server until a signal asks for its end, or until standard input closes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # before any engine thread exists
    check_wheel()
    lock = _occupy(args.dir)
    front = _front(args)
    ports = [args.port, args.http_port] + ([args.secure_port, args.https_port] if front else [])
    _check_ports(ports)
    account, password_file = _account(args)
    engine = Engine(args.dir, account, args.port, args.http_port, args.log_level)
    engine.start(on_end=_ask_for_the_end)
    if not engine.version.startswith(f"{VERSION}."):
        raise EngineError(f"the engine is {engine.version}, not {VERSION}. Fix: make install")
    ready = {
        "pid": os.getpid(),
        "host": HOST,
        "port": engine.port,
        "http_port": engine.http_port,
        "user": account.name,
        "password_file": password_file,
        "version": engine.version,
    }
    if front:
        front.start()
        ready["secure_port"] = front.listen(args.secure_port, engine.port)
        ready["https_port"] = front.listen(args.https_port, engine.http_port)
    _write_ready(args.dir, ready)
    print(_ready_line(args.dir, ready), flush=True)
    os.dup2(2, 1)  # whoever read the ready line from a pipe may close it now
    if args.stop_with_stdin:
        threading.Thread(target=_await_end_of_stdin, daemon=True).start()
    signal.sigwait(STOP_SIGNALS)
    (args.dir / "ready.json").unlink(missing_ok=True)
    engine.stop()
    os.close(lock)
    return 0


def _start_in_background(arguments: list[str], args: argparse.Namespace) -> int:
    """Start `up --foreground` as a daemon, hand on its ready line or its reason for refusing."""
    holder = _holder(args.dir)
    if holder is not None:
        raise Refused(_in_use(args.dir, holder))
    _prepare(args.dir)
    log = args.dir / "server.log"
    environment = os.environ | ({PASSWORD_VARIABLE: args.password} if args.password else {})
    with log.open("w", encoding="utf-8") as errors:
        server = subprocess.Popen(
            [sys.executable, __file__, *_without_password(arguments), "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            start_new_session=True,
        )
    assert server.stdout is not None  # noqa: S101 - for mypy: PIPE was asked for
    line = server.stdout.readline()
    if line:
        print(line, end="")
        return 0
    server.wait()
    print(log.read_text(encoding="utf-8").rstrip(), file=sys.stderr)
    return 1


def _stop(folder: Path) -> int:
    """Ask the server for its end and wait until it has let go of the folder."""
    pid = _holder(folder)
    if pid is None:
        print(f"No server runs on {_shown(folder)}.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _holder(folder) is not None:
        if time.monotonic() > deadline:
            raise Refused(
                f"the server (pid {pid}) did not stop in {STOP_SECONDS} s. Fix: kill -9 {pid}; "
                "the data survives it"
            )
        time.sleep(0.05)
    print(f"Stopped; the data stays in {_shown(folder)}.")
    return 0


def _report(folder: Path) -> int:
    """Say whether it runs, and how to use it; 1 when it does not."""
    pid = _holder(folder)
    try:
        ready = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        ready = None
    if pid is None:
        print(f"No server runs on {_shown(folder)}. Start it: make clickhouse-up")
        return 1
    print(_ready_line(folder, ready) if ready else f"Starting or stopping (pid {pid}).")
    return 0


def _prepare(folder: Path) -> None:
    """Make the folder, readable by its owner alone; refuse one that holds something else."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        foreign = not (folder / "lock").exists() and any(folder.iterdir())
    except OSError as error:
        raise Refused(
            f"{folder} cannot be used: {error.strerror}. Fix: --dir another folder"
        ) from error
    if foreign:
        raise Refused(
            f"{folder} holds other files, not a server's data. Fix: --dir an empty or new folder"
        )
    (folder / "lock").touch(0o600)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _occupy(folder: Path) -> int:
    """Take the folder's lock, which the system drops with the process; its descriptor."""
    _prepare(folder)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    for _ in range(20):  # a look by `status` or by the configuration holds it for a moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.05)
    else:
        raise Refused(_in_use(folder, _holder(folder) or 0))
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    (folder / "ready.json").unlink(missing_ok=True)
    return lock


def _holder(folder: Path) -> int | None:
    """The process that holds the folder's lock, None when nobody does."""
    try:
        lock = (folder / "lock").open(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read() or 0)
    return None


def _in_use(folder: Path, pid: int) -> str:
    return (
        f"{folder} is in use by a server that runs already (pid {pid}). "
        "Fix: use that one, stop it with make clickhouse-down, or --dir another folder"
    )


def _check_ports(ports: list[int]) -> None:
    """Refuse a port that somebody listens on, before the engine half starts."""
    for port in filter(None, ports):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the engine binds
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise Refused(
                    f"port {port} on {HOST} is taken: {error.strerror}. Fix: stop what listens "
                    "there, or choose others: make clickhouse-up "
                    "ARGS='--port 19000 --http-port 18123' (0: any free one)"
                ) from error


def _front(args: argparse.Namespace) -> TlsFront | None:
    """The TLS ports' front when a certificate was given."""
    if not args.tls_cert and not args.tls_key:
        return None
    if not (args.tls_cert and args.tls_key):
        raise Refused("--tls-cert and --tls-key belong together. Fix: give both, or neither")
    try:
        return TlsFront(args.tls_cert, args.tls_key)
    except OSError as error:  # ssl.SSLError is one
        raise Refused(
            f"{args.tls_cert} and {args.tls_key} cannot be used for TLS: {error}. "
            "Fix: name a certificate chain and the key that belongs to it, both PEM files"
        ) from error


def _account(args: argparse.Namespace) -> tuple[Account, str | None]:
    """The user, with the given password, else the stored one, else a new one that is stored."""
    given = args.password or os.environ.pop(PASSWORD_VARIABLE, "")
    if given:
        return Account(args.user, given), None
    file = args.dir / "password"
    if not file.exists():
        file.touch(0o600)
        file.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
    return Account(args.user, file.read_text(encoding="utf-8").strip()), str(file)


def _write_ready(folder: Path, ready: dict[str, Any]) -> None:
    partial = folder / "ready.json.partial"
    partial.write_text(json.dumps(ready, indent=1) + "\n", encoding="utf-8")
    partial.rename(folder / "ready.json")


def _ready_line(folder: Path, ready: dict[str, Any]) -> str:
    """One line: where it is, where the password lies, what to export for other programs."""
    file = ready["password_file"]
    password = f'"$(cat {_shown(Path(file))})"' if file else "the one you gave"
    exports = [
        f"CLICKHOUSE_PORT={ready['port']}",
        f"CLICKHOUSE_HTTP_PORT={ready['http_port']}",
        f"CLICKHOUSE_USER={ready['user']}",
        f"CLICKHOUSE_PASSWORD={password}",
    ]
    tls = (
        f", TLS on {ready['secure_port']} and {ready['https_port']}"
        if "secure_port" in ready
        else ""
    )
    return (
        f"ClickHouse {ready['version']} is ready on localhost:{ready['port']} (native) and "
        f"{ready['http_port']} (HTTP){tls}; data in {_shown(folder)}. "
        f"To use it: export CLICKHOUSE_MODE=local {' '.join(exports)}"
    )


def _shown(path: Path) -> str:
    """As one would type it from here."""
    return str(path.relative_to(_HERE)) if path.is_relative_to(_HERE) else str(path)


def _ask_for_the_end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _await_end_of_stdin() -> None:
    """Tests start servers that must not outlive them, even when a test run is killed."""
    sys.stdin.buffer.read()
    _ask_for_the_end()


def _without_password(arguments: list[str]) -> list[str]:
    kept = iter(arguments)
    return [
        argument
        for argument in kept
        if not argument.startswith("--password=")
        and not (argument == "--password" and next(kept, None) is not None)
    ]


def _user_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text) or text == "default":
        raise argparse.ArgumentTypeError(
            f"{text!r}: letters, digits and underscores, and not 'default', which the engine keeps"
        )
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535, or 0 for a free one")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="local_clickhouse",
        description="A real ClickHouse on this machine.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start it", allow_abbrev=False)
    down = commands.add_parser("down", help="stop it in good order; its data stays")
    status = commands.add_parser("status", help="say whether it runs and how to use it")
    for command in (up, down, status):
        command.add_argument("--dir", type=Path, default=Path(".clickhouse"), help="its folder")
    up.add_argument("--port", type=_port, default=9000, help="native protocol; 0: a free one")
    up.add_argument("--http-port", type=_port, default=8123, help="HTTP; 0: a free one")
    up.add_argument("--user", type=_user_name, default="dlt")
    up.add_argument("--password", default="", help="default: generated once, kept in the folder")
    up.add_argument("--tls-cert", type=Path, help="certificate chain (PEM): opens TLS ports too")
    up.add_argument("--tls-key", type=Path, help="its key (PEM)")
    up.add_argument("--secure-port", type=_port, default=9440, help="native protocol over TLS")
    up.add_argument("--https-port", type=_port, default=8443, help="HTTP over TLS")
    up.add_argument("--log-level", default="none", help="trace, information …: into server.log")
    up.add_argument("--foreground", action="store_true", help="stay until a signal")
    up.add_argument("--stop-with-stdin", action="store_true", help="stop when stdin closes")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

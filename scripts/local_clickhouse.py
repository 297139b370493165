"""A real ClickHouse on this machine: native and HTTP port, a user with a password, optional TLS.

    python -m scripts.local_clickhouse up [--dir .clickhouse] [--port 9000] [--http-port 8123]
    python -m scripts.local_clickhouse status | down [--dir .clickhouse]

`up` starts it in the background and waits until it answers; `--foreground` stays until SIGTERM,
SIGINT or SIGHUP. It listens on loopback alone. Everything lies in the folder: data/ survives a stop
and a kill, ready.json tells the project's own commands where the server is, and password (mode
0600) holds the generated password.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from scripts.sandbox.clickhouse.engine import (
    HOST,
    VERSION,
    Account,
    Engine,
    EngineError,
    check_wheel,
)
from scripts.sandbox.clickhouse.folder import (
    Refused,
    holder,
    in_use,
    occupy,
    prepare,
    read_ready,
    ready_line,
    shown,
    stored_password,
    write_ready,
)
from scripts.sandbox.clickhouse.tls_front import TlsFront

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
STOP_SECONDS = 60
PASSWORD_VARIABLE = "LOCAL_CLICKHOUSE_PASSWORD"  # noqa: S105 - a name; arguments show in `ps`


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
    lock = occupy(args.dir)
    front = _front(args)
    ports = [args.port, args.http_port] + ([args.secure_port, args.https_port] if front else [])
    _check_ports(ports)
    account, file = _account(args)
    engine = Engine(args.dir, account, args.port, args.http_port, args.log_level)
    engine.start(on_end=_ask_for_the_end)
    if not engine.version.startswith(f"{VERSION}."):
        raise EngineError(f"the engine is {engine.version}, not {VERSION}. Fix: make install")
    secure = {}
    if front:
        front.start()
        secure["secure_port"] = front.listen(args.secure_port, engine.port)
        secure["https_port"] = front.listen(args.https_port, engine.http_port)
    _announce(args.dir, engine, file, secure)
    if args.stop_with_stdin:
        threading.Thread(target=_await_end_of_stdin, daemon=True).start()
    signal.sigwait(STOP_SIGNALS)
    (args.dir / "ready.json").unlink(missing_ok=True)
    if front:
        front.close()
    engine.stop()
    os.close(lock)
    return 0


def _announce(folder: Path, engine: Engine, file: Path | None, secure: dict[str, int]) -> None:
    """Write ready.json and print the ready line."""
    ready = {
        "pid": os.getpid(),
        "host": HOST,
        "port": engine.port,
        "http_port": engine.http_port,
        "user": engine.account.name,
        "password_file": str(file) if file else None,
        "version": engine.version,
        **secure,
    }
    write_ready(folder, ready)
    print(ready_line(folder, ready), flush=True)
    os.dup2(2, 1)  # whoever read the line from a pipe may close it now


def _account(args: argparse.Namespace) -> tuple[Account, Path | None]:
    """The user with the given password, else with the stored one and the file that holds it."""
    given = args.password or os.environ.pop(PASSWORD_VARIABLE, "")
    if given:
        return Account(args.user, given), None
    file = stored_password(args.dir)
    return Account(args.user, file.read_text(encoding="utf-8").strip()), file


def _start_in_background(arguments: list[str], args: argparse.Namespace) -> int:
    """Start `up --foreground` as a daemon, hand on its ready line or its reason for refusing."""
    pid = holder(args.dir)
    if pid is not None:
        raise Refused(in_use(args.dir, pid))
    prepare(args.dir)
    log = args.dir / "server.log"
    environment = os.environ | ({PASSWORD_VARIABLE: args.password} if args.password else {})
    with log.open("w", encoding="utf-8") as errors:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "scripts.local_clickhouse",
                *_without_password(arguments),
                "--foreground",
            ],
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
    pid = holder(folder)
    if pid is None:
        print(f"No server runs on {shown(folder)}.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while holder(folder) is not None:
        if time.monotonic() > deadline:
            raise Refused(
                f"the server (pid {pid}) did not stop in {STOP_SECONDS} s. Fix: kill -9 {pid}; "
                "the data survives it"
            )
        time.sleep(0.05)
    print(f"Stopped; the data stays in {shown(folder)}.")
    return 0


def _report(folder: Path) -> int:
    """Say whether it runs, and how to use it; 1 when it does not."""
    pid = holder(folder)
    if pid is None:
        print(f"No server runs on {shown(folder)}. Start it: make clickhouse-up")
        return 1
    ready = read_ready(folder)
    print(ready_line(folder, ready) if ready else f"Starting or stopping (pid {pid}).")
    return 0


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


def _ask_for_the_end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _await_end_of_stdin() -> None:
    """Tests start servers that must not outlive them, even when a test run is killed."""
    while os.read(0, 4096):  # not sys.stdin, whose lock the interpreter wants when it ends
        pass
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
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 1 to 65535, or 0 for a free one")
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

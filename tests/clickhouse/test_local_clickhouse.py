"""scripts/local_clickhouse.py as a person uses it: up, status, down, and what it refuses."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.configuration.local_server import running_server
from pipelines.clickhouse.server.errors import ClickHouseAuthError
from pipelines.clickhouse.server.manager import ClickHouseManager
from tests.support.clickhouse.server import ROOT, SCRIPT, Authority, Server

FREE_PORTS = ("--port", "0", "--http-port", "0")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script, run in `folder`."""
    return subprocess.run(
        [sys.executable, *SCRIPT, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A place to start servers in; whatever still runs in its .clickhouse is stopped."""
    place = tmp_path / "place"
    place.mkdir()
    yield place
    run(place, "down")


def facts(folder: Path) -> dict[str, object]:
    """What the running server says of itself."""
    ready: dict[str, object] = json.loads((folder / ".clickhouse/ready.json").read_text())
    return ready


def reach(folder: Path, password: str) -> ClickHouseManager:
    """A connection to the server started by up."""
    server = running_server(folder / ".clickhouse")
    assert server is not None
    config = ClickHouseConfig(
        "127.0.0.1", server.port, server.http_port, "default", server.user, password
    )
    return ClickHouseManager(config)


def test_up_starts_a_server_in_the_background_and_down_stops_it(folder: Path) -> None:
    up = run(folder, "up", *FREE_PORTS)
    ready = facts(folder)
    assert (up.returncode, up.stderr, up.stdout) == (
        0,
        "",
        f"ClickHouse 26.9.2.1 is ready on localhost:{ready['port']} (native) and "
        f"{ready['http_port']} (HTTP); data in .clickhouse. To use it: export "
        f"CLICKHOUSE_MODE=local CLICKHOUSE_PORT={ready['port']} "
        f"CLICKHOUSE_HTTP_PORT={ready['http_port']} CLICKHOUSE_USER=dlt "
        'CLICKHOUSE_PASSWORD="$(cat .clickhouse/password)"\n',
    )
    status = run(folder, "status")
    assert (status.returncode, status.stdout) == (0, up.stdout)

    password = (folder / ".clickhouse/password").read_text().strip()
    with reach(folder, password) as manager:
        assert manager.execute("select currentUser(), timezone()") == [("dlt", "UTC")]

    down = run(folder, "down")
    assert (down.returncode, down.stdout) == (0, "Stopped; the data stays in .clickhouse.\n")
    again = run(folder, "down")
    assert (again.returncode, again.stdout) == (0, "No server runs on .clickhouse.\n")
    status = run(folder, "status")
    assert (status.returncode, status.stdout) == (
        1,
        "No server runs on .clickhouse. Start it: make clickhouse-up\n",
    )


def test_a_folder_in_use_is_refused_with_the_fix(folder: Path) -> None:
    run(folder, "up", *FREE_PORTS)
    pid = facts(folder)["pid"]
    expected = (
        f"local_clickhouse: {folder}/.clickhouse is in use by a server that runs already "
        f"(pid {pid}). Fix: use that one, stop it with make clickhouse-down, or --dir another "
        "folder\n"
    )
    for more in ((), ("--foreground",)):
        second = run(folder, "up", *FREE_PORTS, *more)
        assert (second.returncode, second.stdout, second.stderr) == (1, "", expected)
    assert facts(folder)["pid"] == pid


@pytest.mark.parametrize("option", ["--port", "--http-port"])
def test_a_taken_port_is_refused_with_the_fix(folder: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = run(folder, "up", *FREE_PORTS, option, str(port))
    assert (up.returncode, up.stdout, up.stderr) == (
        1,
        "",
        f"local_clickhouse: port {port} on 127.0.0.1 is taken: Address already in use. Fix: stop "
        "what listens there, or choose others: make clickhouse-up "
        "ARGS='--port 19000 --http-port 18123' (0: any free one)\n",
    )


def test_a_folder_with_other_files_is_left_alone(folder: Path) -> None:
    (folder / "photos").mkdir()
    (folder / "photos" / "cat.jpg").touch()
    up = run(folder, "up", "--dir", "photos", *FREE_PORTS)
    assert (up.returncode, up.stderr) == (
        1,
        f"local_clickhouse: {folder}/photos holds other files, not a server's data. "
        "Fix: --dir an empty or new folder\n",
    )
    assert [file.name for file in (folder / "photos").iterdir()] == ["cat.jpg"]


def test_a_file_in_place_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "file").touch()
    up = run(folder, "up", "--dir", "file", *FREE_PORTS)
    assert (up.returncode, up.stderr) == (
        1,
        f"local_clickhouse: {folder}/file cannot be used: File exists. Fix: --dir another folder\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--port", "70000"), "'70000' is not a port: 1 to 65535, or 0 for a free one"),
        (("--port", "http"), "'http' is not a port: 1 to 65535, or 0 for a free one"),
        (
            ("--user", "default"),
            "'default': letters, digits and underscores, and not 'default', which the engine keeps",
        ),
    ],
)
def test_a_wrong_argument_is_refused(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    up = run(folder, "up", *arguments)
    assert up.returncode == 2
    assert up.stderr.splitlines()[-1].endswith(message)


def test_a_certificate_without_its_key_is_refused(folder: Path, tmp_path: Path) -> None:
    cert = Authority(tmp_path).issue()
    up = run(folder, "up", *FREE_PORTS, "--tls-cert", str(cert.cert))
    assert (up.returncode, up.stderr) == (
        1,
        "local_clickhouse: --tls-cert and --tls-key belong together. Fix: give both, or neither\n",
    )
    up = run(folder, "up", *FREE_PORTS, "--tls-cert", str(cert.cert), "--tls-key", "absent.pem")
    assert (up.returncode, up.stderr) == (
        1,
        f"local_clickhouse: {cert.cert} and absent.pem cannot be used for TLS: [Errno 2] No such "
        "file or directory. Fix: name a certificate chain and the key that belongs to it, both "
        "PEM files\n",
    )


def test_the_generated_password_is_kept_for_its_owner_alone(folder: Path) -> None:
    first = run(folder, "up", *FREE_PORTS)
    own = folder / ".clickhouse"
    password = (own / "password").read_text().strip()
    assert len(password) >= 32
    assert oct(own.stat().st_mode & 0o777) == "0o700"
    modes = {name: oct((own / name).stat().st_mode & 0o777) for name in ("password", "users.xml")}
    assert modes == {"password": "0o600", "users.xml": "0o600"}
    assert password not in first.stdout + (own / "ready.json").read_text()
    assert (own / ".gitignore").read_text() == "*\n"
    run(folder, "down")
    run(folder, "up", *FREE_PORTS)
    assert (own / "password").read_text().strip() == password


def test_a_given_password_lies_nowhere(folder: Path) -> None:
    password = "correct horse battery"
    up = run(folder, "up", *FREE_PORTS, "--user", "loader", "--password", password)
    assert up.stdout.endswith("CLICKHOUSE_USER=loader CLICKHOUSE_PASSWORD=<the one you gave>\n")
    ready = facts(folder)
    assert ready["password_file"] is None
    arguments = Path(f"/proc/{ready['pid']}/cmdline")
    if arguments.exists():  # Linux
        assert password not in arguments.read_text()
    own = folder / ".clickhouse"
    texts = [file.read_bytes() for file in own.glob("*") if file.is_file()]
    assert not any(password.encode() in text for text in texts)
    with reach(folder, password) as manager:
        assert manager.execute("select currentUser()") == [("loader",)]


@pytest.mark.parametrize(("user", "password"), [("dlt", "wrong"), ("default", ""), ("who", "")])
def test_nobody_else_gets_in(folder: Path, user: str, password: str) -> None:
    run(folder, "up", *FREE_PORTS)
    ready = facts(folder)
    config = ClickHouseConfig(
        "127.0.0.1", int(str(ready["port"])), 1, "default", user, password, max_retries=1
    )
    with ClickHouseManager(config) as manager, pytest.raises(ClickHouseAuthError):
        manager.execute("select 1")


def test_it_listens_on_loopback_alone(own_server: Server) -> None:
    for port in (own_server.ready["port"], own_server.ready["http_port"]):
        socket.create_connection(("127.0.0.1", port), 5).close()
        # another address of this machine, where a server on 0.0.0.0 would answer
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), 5)


def test_data_survives_a_stop_and_a_kill(own_server: Server) -> None:
    with ClickHouseManager(own_server.config()) as manager:
        manager.execute("create or replace table kept (n UInt8) engine = MergeTree order by n")
        manager.execute_many("insert into kept values", [(1,)])
        assert own_server.stop() == 0
        own_server.start()
        assert manager.execute("select n from kept") == [(1,)]
        manager.execute_many("insert into kept values", [(2,)])
        assert own_server.kill() == -9
        own_server.start()
        assert manager.execute("select n from kept order by n") == [(1,), (2,)]


def test_a_killed_server_is_not_taken_for_a_running_one(own_server: Server) -> None:
    running = running_server(own_server.folder)
    assert running is not None
    assert running.port == own_server.ready["port"]
    assert own_server.password not in repr(running)
    own_server.kill()
    assert (own_server.folder / "ready.json").exists()
    assert running_server(own_server.folder) is None


@pytest.mark.thorough
def test_a_stop_does_not_wait_for_a_long_query(own_server: Server) -> None:
    with socket.create_connection(("127.0.0.1", own_server.ready["http_port"]), 5) as client:
        query = b"select count() from system.numbers"
        head = (
            f"POST /?user={own_server.user}&password={own_server.password}&wait_end_of_query=0"
            f"&send_progress_in_http_headers=1 HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Length: {len(query)}\r\n\r\n"
        )
        client.sendall(head.encode() + query)
        assert client.recv(15) == b"HTTP/1.1 200 OK"  # it runs, and tells its progress
        assert own_server.stop() == 0

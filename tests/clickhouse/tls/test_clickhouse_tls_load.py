"""Loading into ClickHouse over TLS, end to end by the commands; and where it has to be refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.clickhouse.server.config import NOT_CONFIGURED, ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from scripts.sandbox.clickhouse.tls_front import TlsFront
from tests.support.clickhouse.server import Authority, Certificate, Server
from tests.support.clickhouse.users import add_users, documented_grants, environ_of
from tests.support.commands import Commands, Ran
from tests.support.providers.aws_months import deliver

ROOT = Path(__file__).resolve().parents[3]
USER_PASSWORD = "s3cret-of-a-test"
DATABASE = "dlt"
Front = Callable[[Certificate], tuple[int, int]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Server]:
    """A server with TLS ports, and the user that CLICKHOUSE_SETUP.md creates."""
    with Server(tmp_path_factory.mktemp("tls") / "server", authority.issue()) as running:
        grants = documented_grants(ROOT / "CLICKHOUSE_SETUP.md")
        add_users(running, USER_PASSWORD, {"documented": grants})
        yield running


@pytest.fixture
def secure(server: Server, authority: Authority) -> Iterator[ClickHouseConfig]:
    """The server over TLS with the right authority, without the database."""
    yield server.config(secure=True, ca=str(authority.ca), database=DATABASE)
    with ClickHouseManager(server.config()) as manager:
        manager.execute(f"drop database if exists {DATABASE} sync")


@pytest.fixture
def fronts(server: Server) -> Iterator[Front]:
    """TLS ports in front of the server with a certificate of the test's choice."""
    opened: list[TlsFront] = []

    def front(certificate: Certificate) -> tuple[int, int]:
        made = TlsFront(certificate.cert, certificate.key)
        made.start()
        opened.append(made)
        return made.listen(0, server.ready["port"]), made.listen(0, server.ready["http_port"])

    yield front
    for made in opened:
        made.close()


@pytest.fixture
def loading(commands: Commands, tmp_path: Path) -> Commands:
    """The commands with ClickHouse as destination, and a month to load."""
    (tmp_path / "bucket").mkdir()
    deliver(tmp_path / "bucket", "2026-10", [1.0, 2.5, 4.0], files=2)
    commands.read_from((tmp_path / "bucket").as_uri())
    commands.set({"DLT_DESTINATION": "clickhouse"})
    return commands


def everything_said(commands: Commands, tmp_path: Path) -> bytes:
    """What was printed, and every file that dlt and the commands left."""
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    return b"".join([*(text.encode() for text in commands.printed), *files])


@pytest.mark.thorough
def test_migrate_load_check_and_status_work_over_tls(
    loading: Commands, secure: ClickHouseConfig, server: Server, tmp_path: Path
) -> None:
    loading.set(environ_of(secure))
    assert loading("migrate").out.endswith(f"on localhost:{secure.port} matches sql/\n")
    assert loading("load").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    assert loading("load").out == "aws: 0 loaded, 1 unchanged, 0 failed\n"
    status, check, doctor = loading("status"), loading("check"), loading("doctor")
    assert "2026-10" in status.out
    assert "checks, " in check.out
    assert "aws_conservation" not in check.out
    assert f"ok   schema: database {DATABASE} matches sql/" in doctor.out
    with ClickHouseManager(secure) as manager:
        assert manager.execute("select billed_cost from costs order by 1") == [
            (1.0,),
            (2.5,),
            (4.0,),
        ]
    assert server.password.encode() not in everything_said(loading, tmp_path)


@pytest.mark.thorough
def test_the_documented_grants_are_enough_from_empty_to_loaded(
    loading: Commands, secure: ClickHouseConfig, tmp_path: Path
) -> None:
    documented = replace(secure, user="documented", password=USER_PASSWORD)
    loading.set(environ_of(documented))
    before = loading("doctor")
    assert (
        "ok   rights: database dlt does not exist yet; user documented may create and fill it"
        in before.out.splitlines()
    )
    loading.well("migrate", "load", "status")
    deliver(tmp_path / "bucket", "2026-10", [8.0])
    loading.set({"NORMALIZE__TAG_COLUMNS": '["Environment", "Owner"]'})  # rebuilds the table
    assert loading("load").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    after = loading("doctor")
    for ran in (before, after):
        assert "BAD  rights" not in ran.out
    assert loading("migrate", "--validate").status == 0
    with ClickHouseManager(documented) as manager:
        assert manager.execute("select billed_cost from costs") == [(8.0,)]
    assert USER_PASSWORD.encode() not in everything_said(loading, tmp_path)


def test_the_document_names_every_grant_that_it_has_to() -> None:
    assert documented_grants(ROOT / "CLICKHOUSE_SETUP.md") == [
        "grant create database, create table, create view, drop table, drop view, select, insert, "
        "alter, truncate on dlt.*",
        "grant table engine on *",
        "grant select on system.parts",
        "grant select on INFORMATION_SCHEMA.COLUMNS",
        "grant select on system.query_log",
        "grant system flush logs on *.*",
        "grant create database, drop database, create table, create view, drop table, drop view, "
        "select, insert, alter on `_validate_`*.*",
    ]


# Where it has to be refused: by `load` and by `doctor`, with the fix, and nothing created.


def refused(commands: Commands, server: Server, tmp_path: Path, what: str, fix: str) -> Ran:
    """Both commands say it, both end with 1, and neither repeats the password."""
    load, doctor = commands("load"), commands("doctor")
    assert (load.status, load.out, doctor.status) == (1, "", 1)
    assert load.err.startswith("error: ClickHouse at localhost:")
    assert f"{what}. Fix: {fix}" in load.err
    assert "Traceback" not in load.err + doctor.err
    assert f": {what}\n     fix: {fix}" in doctor.out
    assert server.password.encode() not in everything_said(commands, tmp_path)
    with ClickHouseManager(server.config()) as manager:
        assert (DATABASE,) not in manager.execute("show databases")
    return doctor


@pytest.mark.parametrize("known", ["unknown-authority", "no-authority"])
def test_an_authority_that_is_not_trusted_is_refused(
    loading: Commands, secure: ClickHouseConfig, server: Server, tmp_path: Path, known: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    ca = str(Authority(other, "Other CA").ca) if known == "unknown-authority" else None
    loading.set(environ_of(replace(secure, ca=ca)))
    refused(
        loading,
        server,
        tmp_path,
        "the server's certificate is not signed by an authority that is trusted here",
        "set CLICKHOUSE_CA to the PEM file of its authority, after asking who signed it: an "
        "unknown authority may be an attacker in between",
    )


def test_an_expired_certificate_is_refused(
    loading: Commands,
    secure: ClickHouseConfig,
    server: Server,
    authority: Authority,
    fronts: Front,
    tmp_path: Path,
) -> None:
    port, http_port = fronts(authority.issue(lasts=timedelta(seconds=-1)))
    loading.set(environ_of(replace(secure, port=port, http_port=http_port)))
    refused(
        loading,
        server,
        tmp_path,
        "the server's certificate has expired",
        "renew it on the server; if it is new, set this machine's clock",
    )


def test_a_certificate_of_another_host_is_refused(
    loading: Commands,
    secure: ClickHouseConfig,
    server: Server,
    authority: Authority,
    fronts: Front,
    tmp_path: Path,
) -> None:
    port, http_port = fronts(authority.issue("ch.example.com", address=None))
    loading.set(environ_of(replace(secure, port=port, http_port=http_port)))
    refused(
        loading,
        server,
        tmp_path,
        "the server's certificate is for another host name than localhost",
        "set CLICKHOUSE_HOST to the name in the certificate, or have it issued for localhost too",
    )


def test_plain_ports_behind_secure_are_refused(
    loading: Commands, secure: ClickHouseConfig, server: Server, tmp_path: Path
) -> None:
    port, http_port = server.ready["port"], server.ready["http_port"]
    loading.set(environ_of(replace(secure, port=port, http_port=http_port)))
    doctor = refused(
        loading,
        server,
        tmp_path,
        "secure is 1, but this port answers without TLS",
        "set CLICKHOUSE_PORT to the TLS port (9440 by default); only for a server on this machine "
        "without TLS: CLICKHOUSE_MODE=local",
    )
    assert "fix: set CLICKHOUSE_HTTP_PORT to the TLS port (8443 by default)" in doctor.out


def test_tls_ports_without_secure_are_refused(
    loading: Commands, secure: ClickHouseConfig, server: Server, tmp_path: Path
) -> None:
    config = replace(secure, secure=False, ca=None)
    loading.set(environ_of(config, CLICKHOUSE_MAX_RETRIES="1"))
    refused(
        loading,
        server,
        tmp_path,
        "the connection was closed before an answer came, as a TLS port does when secure is 0",
        "see whether the server runs, and whether this is the right port; if it has TLS, "
        "CLICKHOUSE_MODE=cloud",
    )


@pytest.mark.thorough
def test_an_expired_certificate_on_the_http_port_alone_is_refused(
    loading: Commands,
    secure: ClickHouseConfig,
    server: Server,
    authority: Authority,
    fronts: Front,
    tmp_path: Path,
) -> None:
    _, http_port = fronts(authority.issue(lasts=timedelta(seconds=-1)))
    loading.set(environ_of(replace(secure, http_port=http_port)))
    load, doctor = loading("load"), loading("doctor")
    text = "the server's certificate has expired"
    assert (load.status, load.out) == (1, "aws: 0 loaded, 0 unchanged, 1 failed\n")
    assert f"{http_port} (HTTP, TLS): {text}. Fix: renew it on the server" in load.err
    assert f"BAD  TLS, HTTP: {text}" in doctor.out
    assert "ok   login, native protocol: user loader can log in" in doctor.out
    assert "Traceback" not in load.err
    assert server.password.encode() not in everything_said(loading, tmp_path)
    with ClickHouseManager(secure) as manager:
        assert manager.execute("select count() from costs") == [(0,)]


# Where nothing is configured.


@pytest.mark.parametrize("by", ["option", "variable"])
def test_without_a_server_two_lines_say_how_to_get_one(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.chdir(tmp_path)  # no server of make clickhouse-up runs here
    commands.set({"SOURCES__AWS__BUCKET_URL": tmp_path.as_uri()})
    arguments = ["--destination", "clickhouse"] if by == "option" else []
    if by == "variable":  # as make run-etl-clickhouse does it
        commands.set({"DLT_DESTINATION": "clickhouse"})
    assert commands("load", *arguments) == Ran(2, "", f"error: {NOT_CONFIGURED}\n")
    assert NOT_CONFIGURED.splitlines() == [
        "No ClickHouse is configured. On this machine: make clickhouse-up",
        "A server or ClickHouse Cloud: set CLICKHOUSE_MODE=cloud, CLICKHOUSE_HOST, CLICKHOUSE_USER "
        "and CLICKHOUSE_PASSWORD (.env.cloud lists them all)",
    ]

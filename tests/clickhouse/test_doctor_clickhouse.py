"""The examination of ClickHouse: what it says of a good server, and of each thing that is wrong."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import urllib3

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.rights import RIGHTS
from pipelines.core.findings import Kind, exit_status, shown
from pipelines.doctor.clickhouse import Clock, examine
from pipelines.normalize.run import tag_columns
from tests.support.clickhouse.server import Authority, Server
from tests.support.clickhouse.users import add_users, environ_of
from tests.support.commands import Commands

PASSWORD = "s3cret-of-a-test"
VARIABLES = (
    "CLICKHOUSE_DATABASE, CLICKHOUSE_HOST, CLICKHOUSE_HTTP_PORT, CLICKHOUSE_MODE, "
    "CLICKHOUSE_PASSWORD, CLICKHOUSE_PORT, CLICKHOUSE_USER in the environment"
)
TRIED = "create, insert, read, replace a partition, alter, create a view, drop"
ON_LOOPBACK = "skip server, clock, rights, schema: they need the login over the native protocol"


@dataclass
class Examined:
    """What was said, line by line, and the exit status that it makes."""

    lines: list[str]
    status: int

    def of(self, *subjects: str) -> list[str]:
        """The lines on some subjects, in their order."""
        return [line for line in self.lines if line[5:].startswith(subjects)]


@dataclass
class Pauses:
    """A clock for `wait`: time passes only in pauses, which may do something."""

    taken: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(elapsed=lambda: sum(self.taken), sleep=self.taken.append)


def examined(
    environ: dict[str, str], folder: Path, clock: Clock | None = None, mode: str | None = None
) -> Examined:
    """Examine, and look for the password in what was said."""
    findings = list(examine(environ, folder=folder, clock=clock, mode=mode))
    lines = [shown(finding).plain for finding in findings]
    for name, value in environ.items():
        assert "PASSWORD" not in name or not value or value not in "\n".join(lines)
    return Examined(lines, exit_status(findings))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure_server(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Server]:
    """A server with TLS ports, and with users that lack rights."""
    with Server(tmp_path_factory.mktemp("tls") / "server", authority.issue()) as server:
        system = ["grant select on system.parts", "grant select on INFORMATION_SCHEMA.COLUMNS"]
        create = "grant create table, create view, select, insert, alter on lacking.*"
        add_users(
            server,
            PASSWORD,
            {
                "reader": ["grant select on lacking.*"],
                "hoarder": [create, "grant table engine on *", *system],
                "writer": [f"{create}", "grant drop table, drop view on lacking.*", *system],
            },
        )
        yield server


def tables(config: ClickHouseConfig) -> list[str]:
    with ClickHouseManager(config) as manager:
        return [row[0] for row in manager.execute("show tables")]


@pytest.fixture
def clickhouse(empty_clickhouse: ClickHouseConfig) -> ClickHouseConfig:
    """A database without tables: the doctor changes nothing."""
    return empty_clickhouse


def test_a_good_server_gets_a_line_for_every_step(
    clickhouse: ClickHouseConfig, tmp_path: Path
) -> None:
    with ClickHouseManager(clickhouse) as manager:
        version = manager.execute("select version()")[0][0]
    found = examined(environ_of(clickhouse), tmp_path)
    host, native, http = clickhouse.host, clickhouse.port, clickhouse.http_port
    assert found.lines == [
        f"ok   clickhouse variables: {VARIABLES}",
        "ok   clickhouse mode: local, from CLICKHOUSE_MODE (environment)",
        f"ok   clickhouse host: {host}, from CLICKHOUSE_HOST (environment)",
        f"ok   clickhouse port: {native}, from CLICKHOUSE_PORT (environment)",
        f"ok   clickhouse http_port: {http}, from CLICKHOUSE_HTTP_PORT (environment)",
        f"ok   clickhouse database: {clickhouse.database}, from CLICKHOUSE_DATABASE (environment)",
        f"ok   clickhouse user: {clickhouse.user}, from CLICKHOUSE_USER (environment)",
        "ok   clickhouse password: set, from CLICKHOUSE_PASSWORD (environment)",
        "ok   clickhouse secure: 0, from the default of mode local",
        f"ok   name: {host} is 127.0.0.1",
        f"ok   port, native protocol: {host}:{native} answers",
        f"ok   port, HTTP: {host}:{http} answers",
        "ok   TLS, native protocol: not used: secure is 0, from the default of mode local",
        "ok   TLS, HTTP: not used: secure is 0, from the default of mode local",
        f"ok   login, native protocol: user {clickhouse.user} can log in",
        f"ok   login, HTTP: user {clickhouse.user} can log in",
        f"ok   server: ClickHouse {version}",
        f"ok   user: {clickhouse.user}",
        "ok   clock: the server's is 0 s ahead of this machine's"
        if "ahead" in found.of("clock")[0]
        else "ok   clock: the server's is 0 s behind this machine's",
        f"ok   rights: user {clickhouse.user} may read system.parts, "
        "read INFORMATION_SCHEMA.COLUMNS",
        f"ok   rights: user {clickhouse.user} may {TRIED}",
        f"warn schema: database {clickhouse.database} does not match sql/ yet; the next load "
        "updates it\n     fix: make init-clickhouse",
    ]
    assert (found.status, tables(clickhouse)) == (0, [])


def test_a_migrated_database_is_recognised(clickhouse: ClickHouseConfig, tmp_path: Path) -> None:
    migrate(clickhouse, tag_columns())
    before = tables(clickhouse)
    found = examined(environ_of(clickhouse), tmp_path)
    assert found.of("schema") == [f"ok   schema: database {clickhouse.database} matches sql/"]
    assert (found.status, tables(clickhouse)) == (0, before)


def test_wrong_tag_columns_are_the_configurations_fault(
    clickhouse: ClickHouseConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORMALIZE__TAG_COLUMNS", '["Team", "team"]')
    found = examined(environ_of(clickhouse), tmp_path)
    assert found.lines[-1].startswith("BAD  schema: normalize.tag_columns in .dlt/config.toml: ")
    assert found.status == 2


def test_an_empty_service_is_good_and_stays_empty(
    clickhouse_server: ClickHouseConfig, tmp_path: Path
) -> None:
    config = clickhouse_server.with_database("not_there_yet")
    found = examined(environ_of(config), tmp_path)
    assert found.of("rights", "schema") == [
        f"ok   rights: user {config.user} may read system.parts, read INFORMATION_SCHEMA.COLUMNS",
        f"ok   rights: database not_there_yet does not exist yet; user {config.user} may create "
        "and fill it",
        "warn schema: database not_there_yet does not match sql/ yet; the next load updates it\n  "
        "   fix: make init-clickhouse",
    ]
    with ClickHouseManager(clickhouse_server) as manager:
        names = [row[0] for row in manager.execute("show databases")]
    assert (found.status, "not_there_yet" in names) == (0, False)


def test_the_command_examines_clickhouse_instead_of_the_folder(
    clickhouse: ClickHouseConfig, commands: Commands, tmp_path: Path
) -> None:
    (tmp_path / "bucket").mkdir()
    commands.read_from((tmp_path / "bucket").as_uri())
    commands.set(environ_of(clickhouse))
    by_option = commands("doctor", "--destination", "clickhouse")
    commands.set({"DLT_DESTINATION": "clickhouse"})
    by_variable = commands("doctor")
    for ran in (by_option, by_variable):
        assert "ok   rights: user loader may create" in ran.out
        assert "destination: filesystem" not in ran.out
        assert "BAD  source aws" in ran.out
        assert (ran.status, ran.err) == (2, "")  # nothing is in the bucket


def test_ports_where_nobody_listens_are_named_with_the_fix(tmp_path: Path) -> None:
    environ = {"CLICKHOUSE_PORT": "1", "CLICKHOUSE_HTTP_PORT": "2", "CLICKHOUSE_PASSWORD": PASSWORD}
    found = examined(environ | {"CLICKHOUSE_HOST": "127.0.0.1"}, tmp_path)
    assert found.of("name", "port", "TLS", "server") == [
        "ok   name: 127.0.0.1 is 127.0.0.1",
        "BAD  port, native protocol: 127.0.0.1:1: nothing listens there\n"
        "     fix: make clickhouse-up",
        "skip TLS and login, native protocol: see the line above",
        "BAD  port, HTTP: 127.0.0.1:2: nothing listens there\n     fix: make clickhouse-up",
        "skip TLS and login, HTTP: see the line above",
        ON_LOOPBACK,
    ]
    assert found.status == 1


def test_a_wrong_password_is_named_on_both_protocols(
    clickhouse: ClickHouseConfig, tmp_path: Path
) -> None:
    environ = environ_of(clickhouse, CLICKHOUSE_PASSWORD="hunter2-is-wrong")
    found = examined(environ, tmp_path)
    text = (
        f"the server refuses user {clickhouse.user} with this password\n     fix: correct the user "
        "(from: CLICKHOUSE_USER (environment)) or the password (from: CLICKHOUSE_PASSWORD "
        "(environment))"
    )
    assert found.of("login", "server") == [
        f"BAD  login, native protocol: {text}",
        f"BAD  login, HTTP: {text}",
        ON_LOOPBACK,
    ]
    assert found.status == 1


def test_a_clock_that_differs_is_named(clickhouse: ClickHouseConfig, tmp_path: Path) -> None:
    fix = "set this machine's clock, or the server's: locks and certificates go by the time"
    for shift, text in ((120, "120 s behind"), (-120, "120 s ahead of")):
        clock = Clock(now=lambda shift=shift: time.time() + shift)  # type: ignore[misc]
        found = examined(environ_of(clickhouse), tmp_path, clock)
        assert found.of("clock") == [
            f"BAD  clock: the server's is {text} this machine's\n     fix: {fix}"
        ]
        assert found.status == 1
    clock = Clock(now=lambda: time.time() - 50)
    assert examined(environ_of(clickhouse), tmp_path, clock).status == 0


@pytest.mark.thorough
def test_until_when_a_certificate_lasts_is_shown(
    secure_server: Server, authority: Authority, tmp_path: Path
) -> None:
    environ = environ_of(secure_server.config(secure=True, ca=str(authority.ca)))
    for days_ago, mark, fix in (
        (0, "warn", "\n     fix: renew it on the server before that day; after it nothing loads"),
        (30, "ok  ", ""),
    ):
        clock = Clock(now=lambda ago=days_ago: time.time() - ago * 86_400)  # type: ignore[misc]
        found = examined(environ, tmp_path, clock).of("TLS")
        for line, protocol in zip(found, ("native protocol", "HTTP"), strict=True):
            start = f"{mark} TLS, {protocol}: certificate for localhost, 127.0.0.1, signed by Test"
            assert line.startswith(start)
            assert f"({days_ago + 1} days){fix}" in line


def test_accepting_any_certificate_is_warned_of(secure_server: Server, tmp_path: Path) -> None:
    environ = environ_of(secure_server.config(secure=True), CLICKHOUSE_VERIFY="0")
    with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
        found = examined(environ, tmp_path)
    text = (
        "any certificate is accepted: verify is 0, from CLICKHOUSE_VERIFY (environment)\n     fix: "
        "remove it, and set CLICKHOUSE_CA to the PEM file of the server's authority"
    )
    assert found.of("TLS") == [f"warn TLS, native protocol: {text}", f"warn TLS, HTTP: {text}"]
    assert found.status == 0


# A service of the cloud that sleeps.


def test_a_sleeping_service_is_waited_for(
    tmp_path: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Server(tmp_path_factory.mktemp("sleeper") / "server", authority.issue()) as server:
        environ = environ_of(server.config(secure=True, ca=str(authority.ca)))
        server.stop()
        pauses: list[float] = []

        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                server.start()

        clock = Clock(elapsed=lambda: sum(pauses), sleep=sleep)
        found = examined(environ, tmp_path, clock)
    waiting = "nothing listens there; a sleeping service is waking up, waiting {} s more"
    port = environ["CLICKHOUSE_PORT"]
    assert found.of("port, native") == [
        *(f"wait port, native protocol: {waiting.format(left)}" for left in (60, 55, 50)),
        f"ok   port, native protocol: localhost:{port} answers",
    ]
    assert (found.status, pauses) == (0, [5, 5, 5])


def test_a_service_that_does_not_wake_up_is_given_up_after_a_minute(tmp_path: Path) -> None:
    environ = {
        "CLICKHOUSE_HOST": "127.0.0.1",
        "CLICKHOUSE_PORT": "1",
        "CLICKHOUSE_HTTP_PORT": "2",
        "CLICKHOUSE_PASSWORD": PASSWORD,
    }
    pauses = Pauses()
    found = examined(environ, tmp_path, pauses.clock(), mode="cloud")
    fix = "     fix: correct CLICKHOUSE_HOST and the port"
    assert found.of("port")[-2:] == [
        f"BAD  port, native protocol: 127.0.0.1:1: nothing listens there\n{fix}",
        f"BAD  port, HTTP: 127.0.0.1:2: nothing listens there\n{fix}",
    ]
    assert (found.status, pauses.taken) == (1, [5] * 12)


def test_a_service_that_takes_the_connection_and_says_nothing_is_waited_for(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as b:
        environ = {
            "CLICKHOUSE_HOST": "127.0.0.1",
            "CLICKHOUSE_PORT": str(one.getsockname()[1]),
            "CLICKHOUSE_HTTP_PORT": str(b.getsockname()[1]),
            "CLICKHOUSE_PASSWORD": PASSWORD,
            "CLICKHOUSE_CONNECT_TIMEOUT": "0.05",
        }
        pauses = Pauses()
        found = examined(environ, tmp_path, pauses.clock(), mode="cloud")
    assert [line[:33] for line in found.of("TLS, ") if "BAD" in line] == [
        "BAD  TLS, native protocol: no ans",
        "BAD  TLS, HTTP: no answer in time",
    ]
    assert (found.status, sum(pauses.taken)) == (1, 60)


def test_nothing_but_the_findings_is_printed(
    secure_server: Server, commands: Commands, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(secure_server.config(secure=True), secure=False)  # TLS ports, no TLS
    commands.set(environ_of(config, CLICKHOUSE_MAX_RETRIES="1"))
    ran = commands("doctor", "--destination", "clickhouse")
    assert "BAD  login, HTTP: the connection was closed before an answer came" in ran.out
    assert (ran.err, caplog.messages) == ("", [])


def test_a_server_on_this_machine_is_not_waited_for(tmp_path: Path) -> None:
    pauses = Pauses()
    found = examined({"CLICKHOUSE_MODE": "local"}, tmp_path, pauses.clock())
    assert (found.status, pauses.taken) == (1, [])


# Rights.


def rights_of(server: Server, user: str, folder: Path) -> Examined:
    with ClickHouseManager(server.config()) as manager:
        manager.execute("create database if not exists lacking")
    config = server.config(user=user, password=PASSWORD, database="lacking")
    found = examined(environ_of(config), folder)
    return Examined(found.of("rights"), found.status)


def test_each_right_that_a_user_lacks_is_named_with_its_grant(
    secure_server: Server, tmp_path: Path
) -> None:
    found = rights_of(secure_server, "reader", tmp_path)
    said = [line.partition(": reader: Not enough privileges.") for line in found.lines]
    assert [(before, after.partition("\n")[2]) for before, _, after in said] == [
        (f"BAD  rights: user reader may not {what}", f"     fix: as an administrator: {fix}")
        for what, fix in (
            ("read system.parts", "grant select on system.parts to reader"),
            (
                "read INFORMATION_SCHEMA.COLUMNS",
                "grant select on INFORMATION_SCHEMA.COLUMNS to reader",
            ),
            (
                "create",
                "grant create table on lacking.* to reader; grant table engine on * to reader",
            ),
        )
    ]
    assert found.status == 1


def test_a_table_that_may_not_be_dropped_is_named(secure_server: Server, tmp_path: Path) -> None:
    found = rights_of(secure_server, "hoarder", tmp_path)
    left = sorted(tables(secure_server.config(database="lacking")), key=len)
    with ClickHouseManager(secure_server.config(database="lacking")) as manager:
        for table in left:
            manager.execute(f"drop table {table}")
    assert [line.partition(" is left behind")[0] for line in found.lines] == [
        "ok   rights: user hoarder may read system.parts, read INFORMATION_SCHEMA.COLUMNS",
        f"ok   rights: user hoarder may {TRIED.removesuffix(', drop')}",
        *(f"BAD  rights: lacking.{table}" for table in sorted(left, reverse=True)),
    ]
    fix = "fix: as an administrator: grant drop table, drop view on lacking.* to hoarder"
    assert [line.endswith(fix) for line in found.lines[2:]] == [True] * 3
    assert found.status == 1


def test_a_trial_that_fails_half_way_leaves_nothing(secure_server: Server, tmp_path: Path) -> None:
    found = rights_of(secure_server, "writer", tmp_path)  # lacks the grant on table engines
    assert found.lines[-1].endswith(
        "fix: as an administrator: grant create table on lacking.* to writer; "
        "grant table engine on * to writer"
    )
    assert (found.status, tables(secure_server.config(database="lacking"))) == (1, [])


def test_a_database_that_the_user_may_not_create_is_named(
    secure_server: Server, tmp_path: Path
) -> None:
    config = secure_server.config(user="writer", password=PASSWORD, database="my-own")
    assert examined(environ_of(config), tmp_path).of("rights")[-1] == (
        "BAD  rights: database my-own does not exist yet, and user writer may not create and fill "
        "it\n     fix: as an administrator: grant create database, create table, create view, drop "
        "table, drop view, select, insert, alter table, alter view, truncate on `my-own`.* to "
        "writer"
    )


def test_every_right_says_what_it_builds_on() -> None:
    known = {"", *(right.name for right in RIGHTS)}
    assert [right.name for right in RIGHTS if right.after not in known] == []


# How it is configured.


def test_nothing_configured_says_in_two_lines_how_to_get_a_server(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = commands("doctor", "--destination", "clickhouse")
    assert (
        "BAD  clickhouse: No ClickHouse is configured. On this machine: make clickhouse-up"
        in ran.out
    )
    assert "skip connection: fix the configuration first" in ran.out
    assert (ran.status, ran.err) == (2, "")


@pytest.mark.parametrize(
    ("environ", "what"),
    [
        ({"CLICKHOUSE_MODE": "clowd"}, "CLICKHOUSE_MODE is 'clowd', which is not a mode"),
        ({"CLICKHOUSE_PORT": "many"}, "ClickHouse's port is 'many', which is not a port"),
        (
            {"CLICKHOUSE_HOST": "<host of your service>"},
            "ClickHouse's host is still the placeholder <host of your service>: CLICKHOUSE_HOST",
        ),
        (
            {"CLICKHOUSE_MODE": "cloud", "CLICKHOUSE_SECURE": "0"},
            "secure is off (CLICKHOUSE_SECURE (environment)), but mode cloud",
        ),
    ],
)
def test_a_wrong_configuration_ends_with_2_and_the_fix(
    environ: dict[str, str], what: str, tmp_path: Path
) -> None:
    environ = {"CLICKHOUSE_HOST": "localhost", "CLICKHOUSE_PASSWORD": PASSWORD} | environ
    found = examined(environ, tmp_path)
    assert found.lines[-2].startswith(f"BAD  clickhouse: {what}")
    assert "\n     fix: " in found.lines[-2]
    assert found.lines[-1] == "skip connection: fix the configuration first"
    assert found.status == 2


def test_doppler_is_named_and_its_token_is_not(tmp_path: Path) -> None:
    environ = {
        "CLICKHOUSE_HOST": "localhost",
        "CLICKHOUSE_PORT": "none",
        "DOPPLER_PROJECT": "billing",
        "DOPPLER_CONFIG": "prd",
        "DOPPLER_TOKEN": "dp.st.prd.x",
    }
    assert examined(environ, tmp_path).lines[:2] == [
        "ok   clickhouse variables: CLICKHOUSE_HOST, CLICKHOUSE_PORT in the environment",
        "ok   clickhouse variables: Doppler runs this command (project and config billing/prd) and "
        "sets the environment",
    ]


def test_a_file_that_nobody_read_into_the_shell_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# mine\nexport CLICKHOUSE_HOST='localhost'  # here\nCLICKHOUSE_PORT=1\n"
        f"CLICKHOUSE_HTTP_PORT=2\nCLICKHOUSE_PASSWORD='{PASSWORD}'\nCLICKHOUSE_USER='<user>'\n"
        "OTHER=1\nCLICKHOUSE_CA='unclosed\n"
    )
    found = examined({"CLICKHOUSE_HOST": "localhost", "CLICKHOUSE_PORT": "3"}, tmp_path)
    assert found.lines[1] == (
        "warn clickhouse variables: .env sets CLICKHOUSE_HTTP_PORT, CLICKHOUSE_PASSWORD, but "
        "files are not read automatically\n     fix: set -a; . ./.env; set +a"
    )
    assert found.of("clickhouse host", "clickhouse port") == [
        "ok   clickhouse host: localhost, from CLICKHOUSE_HOST (environment, as in .env)",
        "ok   clickhouse port: 3, from CLICKHOUSE_PORT (environment)",
    ]
    assert PASSWORD not in "\n".join(found.lines)


def test_a_mistyped_variable_is_named(tmp_path: Path) -> None:
    environ = {"CLICKHOUSE_PASWORD": PASSWORD, "CLICKHOUSE_MODE": "x", "CLICKHOUSE_URL": "other"}
    assert examined(environ, tmp_path).lines[1] == (
        "warn clickhouse variables: nothing here reads CLICKHOUSE_PASWORD\n"
        "     fix: write CLICKHOUSE_PASSWORD, or remove it"
    )


def test_dlts_names_and_files_are_named_as_origins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: Commands
) -> None:
    commands.set({"DESTINATION__CLICKHOUSE__CREDENTIALS__PORT": "1", "CLICKHOUSE_HTTP_PORT": "2"})
    commands.set({"DESTINATION__CLICKHOUSE__CREDENTIALS__PASSWORD": PASSWORD})
    ran = commands("doctor", "--destination", "clickhouse")
    names = "DESTINATION__CLICKHOUSE__CREDENTIALS__"
    for line in (
        f"ok   clickhouse port: 1, from {names}PORT (environment)",
        "ok   clickhouse http_port: 2, from CLICKHOUSE_HTTP_PORT (environment)",
        f"ok   clickhouse password: set, from {names}PASSWORD (environment)",
        "ok   clickhouse database: dlt, from destination.clickhouse.credentials.database "
        "(config.toml)",
    ):
        assert line in ran.out.splitlines()
    assert PASSWORD not in ran.out + ran.err


def test_a_warning_leaves_the_exit_status_alone() -> None:
    assert {kind.value for kind in Kind} == {"ok  ", "warn", "skip", "wait", "conf"}
    assert exit_status([]) == 0

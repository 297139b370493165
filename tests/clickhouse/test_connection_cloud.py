"""scripts/test_connection_cloud.py and its template of variables, .env.cloud."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.clickhouse.server.configuration.origins import SETTINGS
from pipelines.clickhouse.server.manager import ClickHouseManager
from scripts.test_connection_cloud import main
from tests.support.clickhouse.server import Authority, Server
from tests.support.clickhouse.users import environ_of

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ("-m", "scripts.test_connection_cloud")
TEMPLATE = ROOT / ".env.cloud"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("tls") / "server", authority.issue()) as running:
        yield running


def test_a_good_service_without_the_database_ends_with_0(
    server: Server,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = server.config(secure=True, ca=str(authority.ca), database="dlt")
    for name, value in environ_of(config).items():
        monkeypatch.setenv(name, value)
    assert main([]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert "ok   clickhouse mode: cloud, from this command" in lines
    assert "ok   login, HTTP: user loader can log in" in lines
    assert lines[-3:] == [
        "ok   rights: database dlt does not exist yet; user loader may create and fill it",
        "warn schema: database dlt does not match sql/ yet; the next load updates it",
        "     fix: make init-clickhouse",
    ]
    assert (said.err, server.password in said.out) == ("", False)
    with ClickHouseManager(server.config()) as manager:
        assert manager.execute("show tables") == []
        assert ("dlt",) not in manager.execute("show databases")


def test_the_mode_is_cloud_whatever_the_environment_says(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ_of(server.config()).items():  # mode local, plain ports
        monkeypatch.setenv(name, value)
    assert main([]) == 1
    text = (
        "secure is 1, but this port answers without TLS\n     fix: set {} to the TLS port ({} by "
        "default); only for a server on this machine without TLS: CLICKHOUSE_MODE=local\n"
    )
    said = capsys.readouterr().out
    assert f"BAD  TLS, native protocol: {text.format('CLICKHOUSE_PORT', 9440)}" in said
    assert f"BAD  TLS, HTTP: {text.format('CLICKHOUSE_HTTP_PORT', 8443)}" in said
    assert server.password not in said


def test_nothing_configured_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().out == (
        "ok   clickhouse variables: none in the environment\n"
        "BAD  clickhouse: mode cloud (this command) needs a host, and none was found.\n"
        "     fix: set CLICKHOUSE_HOST to the service's host name (or "
        "DESTINATION__CLICKHOUSE__CREDENTIALS__HOST, or host in .dlt/secrets.toml); for a server "
        "on this machine CLICKHOUSE_MODE=local\n"
        "skip connection: fix the configuration first\n"
    )


@pytest.mark.thorough
def test_a_name_that_does_not_resolve_is_named() -> None:
    # in a process of its own, whose look-ups are its own; longer than a name may be, so that no
    # resolver is asked
    host = ".".join(["a" * 60] * 5)
    ran = subprocess.run(
        [sys.executable, *SCRIPT],
        cwd=ROOT,
        env=os.environ | {"CLICKHOUSE_HOST": host, "CLICKHOUSE_PASSWORD": "s3cret-of-a-test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.splitlines()[-3:] == [
        f"BAD  name: the host name {host} does not resolve",
        "     fix: correct CLICKHOUSE_HOST (the service's console shows it), or this machine's DNS",
        "skip ports, TLS, login, rights, schema: the name must resolve first",
    ]
    assert (ran.returncode, ran.stderr) == (1, "")


def test_help_says_what_the_exit_status_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "0 all good, 1 something bad, 2 wrong configuration" in capsys.readouterr().out


# The template.


def test_the_template_unfilled_is_refused_by_name() -> None:
    sourced = f'set -a; . "{TEMPLATE}"; set +a; exec "$0" "$@"'
    ran = subprocess.run(
        ["/bin/sh", "-c", sourced, sys.executable, *SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (2, "")
    assert (
        "BAD  clickhouse: ClickHouse's host is still the placeholder <host of your service>: "
        "CLICKHOUSE_HOST (environment)." in ran.stdout.splitlines()
    )


def test_the_template_explains_every_variable_and_holds_no_secret() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    set_or_not = re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", text, re.MULTILINE)
    assert sorted(name for name, _ in set_or_not) == sorted(
        ["DLT_DESTINATION", "CLICKHOUSE_MODE", *(each.variable for each in SETTINGS.values())]
    )
    values = dict(set_or_not)
    assert (values["CLICKHOUSE_HOST"], values["CLICKHOUSE_PASSWORD"]) == (
        "'<host of your service>'",
        "'<password of the user>'",
    )
    assert [line for line in text.splitlines() if len(line) > 100] == []


def test_git_keeps_the_template_and_ignores_its_filled_copies() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert [".env" in ignored, ".env.*" in ignored, "!.env.cloud" in ignored] == [True] * 3

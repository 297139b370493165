"""TLS end to end on both protocols, and what its errors say: certificates, names and ports."""

from __future__ import annotations

import dataclasses
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import dlt
import pytest
import tenacity
import urllib3
from clickhouse_driver.errors import NetworkError, ServerException
from dlt.destinations.impl.clickhouse.configuration import ClickHouseClientConfiguration

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseConnectionError, ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.problems import explain
from pipelines.clickhouse.server.rules import CODES, RULES
from scripts.sandbox.clickhouse.tls_front import TlsFront
from tests.support.clickhouse.server import Authority, Certificate, Server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Server]:
    """A server with TLS ports and a certificate for localhost."""
    with Server(tmp_path_factory.mktemp("tls") / "server", authority.issue()) as running:
        yield running


class Fronts:
    """TLS ports in front of the server's plain ones, with certificates of the test's choice."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.open: list[TlsFront] = []

    def config(self, certificate: Certificate, **changes: Any) -> ClickHouseConfig:
        """The server behind new TLS ports with this certificate."""
        front = TlsFront(certificate.cert, certificate.key)
        front.start()
        self.open.append(front)
        ports = {name: front.listen(0, self.server.ready[name]) for name in ("port", "http_port")}
        return self.server.config(secure=True, **(ports | changes))


@pytest.fixture
def fronts(server: Server) -> Iterator[Fronts]:
    made = Fronts(server)
    yield made
    for front in made.open:
        front.close()


def native_error(config: ClickHouseConfig) -> str:
    """What the manager says when it cannot connect, which it must not try twice."""
    pauses: list[float] = []
    with pytest.raises(ClickHouseConnectionError) as caught:
        ClickHouseManager(config, sleep=pauses.append).connect()
    assert pauses == []
    return str(caught.value)


def http_error(config: ClickHouseConfig) -> str:
    """What explain makes of clickhouse-connect's error."""
    with pytest.raises(clickhouse_connect.driver.exceptions.Error) as caught:
        clickhouse_connect.get_client(**config.to_connect_arguments())
    return explain(caught.value, config)


def both_errors(config: ClickHouseConfig) -> set[str]:
    """The message of either protocol, without its place, after a look at the place."""
    native, http = native_error(config), http_error(config)
    places = (
        f"ClickHouse at localhost:{config.port} (native protocol, TLS): ",
        f"ClickHouse at localhost:{config.http_port} (HTTP, TLS): ",
    )
    assert (native.startswith(places[0]), http.startswith(places[1])) == (True, True)
    return {native.removeprefix(places[0]), http.removeprefix(places[1])}


def test_tls_works_end_to_end_on_both_protocols(server: Server, authority: Authority) -> None:
    config = server.config(secure=True, ca=str(authority.ca))
    assert (config.port, config.http_port) == (
        server.ready["secure_port"],
        server.ready["https_port"],
    )
    with ClickHouseManager(config) as manager:
        assert manager.execute("select currentUser()") == [("loader",)]
        manager.execute("create or replace table t (n UInt32) engine = MergeTree order by n")
        assert manager.execute_many("insert into t values", ((n,) for n in range(100_000))) == 10**5
        assert manager.execute("select count(), sum(n) from t") == [(100_000, 4_999_950_000)]
        assert manager.health_check()
    with clickhouse_connect.get_client(**config.to_connect_arguments()) as client:
        assert client.command("select count() from t") == 100_000


def test_dlts_own_client_comes_through_tls_with_the_authority(
    server: Server, authority: Authority
) -> None:
    config = server.config(secure=True, ca=str(authority.ca))
    destination = dlt.destinations.clickhouse(credentials=config.dlt_credentials())
    spec = ClickHouseClientConfiguration()._bind_dataset_name("costs")
    client = destination.client(dlt.Schema("costs"), spec)
    with client.sql_client as sql_client:
        assert sql_client.execute_sql("select currentUser()") == [("loader",)]


def test_verify_off_accepts_any_certificate(fronts: Fronts, tmp_path: Path) -> None:
    config = fronts.config(Authority(tmp_path).issue(lasts=timedelta(days=-1)), verify=False)
    with ClickHouseManager(config) as manager:
        assert manager.execute("select 1") == [(1,)]
    # urllib3 warns that nothing was verified, which is what was asked for
    with (
        pytest.warns(urllib3.exceptions.InsecureRequestWarning),
        clickhouse_connect.get_client(**config.to_connect_arguments()) as client,
    ):
        assert client.command("select 1") == 1


def test_an_authority_that_is_not_known_is_refused(server: Server, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other CA")
    for ca in (None, str(other.ca)):
        assert both_errors(server.config(secure=True, ca=ca)) == {
            "the server's certificate is not signed by an authority that is trusted here. Fix: "
            "set CLICKHOUSE_CA to the PEM file of its authority, after asking who signed it: an "
            "unknown authority may be an attacker in between"
        }


def test_a_certificate_that_has_expired_is_refused(fronts: Fronts, authority: Authority) -> None:
    expired = authority.issue(lasts=timedelta(seconds=-1))
    assert both_errors(fronts.config(expired, ca=str(authority.ca))) == {
        "the server's certificate has expired. Fix: renew it on the server; if it is new, set "
        "this machine's clock"
    }


def test_a_certificate_of_the_future_is_refused(fronts: Fronts, authority: Authority) -> None:
    early = authority.issue(lasts=timedelta(days=3))  # valid from tomorrow
    assert both_errors(fronts.config(early, ca=str(authority.ca))) == {
        "the server's certificate is not valid yet. Fix: set this machine's clock, or the server's"
    }


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_of_another_host_is_refused(
    fronts: Fronts, authority: Authority, host: str
) -> None:
    foreign = authority.issue("ch.example.com", address=None)
    config = fronts.config(foreign, ca=str(authority.ca), host=host)
    for text in (native_error(config), http_error(config)):
        assert text.partition("TLS): ")[2] == (
            f"the server's certificate is for another host name than {host}. Fix: set "
            "CLICKHOUSE_HOST to the name in the certificate, or have it issued for "
            f"{host} too"
        )


def test_a_plain_port_behind_secure_is_refused(server: Server, authority: Authority) -> None:
    config = dataclasses.replace(server.config(), secure=True, ca=str(authority.ca))
    fix = (
        "secure is 1, but this port answers without TLS. Fix: set {} to the TLS port ({} by "
        "default); only for a server on this machine without TLS: CLICKHOUSE_MODE=local"
    )
    assert both_errors(config) == {
        fix.format("CLICKHOUSE_PORT", 9440),
        fix.format("CLICKHOUSE_HTTP_PORT", 8443),
    }


def test_a_tls_port_without_secure_is_explained(server: Server) -> None:
    config = dataclasses.replace(server.config(secure=True), secure=False)
    with pytest.raises(ClickHouseConnectionError) as caught:
        ClickHouseManager(config, wait=tenacity.wait_none()).connect()
    text = (
        "the connection was closed before an answer came, as a TLS port does when secure is 0. "
        "Fix: see whether the server runs, and whether this is the right port; if it has TLS, "
        "CLICKHOUSE_MODE=cloud"
    )
    assert str(caught.value) == (
        f"ClickHouse at localhost:{config.port} (native protocol, no TLS): {text} (tried 3 times)"
    )
    assert http_error(config) == (
        f"ClickHouse at localhost:{config.http_port} (HTTP, no TLS): {text}"
    )


@pytest.mark.parametrize("secure", [False, True])
def test_ports_that_were_swapped_are_explained(
    server: Server, authority: Authority, secure: bool
) -> None:
    right = server.config(secure=secure, ca=str(authority.ca) if secure else None)
    config = dataclasses.replace(right, port=right.http_port, http_port=right.port)
    hint = "" if secure else "; if it has TLS, CLICKHOUSE_MODE=cloud"
    assert native_error(config).partition("TLS): ")[2] == (
        "what answers here is not ClickHouse's native protocol but HTTP, or TLS. Fix: set "
        f"CLICKHOUSE_PORT to the native port (9440, without TLS 9000){hint}"
    )
    assert http_error(config).partition("TLS): ")[2] == (
        "this is the port of the native protocol, not of HTTP. Fix: set CLICKHOUSE_HTTP_PORT to "
        "the HTTP port (8443, without TLS 8123)"
    )


def test_an_authority_file_without_a_certificate_is_explained(
    server: Server, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    config = server.config(secure=True, ca=str(empty))
    assert native_error(config).partition("TLS): ")[2] == (
        f"{empty} holds no certificate. Fix: set CLICKHOUSE_CA to a PEM file, which begins with "
        "-----BEGIN CERTIFICATE-----"
    )


def test_a_refused_login_names_where_user_and_password_come_from(server: Server) -> None:
    config = ClickHouseConfig.from_env(
        {
            "CLICKHOUSE_PORT": str(server.ready["port"]),
            "CLICKHOUSE_HTTP_PORT": str(server.ready["http_port"]),
            "CLICKHOUSE_USER": "loader",
            "DESTINATION__CLICKHOUSE__CREDENTIALS__PASSWORD": "hunter2",
            "CLICKHOUSE_DATABASE": "default",
        },
        providers=[],
    )
    text = (
        "the server refuses user loader with this password. Fix: correct the user (from: "
        "CLICKHOUSE_USER (environment)) or the password (from: "
        "DESTINATION__CLICKHOUSE__CREDENTIALS__PASSWORD (environment))"
    )
    assert native_error(config).partition("TLS): ")[2] == text
    assert http_error(config).partition("TLS): ")[2] == text


def test_a_missing_database_is_explained_on_http(server: Server) -> None:
    assert http_error(server.config(database="dlt")).partition("TLS): ")[2] == (
        "the database dlt does not exist. Fix: make init-clickhouse creates it; or correct its "
        "name (from: the caller)"
    )


def test_a_port_where_nobody_listens_is_explained_on_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for mode, fix in (
        ("local", "make clickhouse-up"),
        ("cloud", "correct CLICKHOUSE_HOST and the port"),
    ):
        config = ClickHouseConfig("127.0.0.1", 1, port, password="hunter2", mode=mode)
        assert http_error(config) == (
            f"ClickHouse at 127.0.0.1:{port} (HTTP, no TLS): nothing listens there. Fix: {fix}"
        )


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            socket.gaierror(-2, "Name or service not known"),
            "the host name ch.example.com does not resolve. Fix: correct CLICKHOUSE_HOST (the "
            "service's console shows it), or this machine's DNS",
        ),
        (
            NetworkError("Network is unreachable (ch.example.com:9440)"),
            "there is no route to ch.example.com. Fix: check the network, VPN or proxy of "
            "this machine",
        ),
        (
            ssl.SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred"),
            "secure is 1, but this port answers without TLS. Fix: set CLICKHOUSE_PORT to the TLS "
            "port (9440 by default); only for a server on this machine without TLS: "
            "CLICKHOUSE_MODE=local",
        ),
        (
            ServerException("DB::Exception: Too many simultaneous queries. Stack trace:\n0", 202),
            "the server is busy: Too many simultaneous queries. Fix: try again in a minute",
        ),
        (
            ServerException("DB::Exception: loader: Not enough privileges: hunter2.", 497),
            "user loader is missing a right: loader: Not enough privileges: ***. Fix: grant it, "
            "or use a user that has it",
        ),
        (
            ServerException("DB::Exception: overflown session count 1.", 700),
            "the server allows user loader no more sessions. Fix: use another user (this one is "
            "from: the caller); the server of make clickhouse-up keeps the user default for itself",
        ),
        (
            ServerException("DB::Exception: the text 'certificate has expired' is no number.", 6),
            "the text 'certificate has expired' is no number. Fix: correct the statement, or what "
            "it reads",
        ),
        (
            OSError("something {odd} with hunter2 and hunter2"),
            "something {odd} with *** and ***. Fix: check CLICKHOUSE_HOST, the ports and the "
            "network",
        ),
    ],
)
def test_what_a_server_here_does_not_show_is_explained_too(error: Exception, text: str) -> None:
    config = ClickHouseConfig(
        "ch.example.com", 9440, 8443, user="loader", password="hunter2", secure=True
    )
    assert explain(error, config) == (
        f"ClickHouse at ch.example.com:9440 (native protocol, TLS): {text}"
    )


def test_an_error_of_ours_is_its_own_explanation() -> None:
    error = ClickHouseQueryError("what, where and the fix", 6)
    assert explain(error, ClickHouseConfig("h")) == "what, where and the fix"


def test_every_rule_has_a_fix_that_the_configuration_fills_in() -> None:
    config = ClickHouseConfig("h", password="hunter2")
    problems = [rule.problem for rule in RULES] + list(CODES.values())
    assert [problem for problem in problems if not (problem.what and problem.fix)] == []
    for code in CODES:
        text = explain(ServerException("DB::Exception: x", code), config)
        assert ". Fix: " in text
        assert "{" not in text

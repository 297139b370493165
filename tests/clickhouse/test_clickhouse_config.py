"""ClickHouseConfig: which place wins, what each mode means, and what is refused with which fix."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.providers import ConfigTomlProvider, SecretsTomlProvider
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.runtime.run_context import RunContext, switched_run_context
from dlt.destinations.impl.clickhouse.configuration import ClickHouseClientConfiguration

from pipelines.clickhouse.server.config import (
    NOT_CONFIGURED,
    ClickHouseConfig,
    ClickHouseConfigError,
    is_configured,
)
from pipelines.clickhouse.server.configuration.origins import Environment, Places
from pipelines.clickhouse.server.manager import ClickHouseManager
from tests.support.clickhouse.server import Server

DLT = "DESTINATION__CLICKHOUSE__CREDENTIALS"
CLOUD = {
    "CLICKHOUSE_MODE": "cloud",
    "CLICKHOUSE_HOST": "abc.eu-central-1.aws.clickhouse.cloud",
    "CLICKHOUSE_PASSWORD": "open sesame",
}


def tomls(folder: Path, secrets: str = "", config: str = "") -> list[ConfigProvider]:
    """dlt's two files in a folder of the test's own."""
    settings = folder / ".dlt"
    settings.mkdir(exist_ok=True)
    (settings / "secrets.toml").write_text(secrets)
    (settings / "config.toml").write_text(config)
    return [SecretsTomlProvider(str(settings)), ConfigTomlProvider(str(settings))]


def section(**values: object) -> str:
    """The section of ClickHouse's credentials."""
    lines = [f"{name} = {value!r}" for name, value in values.items()]
    return "\n".join(["[destination.clickhouse.credentials]", *lines])


def read(
    environ: Mapping[str, str],
    folder: Path = Path("/nowhere"),
    providers: list[ConfigProvider] | None = None,
) -> ClickHouseConfig:
    """from_env on nothing but what the test gives."""
    return ClickHouseConfig.from_env(environ, providers=providers or [], folder=folder)


def values(config: ClickHouseConfig) -> dict[str, Any]:
    """Everything but the origins."""
    return {name: value for name, value in vars(config).items() if name != "origins"}


def test_local_is_this_machine_without_tls() -> None:
    config = read({"CLICKHOUSE_MODE": "local"})
    assert values(config) == {
        "host": "localhost",
        "port": 9000,
        "http_port": 8123,
        "database": "dlt",
        "user": "default",
        "password": "",
        "secure": False,
        "connect_timeout": 10.0,
        "max_retries": 3,
        "retry_seconds": 120.0,
        "answer_timeout": 600.0,
        "verify": True,
        "ca": None,
        "mode": "local",
        "cluster": "",
    }
    assert dict(config.origins) == {
        "mode": "CLICKHOUSE_MODE (environment)",
        **dict.fromkeys(("host", "port", "http_port", "secure"), "the default of mode local"),
        **dict.fromkeys(
            ("database", "user", "password", "connect_timeout", "max_retries", "verify", "ca"),
            "the default",
        ),
        **dict.fromkeys(("retry_seconds", "answer_timeout", "cluster"), "the default"),
    }


def test_cloud_is_tls_with_a_host_and_a_password(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    config = read(
        CLOUD
        | {
            "CLICKHOUSE_USER": "loader",
            "CLICKHOUSE_DATABASE": "costs",
            "CLICKHOUSE_CONNECT_TIMEOUT": "2.5",
            "CLICKHOUSE_MAX_RETRIES": "5",
            "CLICKHOUSE_CA": str(ca),
        }
    )
    assert values(config) == {
        "host": "abc.eu-central-1.aws.clickhouse.cloud",
        "port": 9440,
        "http_port": 8443,
        "database": "costs",
        "user": "loader",
        "password": "open sesame",
        "secure": True,
        "connect_timeout": 2.5,
        "max_retries": 5,
        "retry_seconds": 120.0,
        "answer_timeout": 600.0,
        "verify": True,
        "ca": str(ca),
        "mode": "cloud",
        "cluster": "",
    }
    assert config.origins["password"] == "CLICKHOUSE_PASSWORD (environment)"
    assert config.origins["port"] == "the default of mode cloud"


@pytest.mark.parametrize(
    ("environ", "mode", "because"),
    [
        ({}, "local", "no host but this machine is named"),
        ({"CLICKHOUSE_HOST": "127.0.0.1"}, "local", "no host but this machine is named"),
        ({"CLICKHOUSE_HOST": "LOCALHOST"}, "local", "no host but this machine is named"),
        ({"CLICKHOUSE_HOST": "::1"}, "local", "no host but this machine is named"),
        (
            {"CLICKHOUSE_HOST": "ch.example.com", "CLICKHOUSE_PASSWORD": "x"},
            "cloud",
            "the host is not this machine",
        ),
        (
            {"CLICKHOUSE_HOST": "10.1.2.3", "CLICKHOUSE_PASSWORD": "x"},
            "cloud",
            "the host is not this machine",
        ),
        (
            {f"{DLT}__HOST": "localhost", f"{DLT}__SECURE": "1", f"{DLT}__PASSWORD": "x"},
            "cloud",
            "secure is on",
        ),
        (
            {"CLICKHOUSE_MODE": "Local", "CLICKHOUSE_HOST": "clickhouse"},
            "local",
            "CLICKHOUSE_MODE (environment)",
        ),
        (
            {"CLICKHOUSE_MODE": "local", "CLICKHOUSE_HOST": "192.168.1.2"},
            "local",
            "CLICKHOUSE_MODE (environment)",
        ),
    ],
)
def test_the_mode_is_given_or_follows_from_host_and_tls(
    environ: dict[str, str], mode: str, because: str
) -> None:
    config = read(environ)
    assert (config.mode, config.origins["mode"], config.secure) == (mode, because, mode == "cloud")


def test_the_order_of_places(tmp_path: Path) -> None:
    secrets = section(password="from secrets", port=5, username="from secrets")
    environ = {
        "CLICKHOUSE_MODE": "local",
        "CLICKHOUSE_PASSWORD": "from CLICKHOUSE_PASSWORD",
        "CLICKHOUSE_HTTP_PORT": "6",
        f"{DLT}__PASSWORD": "from dlt's variable",
    }
    providers = tomls(tmp_path, secrets, section(port=7, database="from config"))
    config = read(environ, providers=providers)
    assert (config.password, config.http_port, config.port, config.user, config.database) == (
        "from dlt's variable",
        6,
        5,
        "from secrets",
        "from config",
    )
    assert dict(config.origins) == {
        "mode": "CLICKHOUSE_MODE (environment)",
        "host": "the default of mode local",
        "password": f"{DLT}__PASSWORD (environment)",
        "http_port": "CLICKHOUSE_HTTP_PORT (environment)",
        "port": "destination.clickhouse.credentials.port (secrets.toml)",
        "user": "destination.clickhouse.credentials.username (secrets.toml)",
        "database": "destination.clickhouse.credentials.database (config.toml)",
        "secure": "the default of mode local",
        **dict.fromkeys(
            (
                "connect_timeout",
                "max_retries",
                "retry_seconds",
                "answer_timeout",
                "verify",
                "ca",
                "cluster",
            ),
            "the default",
        ),
    }


def test_an_empty_variable_counts_as_none() -> None:
    config = read({"CLICKHOUSE_MODE": "local", f"{DLT}__PORT": "", "CLICKHOUSE_PORT": " "})
    assert (config.port, config.origins["port"]) == (9000, "the default of mode local")


def test_a_connection_string_gives_all_it_holds(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    text = (
        "clickhouse://load%40er:p%2Fw@ch.example.com:9441/costs"
        f"?http_port=8444&secure=1&connect_timeout=4&ca_certs={ca}"
    )
    config = read({DLT: text, f"{DLT}__HOST": "other", f"{DLT}__DATABASE": "other"})
    assert values(config) == {
        "host": "ch.example.com",
        "port": 9441,
        "http_port": 8444,
        "database": "costs",
        "user": "load@er",
        "password": "p/w",
        "secure": True,
        "connect_timeout": 4.0,
        "max_retries": 3,
        "retry_seconds": 120.0,
        "answer_timeout": 600.0,
        "verify": True,
        "ca": str(ca),
        "mode": "cloud",
        "cluster": "",
    }
    assert config.origins["password"] == f"{DLT} (environment), its password"


def test_what_a_connection_string_lacks_comes_from_elsewhere(tmp_path: Path) -> None:
    providers = tomls(
        tmp_path,
        '[destination.clickhouse]\ncredentials = "clickhouse://loader@localhost:9001/costs"',
    )
    config = read({"CLICKHOUSE_PASSWORD": "x"}, providers=providers)
    assert (config.user, config.port, config.http_port, config.password) == (
        "loader",
        9001,
        8123,
        "x",
    )
    assert config.origins["port"] == "destination.clickhouse.credentials (secrets.toml), its port"


@pytest.mark.parametrize(
    "text", ["https://host/x?password=hunter2", "hunter2", "clickhouse://u:hunter2@h:port/d"]
)
def test_a_wrong_connection_string_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ClickHouseConfigError) as caught:
        read({DLT: text})
    assert str(caught.value) == (
        f"{DLT} (environment) is not a ClickHouse connection string. Fix: write "
        "clickhouse://user:password@host:9440/dlt?http_port=8443&secure=1, with special "
        "characters of the password percent-encoded"
    )
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "environ",
    [
        {
            f"{DLT}__HOST": "ch.example.com",
            f"{DLT}__PASSWORD": " from the environment\n",
            f"{DLT}__HTTP_PORT": "8444",
            "DESTINATION__CREDENTIALS__USERNAME": "less specific",
        },
        {DLT: "clickhouse://u:p%40@ch.example.com:9441/costs?secure=1&connect_timeout=4"},
    ],
)
def test_dlt_itself_resolves_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    settings = tmp_path / "project" / ".dlt"
    (settings / "secrets.toml").write_text(section(port=9441, host="in secrets", database="costs"))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with switched_run_context(RunContext(str(tmp_path / "project"))):
        config = ClickHouseConfig.from_env(os.environ, folder=tmp_path)
        theirs = resolve_configuration(
            ClickHouseClientConfiguration(), sections=("destination", "clickhouse")
        ).credentials
    assert (theirs.host, theirs.port, theirs.database) == ("ch.example.com", 9441, "costs")
    ours = {**config.to_dlt_credentials(), "connect_timeout": theirs.connect_timeout}
    assert ours == {name: dict(theirs)[name] for name in ours}


def test_a_secret_mounted_as_a_file_is_read_as_dlt_reads_it(tmp_path: Path) -> None:
    name = f"{DLT}__PASSWORD".lower().replace("_", "-")
    (tmp_path / name).write_text("from a file\n")
    places = Places({}, [])
    places.first = Environment({f"{DLT}__PASSWORD": "from a variable"}, tmp_path)
    found = places.find("password")
    assert found is not None
    assert (found.value, found.origin) == ("from a file", f"{tmp_path / name} (environment)")
    (tmp_path / name).rename(tmp_path / "value")
    (tmp_path / name).mkdir()  # as Kubernetes mounts it
    (tmp_path / "value").rename(tmp_path / name / name)
    found = places.find("password")
    assert found is not None
    assert found.value == "from a file"
    assert "from a file" not in repr(found)


def test_the_password_is_in_no_repr() -> None:
    config = read(CLOUD)
    assert repr(config) == (
        "ClickHouseConfig(host='abc.eu-central-1.aws.clickhouse.cloud', port=9440, "
        "http_port=8443, database='dlt', user='default', password='***', secure=True, "
        "connect_timeout=10.0, max_retries=3, retry_seconds=120.0, answer_timeout=600.0, "
        "verify=True, ca=None, mode='cloud', cluster='')"
    )
    assert "sesame" not in repr(vars(config)) + repr(config.to_driver_arguments())
    assert config.password == "open sesame"
    assert repr(ClickHouseConfig("h").password) == "''"


def test_a_config_compares_by_its_values_and_cannot_be_changed() -> None:
    config = read({"CLICKHOUSE_MODE": "local"})
    assert config == ClickHouseConfig("localhost")
    assert hash(config) == hash(ClickHouseConfig("localhost"))
    assert config.with_database("default") == ClickHouseConfig("localhost", database="default")
    with pytest.raises(TypeError):
        config.origins["host"] = "elsewhere"  # type: ignore[index]


REFUSED = [
    (
        {"CLICKHOUSE_MODE": "clowd"},
        "CLICKHOUSE_MODE is 'clowd', which is not a mode. Fix: set it to local (a server on this "
        "machine, no TLS) or cloud (TLS), or leave it out",
    ),
    (
        {"CLICKHOUSE_PORT": "native"},
        "ClickHouse's port is 'native', which is not a port. Fix: a number from 1 to 65535. "
        "It comes from CLICKHOUSE_PORT (environment)",
    ),
    (
        {f"{DLT}__HTTP_PORT": "65536"},
        "ClickHouse's http_port is '65536', which is not a port. Fix: a number from 1 to 65535. "
        f"It comes from {DLT}__HTTP_PORT (environment)",
    ),
    (
        {"CLICKHOUSE_PORT": "0"},
        "ClickHouse's port is '0', which is not a port. Fix: a number from 1 to 65535. "
        "It comes from CLICKHOUSE_PORT (environment)",
    ),
    (
        {"CLICKHOUSE_SECURE": "maybe"},
        "ClickHouse's secure is 'maybe', neither on nor off. Fix: 1 or 0. "
        "It comes from CLICKHOUSE_SECURE (environment)",
    ),
    (
        {"CLICKHOUSE_CONNECT_TIMEOUT": "soon"},
        "ClickHouse's connect_timeout is 'soon', which is not a number of seconds. Fix: seconds "
        "above 0, for example 10. It comes from CLICKHOUSE_CONNECT_TIMEOUT (environment)",
    ),
    (
        {"CLICKHOUSE_CONNECT_TIMEOUT": "inf"},
        "ClickHouse's connect_timeout is 'inf', which is not a number of seconds. Fix: seconds "
        "above 0, for example 10. It comes from CLICKHOUSE_CONNECT_TIMEOUT (environment)",
    ),
    (
        {"CLICKHOUSE_MAX_RETRIES": "0"},
        "ClickHouse's max_retries is '0', which is not a number of tries. Fix: 1 or more. "
        "It comes from CLICKHOUSE_MAX_RETRIES (environment)",
    ),
    (
        {"CLICKHOUSE_HOST": "https://abc.clickhouse.cloud:8443"},
        "ClickHouse's host is more than a host name. Fix: the host alone, for example "
        "abc123.eu-central-1.aws.clickhouse.cloud, without https:// and without a port. "
        "It comes from CLICKHOUSE_HOST (environment)",
    ),
    (
        {"CLICKHOUSE_HOST": "abc..clickhouse.cloud"},
        "ClickHouse's host is not a host name. Fix: copy it from the service's console. "
        "It comes from CLICKHOUSE_HOST (environment)",
    ),
    (
        CLOUD | {"CLICKHOUSE_SECURE": "0"},
        "secure is off (CLICKHOUSE_SECURE (environment)), but mode cloud (CLICKHOUSE_MODE "
        "(environment)) always uses TLS. Fix: secure=1 (or leave it out), or "
        "CLICKHOUSE_MODE=local for a server on this machine",
    ),
    (
        CLOUD | {"CLICKHOUSE_HOST": ""},
        "mode cloud (CLICKHOUSE_MODE (environment)) needs a host, and none was found. Fix: set "
        "CLICKHOUSE_HOST to the service's host name (or DESTINATION__CLICKHOUSE__CREDENTIALS__"
        "HOST, or host in .dlt/secrets.toml); for a server on this machine CLICKHOUSE_MODE=local",
    ),
    (
        {"CLICKHOUSE_HOST": "ch.example.com"},
        "mode cloud (the host is not this machine) needs a password, and none was found. Fix: set "
        "CLICKHOUSE_PASSWORD to the user's password (or DESTINATION__CLICKHOUSE__CREDENTIALS__"
        "PASSWORD, or password in .dlt/secrets.toml); for a server on this machine "
        "CLICKHOUSE_MODE=local",
    ),
    (
        {"CLICKHOUSE_MODE": "local", "CLICKHOUSE_SECURE": "1"},
        "secure is on (CLICKHOUSE_SECURE (environment)), but mode local (CLICKHOUSE_MODE "
        "(environment)) has no TLS. Fix: CLICKHOUSE_MODE=cloud for a server with TLS, wherever it "
        "is; else secure=0",
    ),
    (
        CLOUD | {"CLICKHOUSE_MODE": "local"},
        "the host is abc.eu-central-1.aws.clickhouse.cloud (CLICKHOUSE_HOST (environment)), but "
        "mode local (CLICKHOUSE_MODE (environment)) has no TLS, and the password would cross the "
        "network unencrypted. Fix: CLICKHOUSE_MODE=cloud, or remove the host",
    ),
    (
        {"CLICKHOUSE_MODE": "local", "CLICKHOUSE_PORT": "8123"},
        "ClickHouse's port and http_port are both 8123 (the default of mode local). Fix: port is "
        "the native one (9440, without TLS 9000), http_port 8443 or 8123",
    ),
    (
        CLOUD | {"CLICKHOUSE_CA": "/nowhere/ca.pem"},
        "ca is /nowhere/ca.pem, but there is no such file (CLICKHOUSE_CA (environment)). Fix: "
        "name the PEM file of the authority that signed the server's certificate",
    ),
    (
        CLOUD | {"CLICKHOUSE_CA": "/nowhere/ca.pem", "CLICKHOUSE_VERIFY": "0"},
        "verify is off (CLICKHOUSE_VERIFY (environment)), so ca (CLICKHOUSE_CA (environment)) "
        "would not be used. Fix: remove verify=0; with the right ca it is not needed",
    ),
]


@pytest.mark.parametrize(("environ", "message"), REFUSED)
def test_what_cannot_be_is_refused_with_the_fix(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ClickHouseConfigError, match=re.escape(message)) as caught:
        read(environ)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)


def test_a_password_in_config_toml_is_refused(tmp_path: Path) -> None:
    for text in (
        section(password="hunter2"),
        '[destination.clickhouse]\ncredentials = "clickhouse://u:hunter2@h/d"',
    ):
        with pytest.raises(ClickHouseConfigError) as caught:
            read({}, providers=tomls(tmp_path, config=text))
        assert str(caught.value).endswith(
            " holds a secret, but is in config.toml. "
            "Fix: move it to .dlt/secrets.toml, which git ignores"
        )
        assert "hunter2" not in str(caught.value)


def test_the_examples_text_is_refused_where_it_would_be_used(tmp_path: Path) -> None:
    providers = tomls(tmp_path, section(host="<host>", username="<user>", password="<password>"))
    with pytest.raises(ClickHouseConfigError) as caught:
        read({}, providers=providers)
    assert str(caught.value) == (
        "ClickHouse's host is still the placeholder <host>: "
        "destination.clickhouse.credentials.host (secrets.toml). Fix: write the real one there, "
        "or remove the lines to use make clickhouse-up"
    )
    config = read(CLOUD | {"CLICKHOUSE_USER": "loader"}, providers=providers)
    assert config.password == "open sesame"


def test_dlt_gets_what_its_destination_needs(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    config = read(CLOUD | {"CLICKHOUSE_CONNECT_TIMEOUT": "2.5"})
    expected = {
        "host": "abc.eu-central-1.aws.clickhouse.cloud",
        "port": 9440,
        "http_port": 8443,
        "username": "default",
        "password": "open sesame",
        "database": "dlt",
        "secure": 1,
        "connect_timeout": 3,
    }
    assert config.to_dlt_credentials() == expected
    with_ca = read(CLOUD | {"CLICKHOUSE_CONNECT_TIMEOUT": "2.5", "CLICKHOUSE_CA": str(ca)})
    assert with_ca.to_dlt_credentials() == expected | {"query": {"ca_certs": str(ca)}}
    unverified = read(CLOUD | {"CLICKHOUSE_CONNECT_TIMEOUT": "3", "CLICKHOUSE_VERIFY": "no"})
    assert unverified.to_dlt_credentials() == expected | {"query": {"verify": "0"}}
    credentials = with_ca.dlt_credentials()
    assert credentials.is_resolved()
    assert {name: dict(credentials)[name] for name in expected} == expected


def test_local_finds_the_server_of_make_clickhouse_up(own_server: Server) -> None:
    config = read({}, own_server.folder)
    assert config == own_server.config(database="dlt")
    place = f"make clickhouse-up ({own_server.folder})"
    assert {name for name, origin in config.origins.items() if origin == place} == {
        "port",
        "http_port",
        "user",
        "password",
    }
    with ClickHouseManager(config.with_database("default")) as manager:
        assert manager.execute("select currentUser()") == [("loader",)]
    assert is_configured({}, providers=[], folder=own_server.folder)


@pytest.mark.parametrize(
    ("environ", "user", "port"),
    [
        ({"CLICKHOUSE_PORT": "9001"}, "default", 9001),
        ({"CLICKHOUSE_USER": "somebody"}, "somebody", 9000),
        ({"CLICKHOUSE_MODE": "local", "CLICKHOUSE_HOST": "192.168.1.2"}, "default", 9000),
    ],
)
def test_another_server_does_not_get_its_password(
    own_server: Server, environ: dict[str, str], user: str, port: int
) -> None:
    config = read(environ, own_server.folder)
    assert (config.user, config.port, config.password) == (user, port, "")


def test_a_given_password_goes_before_the_servers_own(own_server: Server) -> None:
    config = read({"CLICKHOUSE_PASSWORD": "mine"}, own_server.folder)
    assert (config.password, config.port) == ("mine", own_server.ready["port"])


def test_the_server_of_make_clickhouse_up_does_not_disturb_cloud(own_server: Server) -> None:
    config = read(CLOUD, own_server.folder)
    assert (config.user, config.port, config.password) == ("default", 9440, "open sesame")


def test_nothing_configured_is_said_in_two_lines(tmp_path: Path) -> None:
    names_a_database = tomls(tmp_path, config=section(database="dlt"))
    assert not is_configured({}, providers=names_a_database, folder=tmp_path)
    assert len(NOT_CONFIGURED.splitlines()) == 2


@pytest.mark.parametrize(
    "environ",
    [
        {"CLICKHOUSE_MODE": "local"},
        {"CLICKHOUSE_HOST": "ch.example.com"},
        {f"{DLT}__PASSWORD": "x"},
        {DLT: "clickhouse://u:p@h/d"},
    ],
)
def test_a_mode_a_host_or_a_password_counts_as_configured(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    assert is_configured(environ, providers=[], folder=tmp_path)

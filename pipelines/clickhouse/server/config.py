"""Where ClickHouse is and how to get in: one value from dlt's configuration and CLICKHOUSE_*.

The order of places stands in configuration/origins.py beside this, what CLICKHOUSE_MODE=local and
=cloud stand for in configuration/mode.py. Each value remembers where it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.destinations.impl.clickhouse.configuration import ClickHouseCredentials

from pipelines.clickhouse.server.configuration.local_server import FOLDER, running_server
from pipelines.clickhouse.server.configuration.mode import MODES, adopt, check_mode, choose_mode
from pipelines.clickhouse.server.configuration.origins import (
    SETTINGS,
    ClickHouseConfigError,
    Found,
    Places,
)
from pipelines.clickhouse.server.configuration.parse import PARSERS
from pipelines.clickhouse.server.settings import CLIENT_NAME, of_statement

__all__ = ["NOT_CONFIGURED", "ClickHouseConfig", "ClickHouseConfigError", "Secret", "is_configured"]

NOT_CONFIGURED = (
    "No ClickHouse is configured. On this machine: make clickhouse-up\n"
    "A server or ClickHouse Cloud: set CLICKHOUSE_MODE=cloud, CLICKHOUSE_HOST, CLICKHOUSE_USER "
    "and CLICKHOUSE_PASSWORD (.env.cloud lists them all)"
)


class Secret(str):
    """A text that `repr` does not show, so that no dump of variables or arguments does."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'" if self else "''"


@dataclass(frozen=True)
class ClickHouseConfig:
    """How to reach a server, on both protocols.

    `max_retries` is the number of tries to connect, in all. What passes by itself while loading, as
    a full server, is tried again for `retry_seconds`; after `answer_timeout` seconds without a sign
    of life a statement's answer counts as lost. `ca` is a PEM file that replaces the
    usual authorities; `verify` False accepts any certificate. `cluster` is one of system.clusters
    (cluster.py), '' for one server and for ClickHouse Cloud. `origins` says for each value by
    name where it comes from, for `doctor`. Raises ClickHouseConfigError on values that cannot be.
    """

    host: str
    port: int = 9000
    http_port: int = 8123
    database: str = "dlt"
    user: str = "default"
    password: str = ""
    secure: bool = False
    connect_timeout: float = 10.0
    max_retries: int = 3
    retry_seconds: float = 120.0
    answer_timeout: float = 600.0
    verify: bool = True
    ca: str | None = None
    mode: str = "local"
    cluster: str = ""
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "password", Secret(self.password))
        object.__setattr__(self, "origins", MappingProxyType(dict(self.origins)))
        if self.port == self.http_port:
            raise ClickHouseConfigError(
                f"ClickHouse's port and http_port are both {self.port}{self._from('http_port')}. "
                "Fix: port is the native one (9440, without TLS 9000), http_port 8443 or 8123"
            )
        if self.ca and not self.verify:
            raise ClickHouseConfigError(
                f"verify is off{self._from('verify')}, so ca{self._from('ca')} would not be used. "
                "Fix: remove verify=0; with the right ca it is not needed"
            )
        if self.ca and not Path(self.ca).is_file():
            raise ClickHouseConfigError(
                f"ca is {self.ca}, but there is no such file{self._from('ca')}. "
                "Fix: name the PEM file of the authority that signed the server's certificate"
            )

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str],
        *,
        providers: Sequence[ConfigProvider] | None = None,
        folder: Path = FOLDER,
    ) -> ClickHouseConfig:
        """The configuration of this environment, dlt's files and the server on `folder`.

        `providers` are dlt's (default: those it has set up for the working directory). Raises
        ClickHouseConfigError, which names the value's place and the fix, and never a password.
        """
        places = Places(environ, providers)
        found = {name: places.find(name) for name in SETTINGS}
        values = {name: _parsed(name, given) for name, given in found.items() if given}
        origins = {name: given.origin for name, given in found.items() if given}
        mode, origins["mode"] = choose_mode(places, values)
        check_mode(mode, values, origins)
        if mode == "local" and (server := running_server(folder)):
            adopt(server, values, origins)
        for name, value in MODES[mode].items():
            if name not in values:
                values[name], origins[name] = value, f"the default of mode {mode}"
        for name in SETTINGS.keys() - origins.keys():
            origins[name] = "the default"
        return cls(**values, mode=mode, origins=origins)

    def with_database(self, database: str) -> ClickHouseConfig:
        """The same server, another database: on an empty server `dlt` does not exist yet."""
        return replace(self, database=database)

    def to_dlt_credentials(self) -> dict[str, Any]:
        """The fields of dlt's ClickHouseCredentials, password included; times in whole seconds.

        dlt hands `query` on to clickhouse-driver, but knows no way to give clickhouse-connect an
        authority: files for a server with a private one go through `to_connect_arguments()`.
        """
        credentials = {
            "host": self.host,
            "port": self.port,
            "http_port": self.http_port,
            "username": self.user,
            "password": str(self.password),
            "database": self.database,
            "secure": int(self.secure),
            "connect_timeout": ceil(self.connect_timeout),
        }
        query = {} if self.verify else {"verify": "0"}
        if self.ca:
            query["ca_certs"] = self.ca
        return credentials | ({"query": query} if self.secure and query else {})

    def dlt_credentials(self) -> ClickHouseCredentials:
        """The same as dlt's own resolved value, which dlt does not resolve again.

        A dict it would complete from its files, and refuse when .dlt/config.toml has a section
        [destination.clickhouse.credentials]. dlt's statements carry our settings, too.
        """
        given = self.to_dlt_credentials()
        # an address holds no empty text: 1 lets every row pass, where '' is no filter
        wanted = {**of_statement(), "additional_result_filter": "1"}
        pinned = {name: str(value) for name, value in wanted.items() if value != ""}
        given["query"] = {"client_name": CLIENT_NAME} | pinned | given.get("query", {})
        credentials = ClickHouseCredentials(given)
        credentials.resolve()
        return credentials

    def to_driver_arguments(self) -> dict[str, Any]:
        """What clickhouse_driver.Client takes: the native protocol."""
        tls = {"verify": self.verify, "ca_certs": self.ca} if self.secure else {}
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password": self.password,
            "secure": self.secure,
            "connect_timeout": self.connect_timeout,
            "client_name": CLIENT_NAME,
            "tcp_keepalive": True,
        } | tls

    def to_connect_arguments(self) -> dict[str, Any]:
        """The arguments of `clickhouse_connect.get_client`, which speaks HTTP."""
        tls = {"verify": self.verify, "ca_cert": self.ca} if self.secure else {}
        return {
            "host": self.host,
            "port": self.http_port,
            "database": self.database,
            "username": self.user,
            "password": str(self.password),
            "secure": self.secure,
            "client_name": CLIENT_NAME,
            "connect_timeout": ceil(self.connect_timeout),
        } | tls

    def _from(self, name: str) -> str:
        return f" ({self.origins[name]})" if name in self.origins else ""


def is_configured(
    environ: Mapping[str, str],
    *,
    providers: Sequence[ConfigProvider] | None = None,
    folder: Path = FOLDER,
) -> bool:
    """Whether somebody has named a ClickHouse, or runs one here; if not, say NOT_CONFIGURED.

    A mode, a host or a password counts. A database alone does not: the project's own
    .dlt/config.toml names one.
    """
    places = Places(environ, providers)
    return (
        places.variable("CLICKHOUSE_MODE") is not None
        or any(places.is_named(name) for name in ("host", "password"))
        or running_server(folder) is not None
    )


def _parsed(name: str, given: Found) -> Any:
    try:
        return PARSERS[name](given.value)
    except ValueError as error:
        raise ClickHouseConfigError(
            f"ClickHouse's {name} {error}. It comes from {given.origin}"
        ) from None

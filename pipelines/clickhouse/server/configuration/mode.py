"""local or cloud: how the mode is chosen, its defaults, and which values contradict it.

`local` is localhost, 9000 and 8123, no TLS; `cloud` is 9440 and 8443 with TLS, and a password.
Without CLICKHOUSE_MODE a host that is not this machine, or secure=1, means `cloud`: TLS unless
set otherwise, as in dlt.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from pipelines.clickhouse.server.configuration.local_server import LocalServer
from pipelines.clickhouse.server.configuration.origins import (
    SETTINGS,
    ClickHouseConfigError,
    Places,
)

MODES: dict[str, dict[str, Any]] = {
    "local": {"host": "localhost", "port": 9000, "http_port": 8123, "secure": False},
    "cloud": {"port": 9440, "http_port": 8443, "secure": True},
}


def choose_mode(places: Places, values: Mapping[str, Any]) -> tuple[str, str]:
    """The mode and where it comes from."""
    if given := places.variable("CLICKHOUSE_MODE"):
        mode = given.value.lower()
        if mode not in MODES:
            raise ClickHouseConfigError(
                f"CLICKHOUSE_MODE is {given.value!r}, which is not a mode. Fix: set it to local "
                "(a server on this machine, no TLS) or cloud (TLS), or leave it out"
            )
        return mode, given.origin
    if values.get("secure"):
        return "cloud", "secure is on"
    if "host" in values and not _is_this_machine(values["host"]):
        return "cloud", "the host is not this machine"
    return "local", "no host but this machine is named"


def check_mode(mode: str, values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """Refuse values that contradict the mode. Raises ClickHouseConfigError."""
    because = f"mode {mode} ({origins['mode']})"
    if mode == "local":
        if values.get("secure"):
            raise ClickHouseConfigError(
                f"secure is on ({origins['secure']}), but {because} has no TLS. "
                "Fix: CLICKHOUSE_MODE=cloud for a server with TLS, wherever it is; else secure=0"
            )
        if "host" in values and not _is_near(values["host"]):
            raise ClickHouseConfigError(
                f"the host is {values['host']} ({origins['host']}), but {because} has no TLS, and "
                "the password would cross the network unencrypted. Fix: CLICKHOUSE_MODE=cloud, or "
                "remove the host"
            )
        return
    if values.get("secure") is False:
        raise ClickHouseConfigError(
            f"secure is off ({origins['secure']}), but {because} always uses TLS. "
            "Fix: secure=1 (or leave it out), or CLICKHOUSE_MODE=local for a server on this machine"
        )
    for name, what in (("host", "the service's host name"), ("password", "the user's password")):
        if not values.get(name):
            variable, key = SETTINGS[name].variable, SETTINGS[name].dlt.upper()
            raise ClickHouseConfigError(
                f"{because} needs a {name}, and none was found. Fix: set {variable} to {what} "
                f"(or DESTINATION__CLICKHOUSE__CREDENTIALS__{key}, or {name} in "
                ".dlt/secrets.toml); for a server on this machine CLICKHOUSE_MODE=local"
            )


def adopt(server: LocalServer, values: dict[str, Any], origins: dict[str, str]) -> None:
    """Fill in what the running server says of itself, unless what is configured is another one."""
    own = {"port": server.port, "http_port": server.http_port, "user": server.user}
    if not _is_this_machine(values.get("host", "localhost")):
        return
    if any(values.get(name, value) != value for name, value in own.items()):
        return
    for name, value in (own | {"password": server.password}).items():
        if name not in values and value is not None:
            values[name], origins[name] = value, f"make clickhouse-up ({server.folder})"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _is_near(host: str) -> bool:
    """This machine, a private network, or a name without a dot, as containers have."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return _is_this_machine(host) or "." not in host or host.endswith((".local", ".internal"))

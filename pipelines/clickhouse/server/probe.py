"""A server seen from outside, step by step, before any client tries to log in.

The clients wrap what happens here into errors of their own, one like the other; asked for each
step by itself, a person learns which of them fails, and how long the certificate still lasts.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.clickhouse.server.config import ClickHouseConfig


@dataclass(frozen=True)
class Certificate:
    """A server's certificate that has been verified; `expires` in UTC."""

    expires: datetime
    names: tuple[str, ...]
    issuer: str


def addresses(config: ClickHouseConfig) -> list[str]:
    """The addresses of the host, in the resolver's order. Raises OSError."""
    found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def reach(config: ClickHouseConfig, port: int) -> None:
    """Open a connection to a port and close it. Raises OSError."""
    socket.create_connection((config.host, port), config.connect_timeout).close()


def certificate(config: ClickHouseConfig, port: int) -> Certificate:
    """Shake hands by TLS as the clients do: chain, dates and host name. Raises OSError."""
    context = ssl.create_default_context(cafile=config.ca)
    with (
        socket.create_connection((config.host, port), config.connect_timeout) as plain,
        context.wrap_socket(plain, server_hostname=config.host) as secure,
    ):
        # typed as a mapping of anything, None without a certificate, which TLS here never is
        found: dict[str, object] = dict(secure.getpeercert() or {})
    issuer = dict(_pairs(found.get("issuer")))
    return Certificate(
        datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC),
        tuple(value for _, value in _entries(found.get("subjectAltName"))),
        issuer.get("commonName") or issuer.get("organizationName") or "an authority without a name",
    )


def _pairs(names: object) -> list[tuple[str, str]]:
    """`((("commonName", "x"),), …)`, as Python shows a distinguished name."""
    return [pair for group in _entries(names) for pair in _entries(group)]


def _entries(value: object) -> list[tuple[str, str]]:
    return list(value) if isinstance(value, tuple) else []

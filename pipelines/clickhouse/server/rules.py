"""Which text or code of an error means which problem; `{…}` are values of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What sort of trouble it is; only NETWORK may be gone at the next try."""

    AUTH = "auth"
    TLS = "tls"
    PROTOCOL = "protocol"
    NETWORK = "network"
    QUERY = "query"


@dataclass(frozen=True)
class Problem:
    """An error understood: `what` happened and the `fix`."""

    kind: Kind
    what: str
    fix: str


@dataclass(frozen=True)
class Rule:
    """A pattern of texts that come from this side of the connection, and what it means."""

    pattern: str
    problem: Problem


# The first that matches counts: a certificate's error also reads "certificate verify failed".
RULES = (
    Rule(
        "certificate has expired",
        Problem(
            Kind.TLS,
            what="the server's certificate has expired",
            fix="renew it on the server; if it is new, set this machine's clock",
        ),
    ),
    Rule(
        "certificate is not yet valid",
        Problem(
            Kind.TLS,
            what="the server's certificate is not valid yet",
            fix="set this machine's clock, or the server's",
        ),
    ),
    Rule(
        "Hostname mismatch|IP address mismatch|certificate is not valid for",
        Problem(
            Kind.TLS,
            what="the server's certificate is for another host name than {host}",
            fix="set CLICKHOUSE_HOST to the name in the certificate, "
            "or have it issued for {host} too",
        ),
    ),
    Rule(
        "CERTIFICATE_VERIFY_FAILED",
        Problem(
            Kind.TLS,
            what="the server's certificate is not signed by an authority that is trusted here",
            fix="set CLICKHOUSE_CA to the PEM file of its authority, after asking who signed it: "
            "an unknown authority may be an attacker in between",
        ),
    ),
    Rule(
        "NO_CERTIFICATE_OR_CRL_FOUND|NO_START_LINE|PEM lib",
        Problem(
            Kind.TLS,
            what="{ca} holds no certificate",
            fix="set CLICKHOUSE_CA to a PEM file, which begins with -----BEGIN CERTIFICATE-----",
        ),
    ),
    Rule(
        "WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNEXPECTED_EOF|EOF occurred in violation",
        Problem(
            Kind.TLS,
            what="secure is 1, but this port answers without TLS",
            fix="set {port_name} to the TLS port ({tls_port} by default); "
            "only for a server on this machine without TLS: CLICKHOUSE_MODE=local",
        ),
    ),
    Rule(
        "is for clickhouse-client program",
        Problem(
            Kind.PROTOCOL,
            what="this is the port of the native protocol, not of HTTP",
            fix="set CLICKHOUSE_HTTP_PORT to the HTTP port (8443, without TLS 8123)",
        ),
    ),
    Rule(
        "expected Hello or Exception",
        Problem(
            Kind.PROTOCOL,
            what="what answers here is not ClickHouse's native protocol but HTTP, or TLS",
            fix="set CLICKHOUSE_PORT to the native port (9440, without TLS 9000){or_tls}",
        ),
    ),
    Rule(
        "BadStatusLine",
        Problem(
            Kind.PROTOCOL,
            what="what answers here is not HTTP",
            fix="set CLICKHOUSE_HTTP_PORT to the HTTP port (8443, without TLS 8123){or_tls}",
        ),
    ),
    Rule(
        "Name or service not known|nodename nor servname|No address associated|name resolution"
        "|Failed to resolve",
        Problem(
            Kind.NETWORK,
            what="the host name {host} does not resolve",
            fix="correct CLICKHOUSE_HOST (the service's console shows it), or this machine's DNS",
        ),
    ),
    Rule(
        "Connection refused",
        Problem(Kind.NETWORK, what="nothing listens there", fix="{start}"),
    ),
    Rule(
        "timed out|SocketTimeoutError|TimeoutError",
        Problem(
            Kind.NETWORK,
            what="no answer in time",
            fix="try again if the service was asleep; else let this machine's address into the "
            "service's IP access list, and check the firewall; connecting may take {timeout} s "
            "(CLICKHOUSE_CONNECT_TIMEOUT)",
        ),
    ),
    Rule(
        "EOFError|RemoteDisconnected|Connection reset|Broken pipe|Connection aborted",
        Problem(
            Kind.NETWORK,
            what="the connection was closed before an answer came{maybe_tls}",
            fix="see whether the server runs, and whether this is the right port{or_tls}",
        ),
    ),
    Rule(
        "unreachable|No route to host",
        Problem(
            Kind.NETWORK,
            what="there is no route to {host}",
            fix="check the network, VPN or proxy of this machine",
        ),
    ),
)

_REFUSED = Problem(
    Kind.AUTH,
    what="the server refuses user {user} with this password",
    fix="correct the user (from: {user_origin}) or the password (from: {password_origin})",
)
_FORBIDDEN = Problem(
    Kind.QUERY,
    what="user {user} is missing a right: {detail}",
    fix="grant it, or use a user that has it",
)
_BUSY = Problem(Kind.NETWORK, what="the server is busy: {detail}", fix="try again in a minute")

# By the server's own codes: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
CODES = {
    81: Problem(
        Kind.QUERY,
        what="the database {database} does not exist",
        fix="make init-clickhouse creates it; or correct its name (from: {database_origin})",
    ),
    **dict.fromkeys((192, 193, 194, 195, 516), _REFUSED),
    **dict.fromkeys((202, 209, 210), _BUSY),
    **dict.fromkeys((291, 497), _FORBIDDEN),
    700: Problem(
        Kind.AUTH,
        what="the server allows user {user} no more sessions",
        fix="use another user (this one is from: {user_origin}); the server of "
        "make clickhouse-up keeps the user default for itself",
    ),
}
UNKNOWN = Problem(
    Kind.NETWORK, what="{detail}", fix="check CLICKHOUSE_HOST, the ports and the network"
)
OTHER = Problem(Kind.QUERY, what="{detail}", fix="correct the statement, or what it reads")

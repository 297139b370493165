"""Nothing leaves loopback: every connection of this process that would is refused and recorded.

An audit hook sees `socket.connect` and name look-ups of Python code. Libraries with sockets of
their own (pyarrow's S3, DuckDB, ClickHouse) are not seen; tests give those loopback endpoints.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import Any

_LOCAL_NAMES = {"localhost", "localhost.localdomain", "ip6-localhost", ""}

#: What was refused, by host; a test that adds to it fails although its code swallowed the error.
refused: list[str] = []


class LeftLoopback(ConnectionError):
    """Code under test tried to reach another machine."""


def install() -> None:
    """Refuse from now on. An audit hook cannot be removed: call it once in a process."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else ""  # a unix socket is a path
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        host = arguments[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if not _is_local(name):
        refused.append(name)
        raise LeftLoopback(f"A test tried to reach {name}. Tests talk to loopback only.")


def _is_local(host: str) -> bool:
    if host in _LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified

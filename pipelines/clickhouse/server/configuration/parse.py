"""From a setting as it was written to its value: each raises ValueError saying what is wrong.

The texts complete "ClickHouse's port …" and name the fix. A password is never repeated.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

_SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def port(value: Any) -> int:
    """A TCP port, 1 to 65535."""
    number = _whole(value)
    if number is None or not 1 <= number <= 65535:
        raise ValueError(f"is {value!r}, which is not a port. Fix: a number from 1 to 65535")
    return number


def tries(value: Any) -> int:
    """How often to try, at least once."""
    number = _whole(value)
    if number is None or number < 1:
        raise ValueError(f"is {value!r}, which is not a number of tries. Fix: 1 or more")
    return number


def seconds(value: Any) -> float:
    """A finite number of seconds above zero."""
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ValueError(
            f"is {value!r}, which is not a number of seconds. Fix: seconds above 0, for example 10"
        )
    return number


def switch(value: Any) -> bool:
    """True for 1, true, yes or on; False for 0, false, no or off."""
    try:
        return _SWITCH[str(value).strip().lower()]
    except KeyError:
        raise ValueError(f"is {value!r}, neither on nor off. Fix: 1 or 0") from None


def host(value: Any) -> str:
    """A bare host name or address: the ports and TLS are settings of their own."""
    name = str(value).strip()
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        if any(mark in name for mark in "/:@? "):
            raise ValueError(
                "is more than a host name. Fix: the host alone, for example "
                "abc123.eu-central-1.aws.clickhouse.cloud, without https:// and without a port"
            ) from None
    try:
        name.encode("idna")
    except UnicodeError:
        raise ValueError("is not a host name. Fix: copy it from the service's console") from None
    return name


def text(value: Any) -> str:
    """A text without blanks around it, as dlt takes it too."""
    return str(value).strip()


def cluster(value: Any) -> str:
    """A name as system.clusters has it."""
    name = text(value)
    if not re.fullmatch(r"[\w.-]*", name):
        raise ValueError(
            f"is {name!r}, which is not a cluster's name. Fix: one of "
            "`select cluster from system.clusters`; nothing for one server or ClickHouse Cloud"
        )
    return name


def _whole(value: Any) -> int | None:
    digits = str(value).strip()
    return int(digits) if digits.isascii() and digits.isdecimal() else None


PARSERS: dict[str, Callable[[Any], Any]] = {
    "host": host,
    "port": port,
    "http_port": port,
    "database": text,
    "user": text,
    "password": text,
    "secure": switch,
    "connect_timeout": seconds,
    "max_retries": tries,
    "retry_seconds": seconds,
    "answer_timeout": seconds,
    "verify": switch,
    "ca": text,
    "cluster": cluster,
}

"""What an error of ClickHouse means and what to do about it, for both protocols.

The clients say "WRONG_VERSION_NUMBER" or "Unexpected EOF"; a person needs "this port has no TLS".
Only texts tell these cases apart: clickhouse-driver keeps no cause when it wraps a TLS error.
"""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.refusals import OF_TEXT, REFUSALS
from pipelines.clickhouse.server.rules import CODES, OTHER, RULES, UNKNOWN, Problem
from pipelines.core.partition import UserError, causes


def explain(error: BaseException, config: ClickHouseConfig) -> str:
    """What happened, where, and the fix, as one text without any secret.

    For any error of clickhouse-driver, clickhouse-connect, or of sockets and TLS beneath them.
    """
    if isinstance(error, UserError):
        return str(error)
    problem = diagnose(error, config)
    return f"ClickHouse at {_where(error, config)}: {problem.what}. Fix: {problem.fix}"


def diagnose(error: BaseException, config: ClickHouseConfig) -> Problem:
    """The error understood, with the configuration's values filled in."""
    text = "\n".join(f"{type(cause).__name__}: {cause}" for cause in causes(error))
    code = server_code(error)
    plain = detail(error, config)
    refused = next((r.problem for r in OF_TEXT if re.search(r.pattern, plain)), None)
    if code is None:
        found = refused or _match(text) or UNKNOWN
    else:
        found = refused or CODES.get(code) or REFUSALS.get(code, OTHER)
    values = _values(config, _is_http(error)) | {"detail": plain}
    return Problem(found.kind, found.what.format(**values), found.fix.format(**values))


def server_code(error: BaseException) -> int | None:
    """The code that the server itself gave, None for an error on this side."""
    for cause in causes(error):
        code = getattr(cause, "code", None)
        if isinstance(code, int) and _is_of_the_server(cause):
            return code
    return None


def detail(error: BaseException, config: ClickHouseConfig) -> str:
    """The error's own text in one line, without stack trace, noise and secrets."""
    text = str(error) or type(error).__name__
    text = text.split("Stack trace:")[0]
    text = re.sub(r"^Code: \d+\.\s*(?=\S)|DB::Exception: ", "", text)
    return scrub(" ".join(text.split()), config).rstrip(". ")


def scrub(text: str, config: ClickHouseConfig) -> str:
    """`text` without the password, plain or encoded for a URL."""
    password = str(config.password)
    for secret in {password, quote(password, safe=""), quote_plus(password)} - {""}:
        text = text.replace(secret, "***")
    return text


def redacted(error: BaseException, config: ClickHouseConfig) -> BaseException:
    """The error itself, with the password taken out of its texts and of those it wraps.

    An error goes on as the cause of ours, and whoever logs that one logs its causes, too.
    """
    for cause in causes(error):
        cause.args = tuple(scrub(a, config) if isinstance(a, str) else a for a in cause.args)
        message = getattr(cause, "message", None)
        if isinstance(message, str):
            cause.message = scrub(message, config)  # type: ignore[attr-defined]
    return error


def _match(text: str) -> Problem | None:
    found = (rule.problem for rule in RULES if re.search(rule.pattern, text, re.IGNORECASE))
    return next(found, None)


def _is_of_the_server(error: BaseException) -> bool:
    """clickhouse-driver gives its own errors (a broken connection: 210) a server's code, too."""
    package = type(error).__module__.split(".")[0]
    return package == "clickhouse_connect" or type(error).__name__ == "ServerException"


def _is_http(error: BaseException) -> bool:
    packages = {type(cause).__module__.split(".")[0] for cause in causes(error)}
    return not packages.isdisjoint({"clickhouse_connect", "urllib3", "http"})


def _where(error: BaseException, config: ClickHouseConfig) -> str:
    port = config.http_port if _is_http(error) else config.port
    protocol = "HTTP" if _is_http(error) else "native protocol"
    return f"{config.host}:{port} ({protocol}, {'TLS' if config.secure else 'no TLS'})"


def _values(config: ClickHouseConfig, http: bool) -> dict[str, object]:
    origins = dict.fromkeys(("user", "password", "database"), "the caller") | dict(config.origins)
    local = config.mode == "local"
    start = "make clickhouse-up" if local else "correct CLICKHOUSE_HOST and the port"
    return {
        "host": config.host,
        "user": config.user,
        "database": config.database,
        "ca": config.ca,
        "timeout": f"{config.connect_timeout:g}",
        "port_name": "CLICKHOUSE_HTTP_PORT" if http else "CLICKHOUSE_PORT",
        "tls_port": 8443 if http else 9440,
        "maybe_tls": "" if config.secure else ", as a TLS port does when secure is 0",
        "or_tls": "" if config.secure else "; if it has TLS, CLICKHOUSE_MODE=cloud",
        "start": start,
        **{f"{name}_origin": place for name, place in origins.items()},
    }

"""Examine ClickHouse from the configuration to the rights of the user, each step after the other.

A step that fails makes those behind it pointless: they are skipped with a word. What is printed
names where each value comes from and how to mend what is wrong, and never a password.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import tenacity
from clickhouse_connect.driver.exceptions import Error as ConnectError

from pipelines.clickhouse.schema.migrate import is_current
from pipelines.clickhouse.schema.versions import warn_of
from pipelines.clickhouse.server import probe, rights
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseError
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.problems import diagnose
from pipelines.clickhouse.server.rules import Kind as Trouble
from pipelines.clickhouse.server.rules import Problem
from pipelines.core.findings import Finding, Kind, skipped, warning
from pipelines.core.partition import ConfigurationError, UserError
from pipelines.doctor.limits import limits
from pipelines.doctor.settings import read_settings
from pipelines.normalize.run import tag_columns

# It logs "Unexpected Http Driver Exception" for what it raises as well; a finding tells that.
logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)

WAKE_SECONDS = 60  # an idle service of ClickHouse Cloud sleeps, and needs about 10 s to wake up
PAUSE_SECONDS = 5
CLOCK_SECONDS = 60
CERTIFICATE_DAYS = 14

_ERRORS = (UserError, ConnectError, OSError)
NATIVE, HTTP = "native protocol", "HTTP"
Told = Generator[Finding, None, bool]


@dataclass(frozen=True)
class Clock:
    """Time as the examination takes it; a test brings its own, so that nobody waits."""

    now: Callable[[], float] = time.time
    elapsed: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def examine(
    environ: Mapping[str, str],
    *,
    mode: str | None = None,
    clock: Clock | None = None,
    folder: Path | None = None,
) -> Iterator[Finding]:
    """Everything that loading into ClickHouse needs, in the order in which it needs it.

    Findings come as they are made, so that a wait of up to WAKE_SECONDS is seen. `mode` overrides
    CLICKHOUSE_MODE; `folder` is where `.env` files may lie (default: the working directory).
    Leaves nothing on the server.
    """
    config = yield from read_settings(environ, mode, folder or Path())
    if config is None:
        yield skipped("connection", "fix the configuration first")
    else:
        yield from _Examination(config, clock or Clock()).run()


class _Examination:
    """One server, from its name to its tables."""

    def __init__(self, config: ClickHouseConfig, clock: Clock) -> None:
        self.config, self.clock = config, clock
        self.server = config.with_database("default")  # the configured one may not exist yet
        self.deadline: float | None = None

    def run(self) -> Iterator[Finding]:
        if not (yield from self._name()):
            yield skipped("ports, TLS, login, rights, schema", "the name must resolve first")
            return
        usable = [NATIVE, HTTP]
        for step, rest in (
            (self._port, "TLS and login"),
            (self._tls, "login"),
            (self._login, ""),
        ):
            for protocol in list(usable):
                if not (yield from step(protocol)):
                    usable.remove(protocol)
                    if rest:
                        yield skipped(f"{rest}, {protocol}", "see the line above")
        if NATIVE not in usable:
            why = f"they need the login over the {NATIVE}"
            yield skipped("server, clock, rights, schema", why)
            return
        for examine_part in (self._server, self._limits, self._rights, self._schema):
            try:
                yield from examine_part()
            except ClickHouseError as error:
                yield self._bad(examine_part.__name__.strip("_"), self._problem(error))

    def _name(self) -> Told:
        try:
            found = probe.addresses(self.config)
        except OSError as error:
            yield self._bad("name", self._problem(error))
            return False
        yield Finding(True, "name", f"{self.config.host} is {', '.join(found)}")
        return True

    def _port(self, protocol: str) -> Told:
        port, subject = self._port_of(protocol), f"port, {protocol}"
        problem = yield from self._patiently(
            subject, protocol, lambda: probe.reach(self.config, port)
        )
        if problem:
            yield self._bad(subject, problem, f"{self.config.host}:{port}: ")
            return False
        yield Finding(True, subject, f"{self.config.host}:{port} answers")
        return True

    def _tls(self, protocol: str) -> Told:
        subject = f"TLS, {protocol}"
        origins = self.config.origins
        if not self.config.secure:
            yield Finding(True, subject, f"not used: secure is 0, from {origins['secure']}")
            return True
        if not self.config.verify:
            detail = f"any certificate is accepted: verify is 0, from {origins['verify']}"
            fix = "remove it, and set CLICKHOUSE_CA to the PEM file of the server's authority"
            yield warning(subject, detail, fix)
            return True
        port = self._port_of(protocol)
        found: list[probe.Certificate] = []
        problem = yield from self._patiently(
            subject, protocol, lambda: found.append(probe.certificate(self.config, port))
        )
        yield self._bad(subject, problem) if problem else self._certificate(subject, found[0])
        return problem is None

    def _certificate(self, subject: str, found: probe.Certificate) -> Finding:
        days = (found.expires.timestamp() - self.clock.now()) / 86_400
        detail = (
            f"certificate for {', '.join(found.names)}, signed by {found.issuer}, valid until "
            f"{found.expires:%Y-%m-%d} ({days:.0f} days)"
        )
        if days < CERTIFICATE_DAYS:
            fix = "renew it on the server before that day; after it nothing loads"
            return warning(subject, detail, fix)
        return Finding(True, subject, detail)

    def _login(self, protocol: str) -> Told:
        subject = f"login, {protocol}"
        attempt = self._log_in if protocol == NATIVE else self._log_in_over_http
        problem = yield from self._patiently(subject, protocol, attempt)
        if problem:
            yield self._bad(subject, problem)
            return False
        yield Finding(True, subject, f"user {self.config.user} can log in")
        return True

    def _log_in(self) -> None:
        with ClickHouseManager(self.server, stop=tenacity.stop_after_attempt(1)) as manager:
            manager.connect()

    def _log_in_over_http(self) -> None:
        timeout = max(1, round(self.config.connect_timeout))  # a sleeping service says nothing
        with connect(self.server, answer_seconds=timeout):
            pass

    def _server(self) -> Iterator[Finding]:
        sql = "select version(), currentUser(), toUnixTimestamp64Milli(now64(3)) / 1000"
        with ClickHouseManager(self.server) as manager:
            before = self.clock.now()
            version, user, server_time = manager.execute(sql)[0]
            here = (before + self.clock.now()) / 2
        fault = warn_of(version)
        yield (
            warning("server", *fault) if fault else Finding(True, "server", f"ClickHouse {version}")
        )
        yield Finding(True, "user", user)
        ahead = server_time - here
        direction = "ahead of" if ahead > 0 else "behind"
        detail = f"the server's is {abs(ahead):.0f} s {direction} this machine's"
        if abs(ahead) > CLOCK_SECONDS:
            fix = "set this machine's clock, or the server's: locks and certificates go by the time"
            yield Finding(False, "clock", detail, fix)
        else:
            yield Finding(True, "clock", detail)

    def _limits(self) -> Iterator[Finding]:
        """What the user's profile and quotas will refuse, before a load runs into it."""
        user = self.config.user
        with ClickHouseManager(self.server) as manager:
            found = limits(manager)
        for limit in found:
            fix = f"as an administrator: alter user {user} settings {limit.none}"
            if limit.forbids:
                yield Finding(False, "limits", f"{limit.text}: nothing can be loaded", fix)
            else:
                what = f"{limit.text}: a statement that exceeds it is refused"
                yield warning("limits", what, f"{fix}, if loads are refused")

    def _rights(self) -> Iterator[Finding]:
        subject, database = "rights", self.config.database
        yield from self._trial(subject, rights.read_system_tables(self.config))
        if rights.database_exists(self.config):
            yield from self._trial(subject, rights.try_out(self.config))
            return
        state, user = f"database {database} does not exist yet", self.config.user
        missing = rights.missing_grants(self.config)
        if missing:
            fix = f"as an administrator: {rights.grant(self.config, missing)}"
            yield Finding(
                False, subject, f"{state}, and user {user} may not create and fill it", fix
            )
        else:
            yield Finding(True, subject, f"{state}; user {user} may create and fill it")

    def _trial(self, subject: str, trial: rights.Trial) -> Iterator[Finding]:
        user, database = self.config.user, self.config.database
        if trial.works:
            yield Finding(True, subject, f"user {user} may {', '.join(trial.works)}")
        for right, error in trial.refused:
            yield self._refused(subject, f"user {user} may not {right.name}", right, error)
        for table, error in trial.left.items():
            what = f"{database}.{table} is left behind: user {user} may not drop it"
            yield self._refused(subject, what, rights.DROP, error)

    def _refused(
        self, subject: str, what: str, right: rights.Right, error: ClickHouseError
    ) -> Finding:
        problem = self._problem(error)
        reason = problem.what.removeprefix(f"user {self.config.user} is missing a right: ")
        fix = f"as an administrator: {rights.grant(self.config, right.grants)}"
        lacks = rights.is_lack(error)
        return Finding(False, subject, f"{what}: {reason}", fix if lacks else problem.fix)

    def _schema(self) -> Iterator[Finding]:
        database = self.config.database
        try:
            keys = tag_columns()
        except ConfigurationError as error:
            what, _, fix = str(error).partition(". ")
            yield Finding(False, "schema", what, fix, Kind.CONFIGURATION)
            return
        if is_current(self.config, keys):
            yield Finding(True, "schema", f"database {database} matches sql/")
        else:
            detail = f"database {database} does not match sql/ yet; the next load updates it"
            yield warning("schema", detail, "make init-clickhouse")

    def _patiently(
        self, subject: str, protocol: str, attempt: Callable[[], None]
    ) -> Generator[Finding, None, Problem | None]:
        """Try, and again while a service of the cloud may be waking up; what is wrong at last."""
        while True:
            try:
                attempt()
                return None
            except _ERRORS as error:
                problem = self._problem(error, protocol)
            left = self._seconds_left(problem)
            if left <= 0:
                return problem
            detail = f"{problem.what}; a sleeping service is waking up, waiting {left:.0f} s more"
            yield Finding(True, subject, detail, kind=Kind.WAITING)
            self.clock.sleep(min(PAUSE_SECONDS, left))

    def _seconds_left(self, problem: Problem) -> float:
        if self.config.mode != "cloud" or problem.kind is not Trouble.NETWORK:
            return 0.0
        if self.deadline is None:
            self.deadline = self.clock.elapsed() + WAKE_SECONDS
        return self.deadline - self.clock.elapsed()

    def _port_of(self, protocol: str) -> int:
        return self.config.http_port if protocol == HTTP else self.config.port

    def _problem(self, error: Exception, protocol: str = NATIVE) -> Problem:
        """The error understood, by what our own errors wrap."""
        if isinstance(error, ClickHouseError) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        if protocol == HTTP and isinstance(error, OSError):
            told = HTTPException(str(error))  # marks the problem as one of the HTTP port
            told.__cause__ = error
            error = told
        return diagnose(error, self.config)

    def _bad(self, subject: str, problem: Problem, where: str = "") -> Finding:
        return Finding(False, subject, where + problem.what, problem.fix)

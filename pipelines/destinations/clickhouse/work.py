"""What a publishing takes: seconds by step as we count them, and what the server's log says."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.settings import CLIENT_NAME, labelled

_HAS_LOG = "select count() from system.tables where database = 'system' and name = 'query_log'"
_OF_LOAD = """
select sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']) / 1e6, sum(read_bytes),
    sum(written_bytes)
from system.query_log
where event_date >= today() - 1 and type != 'QueryStart' and is_initial_query
    and JSONExtractString(log_comment, 'client') = %(client)s
    and JSONExtractString(log_comment, 'load_id') = %(load_id)s
having count() > 0
"""

Cost = tuple[float | None, int | None, int | None]
"""Processor seconds, bytes read, bytes written; None where the server does not say."""


F = TypeVar("F", bound=Callable[..., Any])


def step(name: str, label: str = "") -> Callable[[F], F]:
    """A method that is a step: its statements say so, and `self.seconds` adds up its time."""

    def decorate(method: F) -> F:
        @wraps(method)
        def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            try:
                with labelled(step=label or name):
                    return method(self, *args, **kwargs)
            finally:
                passed = time.monotonic() - began
                self.seconds[name] = round(self.seconds.get(name, 0.0) + passed, 3)

        return cast(F, timed)

    return decorate


class QueryLog:
    """system.query_log, where the server keeps one and the user may read it."""

    def __init__(self, manager: ClickHouseManager) -> None:
        self._manager = manager
        self._is_kept: bool | None = None  # until it is asked

    def cost_of(self, load_id: str | None) -> Cost:
        """What a load's statements took so far. Never an error: who has no right has no figures."""
        if not load_id or self._is_kept is False:
            return None, None, None
        try:
            if self._is_kept is None:
                self._is_kept = bool(self._manager.execute(_HAS_LOG)[0][0])
            if self._is_kept:
                self._manager.execute("system flush logs query_log")  # it is some seconds late
                asked = {"client": CLIENT_NAME, "load_id": load_id}
                for cpu, read, written in self._manager.execute(_OF_LOAD, asked):
                    return float(cpu), int(read), int(written)
        except ClickHouseQueryError:
            self._is_kept = False
        return None, None, None

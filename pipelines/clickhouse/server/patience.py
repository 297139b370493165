"""Trying again what passes by itself, with growing pauses, for as long as is configured."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import tenacity

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.refusals import passes
from pipelines.core.partition import PartitionError

log = logging.getLogger(__name__)

T = TypeVar("T")

GROWING = tenacity.wait_exponential(multiplier=1, max=20)


def is_refused_for_now(error: BaseException) -> bool:
    """Whether the server refused a statement that it may take a little later."""
    return isinstance(error, ClickHouseQueryError) and passes(error.code, str(error))


def patiently(
    config: ClickHouseConfig,
    run: Callable[[], T],
    *,
    again: Callable[[BaseException], bool] = is_refused_for_now,
    wait: tenacity.wait.WaitBaseT = GROWING,
    sleep: Callable[[float], None] = tenacity.nap.sleep,
) -> T:
    """The result of `run`, which is called again after an error that `again` is True of.

    Raises its last error when `config.retry_seconds` are over.
    """

    def tell(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0
        log.warning("%s; next try in %.0f s", error, pause)

    retrying = tenacity.Retrying(
        wait=wait,
        stop=tenacity.stop_before_delay(config.retry_seconds),
        sleep=sleep,
        retry=tenacity.retry_if_exception(again),
        before_sleep=tell,
        reraise=True,
    )
    return retrying(run)


LAG_SECONDS = 10.0  # how long a replica may take to show what was inserted
LAGGING = tenacity.wait_exponential(multiplier=0.05, max=2)


class RowsMissing(PartitionError):
    """Fewer rows are seen than were inserted."""


def until_seen(config: ClickHouseConfig, check: Callable[[], None]) -> None:
    """Repeat a check that raises RowsMissing: a replica can show what was inserted a little later;
    what is lost stays missing. Raises its last error."""
    patiently(
        replace(config, retry_seconds=min(config.retry_seconds, LAG_SECONDS)),
        check,
        again=lambda error: isinstance(error, RowsMissing),
        wait=LAGGING,
    )

"""What was told: ClickHouse's side, the table `alerts`."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.clickhouse.server.codes import UNKNOWN_TABLE
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.partition import now

_TOLD = "select event from alerts final where channel = %(channel)s and is_over = 0"


class WarehouseAlerts:
    """What is remembered in a database."""

    def __init__(self, manager: ClickHouseManager) -> None:
        self._manager = manager

    def told(self, channel: str) -> set[str]:
        """What the channel was told; nothing in a database that has not been migrated yet."""
        try:
            rows = self._manager.execute(_TOLD, {"channel": channel})
        except ClickHouseQueryError as error:
            if error.code != UNKNOWN_TABLE:
                raise
            return set()
        return {row[0] for row in rows}

    def note(self, channel: str, events: Sequence[str]) -> None:
        """A row each, which replaces the last one."""
        self._write(channel, events, is_over=0)

    def forget(self, channel: str, events: Sequence[str]) -> None:
        """The same rows, marked as over."""
        self._write(channel, events, is_over=1)

    def _write(self, channel: str, events: Sequence[str], is_over: int) -> None:
        if events:
            self._manager.execute_many(
                "insert into alerts (event, channel, is_over, noted_at) values",
                [(event, channel, is_over, now()) for event in events],
                repeatable=True,  # ReplacingMergeTree
            )

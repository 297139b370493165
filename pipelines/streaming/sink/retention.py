"""Live rows go when the batch has had their day for a while: `trades` reads the batch's then.

A time to live in the table itself would drop trades of a day that the batch never got. Here a part
of the table (one day of inserts) goes when every trade in it is of a proven day, and holds no
partition's largest offset, by which the sink goes on.
"""

from __future__ import annotations

import logging
import time

from pipelines.clickhouse.server.errors import ClickHouseError
from pipelines.clickhouse.server.quoting import quoted
from pipelines.streaming.sink.live_table import LiveTable

log = logging.getLogger(__name__)

_SECONDS = 3600.0  # between two looks
_DUE = """
select toString(toDate(written_at, 'UTC')) as written_on
from {table}
group by written_on
having max(written_at) < now() - interval {seconds} second
    and countIf(trade_date not in (
        select x_partition from normalized_{source}
        where x_fingerprint like 'closed-%'
        group by x_source, x_partition, x_fingerprint
    )) = 0
    and countIf(trade_date in (
        select "partition" from deliveries
        where word = {word} and published_at > now() - interval {seconds} second
    )) = 0
    and countIf((kafka_topic, kafka_partition, kafka_offset) in (
        select kafka_topic, kafka_partition, max(kafka_offset) from {table}
        group by kafka_topic, kafka_partition
    )) = 0
order by written_on
"""


class Retention:
    """Drops what is `keep_hours` past its proof; looks once an hour."""

    def __init__(self, table: LiveTable, keep_hours: float) -> None:
        self._table, self._seconds = table, round(keep_hours * 3600)
        self._next = time.monotonic() + _SECONDS

    def run_when_due(self) -> None:
        """Drop what may go, when an hour has passed. What fails is tried an hour later."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS
        try:
            self.run()
        except ClickHouseError as error:
            log.warning("%s: old rows stay for now: %s", self._table.topic.table, error)

    def run(self) -> list[str]:
        """Drop what may go; the days of insertion that went."""
        topic = self._table.topic
        sql = _DUE.format(
            table=topic.table,
            source=topic.source_name,
            word=quoted(topic.source_name),
            seconds=self._seconds,
        )
        days = [str(row[0]) for row in self._table.run(sql)]
        for day in days:
            self._table.run(f"alter table {topic.table} drop partition {quoted(day)}")
            log.info("%s: dropped rows written on %s, which the batch has", topic.table, day)
        return days

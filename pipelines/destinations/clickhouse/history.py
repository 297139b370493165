"""The publishing history on ClickHouse: one row of `deliveries` per publishing of a partition.

The row is written last, from the private table that was published. That table's comment says what
it is (`Note`), so the run after a killed one writes the row just as the killed one would have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.settings import labelled
from pipelines.core.partition import STORED_NAMES, Delivery, seconds_of
from pipelines.destinations.clickhouse.work import QueryLog
from pipelines.destinations.layout import RawTable
from pipelines.tables.sources import COST_SOURCES

TIME = "%Y-%m-%d %H:%M:%S.%f"

_ADD = """
insert into deliveries (
    word, partition, fingerprint, files, bytes, rows, billed, effective, billing_currency, recipe,
    delivered_at, published_at, load_id, read_seconds, stage_seconds, normalise_seconds,
    publish_seconds, cpu_seconds, read_bytes, written_bytes
)
select
    %(word)s, %(partition)s, %(fingerprint)s, %(files)s, %(bytes)s, {counted},
    %(recipe)s, %(delivered_at)s, now64(6, 'UTC'), %(load_id)s, %(read_seconds)s,
    %(stage_seconds)s, %(normalise_seconds)s, %(publish_seconds)s, %(cpu)s, %(read)s, %(written)s
"""
_ROWS = "from {table} where {column} = %(partition)s"
_COUNTED = "count(), null, null, null", _ROWS
# There are sums where all rows are of one currency. Counting distinct texts would take longer.
_COSTS_COUNTED = (
    "sum(lines), if(count() > 1, null, ifNull(any(billed), 0)), "
    "if(count() > 1, null, ifNull(any(effective), 0)), if(count() > 1, null, any(currency))",
    "from (select billing_currency as currency, count() as lines, sum(billed_cost) as billed, "
    f"sum(effective_cost) as effective {_ROWS} group by billing_currency)",
)
_LAST = """
select partition, argMax(d.fingerprint, published_at), argMax(d.rows, published_at)
from deliveries as d where word = %(word)s group by partition
"""
_RECIPES = """
select partition, argMax(ifNull(d.recipe, ''), published_at)
from deliveries as d where word = %(word)s group by partition
"""


@dataclass(frozen=True)
class Note:
    """What the history says of a publishing, but for its sums; None where it is not known."""

    source_name: str
    partition: str
    fingerprint: str
    files: int | None = None
    bytes: int | None = None
    recipe: str | None = None
    delivered_at: str | None = None
    load_id: str | None = None
    read_seconds: float | None = None
    stage_seconds: float | None = None
    normalise_seconds: float | None = None
    publish_seconds: float | None = None

    @classmethod
    def of(cls, raw_table: RawTable, delivery: Delivery, recipe: str | None = None) -> Note:
        """The note of a delivery that is about to be published."""
        return cls(
            source_name=raw_table.source_name,
            partition=delivery.partition,
            fingerprint=delivery.fingerprint,
            files=len(delivery.files),
            bytes=delivery.bytes,
            recipe=recipe,
            delivered_at=utc(delivery.delivered_at),
            load_id=delivery.load_id,
            **seconds_of(delivery.seconds),
        )

    def took(self, seconds: Mapping[str, float]) -> Note:
        """The same note with the seconds of its steps."""
        plain: dict[str, Any] = seconds_of(seconds)
        return replace(self, **plain)

    @classmethod
    def read(cls, comment: str) -> Note | None:
        """The note in a table's comment, if there is one."""
        try:
            plain = json.loads(comment)
            return cls(**{"source_name": plain.pop("word"), **plain})
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    @property
    def text(self) -> str:
        """The note as JSON, which is stored as a staging table's comment."""
        return json.dumps(self.stored())

    def stored(self) -> dict[str, Any]:
        """The fields by the names of the table `deliveries`."""
        return {STORED_NAMES.get(name, name): value for name, value in asdict(self).items()}


class History:
    """The table `deliveries` of one database."""

    def __init__(self, manager: ClickHouseManager) -> None:
        self._manager, self._log = manager, QueryLog(manager)

    def recipes(self, raw_table: RawTable) -> dict[str, str | None]:
        """By which rules each partition's last publishing was normalised, where that is known."""
        rows = self._manager.execute(_RECIPES, {"word": raw_table.source_name})
        return {partition: recipe or None for partition, recipe in rows}

    def last(self, raw_table: RawTable) -> dict[str, tuple[str, int]]:
        """The fingerprint and the normalised rows of each partition's last publishing."""
        rows = self._manager.execute(_LAST, {"word": raw_table.source_name})
        return {partition: (fingerprint, count) for partition, fingerprint, count in rows}

    @labelled(step="history")
    def add(self, raw_table: RawTable, note: Note, table: str) -> None:
        """Write one row with the sums of `table`, which holds what was published."""
        counted, rows = _COSTS_COUNTED if raw_table.source_name in COST_SOURCES else _COUNTED
        rows = rows.format(table=table, column=raw_table.read_table[1])
        cost = zip(("cpu", "read", "written"), self._log.cost_of(note.load_id), strict=True)
        self._manager.execute(_ADD.format(counted=counted) + rows, note.stored() | dict(cost))

    def complete(
        self,
        raw_table: RawTable,
        published: Mapping[str, str],
        left: Iterable[tuple[str, Note]],
    ) -> None:
        """Add the rows of publishings that a killed run could not note any more.

        `published` are the fingerprints in the table that readers read, `left` the private tables
        that killed runs left, with their notes. '' stands for several deliveries, which no run
        makes.
        """
        last = self.last(raw_table)
        sources = {(note.partition, note.fingerprint): (note, table) for table, note in left}
        for partition, fingerprint in published.items():
            if fingerprint and (partition not in last or last[partition][0] != fingerprint):
                unknown = (
                    Note(raw_table.source_name, partition, fingerprint),
                    raw_table.read_table[0],
                )
                self.add(raw_table, *sources.get((partition, fingerprint), unknown))


def utc(moment: datetime) -> str:
    """As ClickHouse reads a DateTime64(6, 'UTC')."""
    return moment.astimezone(UTC).strftime(TIME)

"""The publishing history on ClickHouse: one row of `deliveries` per publishing of a partition."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pipelines.clickhouse.manager import ClickHouseManager
from pipelines.destinations.layout import Place
from pipelines.partitions import Delivery

TIME = "%Y-%m-%d %H:%M:%S.%f"

_ADD = """
insert into deliveries (
    word, partition, fingerprint, files, bytes, rows, billed, effective, billing_currency, recipe,
    delivered_at, published_at
)
select
    %(word)s, %(partition)s, %(fingerprint)s, %(files)s, %(bytes)s, count(),
    sum(billed_cost), sum(effective_cost),
    if(count(distinct billing_currency) = 1 and countIf(billing_currency is null) = 0,
        any(billing_currency), null),
    %(recipe)s, %(delivered_at)s, now64(6, 'UTC')
from {table} where x_partition = %(partition)s
"""
_LAST = """
select partition, argMax(d.fingerprint, published_at), argMax(d.rows, published_at)
from deliveries as d where word = %(word)s group by partition
"""


_RECIPES = """
select partition, argMax(ifNull(d.recipe, ''), published_at)
from deliveries as d where word = %(word)s group by partition
"""


class History:
    """`deliveries` of one database."""

    def __init__(self, manager: ClickHouseManager) -> None:
        self._manager = manager

    def recipes(self, place: Place) -> dict[str, str | None]:
        """By which rules each partition's last publishing was normalised, where that is known."""
        rows = self._manager.execute(_RECIPES, {"word": place.word})
        return {partition: recipe or None for partition, recipe in rows}

    def last(self, place: Place) -> dict[str, tuple[str, int]]:
        """The fingerprint and the normalised rows of each partition's last publishing."""
        rows = self._manager.execute(_LAST, {"word": place.word})
        return {partition: (mark, count) for partition, mark, count in rows}

    def add(
        self,
        place: Place,
        partition: str,
        mark: str,
        delivery: Delivery | None = None,
        recipe: str | None = None,
    ) -> None:
        """One row, summed from what is published; without `delivery` its files are unknown."""
        values = {
            "word": place.word,
            "partition": partition,
            "fingerprint": mark,
            "files": len(delivery.files) if delivery else None,
            "bytes": delivery.bytes if delivery else None,
            "recipe": recipe,
            "delivered_at": utc(delivery.delivered_at) if delivery else None,
        }
        self._manager.execute(_ADD.format(table=place.normalized_table), values)

    def complete(self, place: Place, published: Mapping[str, str]) -> None:
        """Add the rows of publishings that a killed run could not note any more."""
        last = self.last(place)
        for partition, mark in published.items():
            if partition not in last or last[partition][0] != mark:
                self.add(place, partition, mark)


def utc(moment: datetime) -> str:
    """As ClickHouse reads a DateTime64(6, 'UTC')."""
    return moment.astimezone(UTC).strftime(TIME)

"""ClickHouse Cloud's usage cost: one row per day, entity and meter, by month of usage (UTC).

A month is one request. A final month is not asked for again; every other is read by every run, and
published again when its rows have changed. What another organisation had in a month stays in it.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

if not __package__:  # run as a script: Python looks here first, where stripe/ is ours
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dlt
from dlt.extract import DltResource

from pipelines.core.digests import hex_digest
from pipelines.core.landing import HINTS, Landing, Plan, delivered, everything, write_rows
from pipelines.core.months import month_of
from pipelines.core.partition import ALL, Delivery, Partition, Selection, Unchanged, now
from pipelines.providers.clickhouse_cloud.client import Client, Organization
from pipelines.providers.clickhouse_cloud.months import days_of, fingerprint, open_from, plan
from pipelines.providers.clickhouse_cloud.settings import ClickhouseCloudSettings, configuration
from pipelines.providers.clickhouse_cloud.usage import SCHEMA, Row, rows_of, table

__all__ = ["CHECKED", "ClickhouseCloudSettings", "Usage", "clickhouse_cloud", "configuration",
           "connect"]  # fmt: skip

CHECKED = SCHEMA


class Usage:
    """The usage cost of one organisation."""

    def __init__(
        self, settings: ClickhouseCloudSettings, clock: Callable[[], datetime] = now
    ) -> None:
        self.client, self.settings, self._clock = Client(settings), settings, clock
        self.published: Mapping[str, str] = {}
        self.force = False

    @cached_property
    def organization(self) -> Organization:
        """The organisation, asked for once."""
        return self.client.organization()

    def now(self) -> datetime:
        """The moment of a reading that begins now."""
        return self._clock()

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every month since the organisation began, or `first_month`, oldest first."""
        self.published, self.force = published, selection.force
        first = self.settings.first_month or month_of(self.organization.created)
        return plan(first, self.now(), selection, published)

    def estimate(self, partitions: Iterable[Partition]) -> str:
        """How many requests a load of these months takes."""
        count = len(list(partitions)) + 1
        return (
            f"clickhouse_cloud: {count:,} requests, one per month; nothing is charged "
            "for them, and 10 are taken in 10 seconds"
        )

    def read(self, month: str) -> list[Row]:
        """The rows of a month: one request. Raises PartitionError."""
        first, last = days_of(month)
        result = self.client.usage_cost(self.organization.id, first, last)
        return rows_of(result, self.organization, first, last)


def connect() -> Usage:
    """The configured organisation."""
    return Usage(configuration())


@dlt.source(
    name="clickhouse_cloud",
    section="clickhouse_cloud",
    spec=ClickhouseCloudSettings,
    max_table_nesting=0,
)
def clickhouse_cloud(
    key_id: str = dlt.secrets.value,
    key_secret: str = dlt.secrets.value,
    organization_id: str | None = None,
    api_base: str | None = None,
    first: str | None = None,
    last: str | None = None,
    plan: Plan[Usage] | None = None,
) -> DltResource:
    """Every month from `first` to `last` (2026-10), whole: a later load replaces it.

    `plan` is the loader's: the months that it wants.
    """
    if plan is None:
        given = {
            "key_id": key_id,
            "key_secret": key_secret,
            "organization_id": organization_id,
            "api_base": api_base,
        }
        known = {name: value for name, value in given.items() if value is not None}
        plan = everything(Usage(configuration(**known)), first, last)
    made: DltResource = usage_cost(plan)
    return made


@dlt.resource(name="usage_cost", **HINTS)
def usage_cost(plan: Plan[Usage]) -> Iterator[Any]:
    """The rows of each month. Raises Unchanged when they are what is published."""
    for landing in plan.landings:
        yield from landing.data(_land(plan.provider, landing), "month")


def _land(usage: Usage, landing: Landing) -> Delivery:
    key, read_at = landing.partition.key, usage.now()
    rows = usage.read(key)
    days = [(row["usage_date"], row["locked"]) for row in rows]
    since = open_from(key, days, read_at, usage.settings.settle_days)
    rows += _of_others(usage.organization.id, landing)
    digest = hex_digest(json.dumps(row, default=str, sort_keys=True) + "\n" for row in rows)
    current = fingerprint(digest, since)
    if usage.published.get(key) == current and not usage.force:
        raise Unchanged(key)
    path = landing.folder / "rows.parquet"
    write_rows(path, SCHEMA, [table(rows)], landing.advance)
    return delivered(
        "clickhouse_cloud", key, current, [path], delivered_at=read_at, layout="usage cost"
    )


def _of_others(organization: str, landing: Landing) -> list[Row]:
    """What is published of organisations that nobody asks for any more."""
    found = (row for each in landing.published(SCHEMA) for row in each.to_pylist())
    return [row for row in found if row["organization_id"] != organization]


if __name__ == "__main__":  # python pipelines/clickhouse_cloud_pipeline.py [options of `load`]
    sys.argv[1:] = ["load", "clickhouse_cloud", *sys.argv[1:]]
    runpy.run_module("pipelines", run_name="__main__")

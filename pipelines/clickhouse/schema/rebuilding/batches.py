"""Fill a table beside the published one, some partitions at a time, so that a kill loses little.

A batch is made in a private table and moved partition by partition, each in one step. What is
there already is known by its delivery, so a run that was killed is gone on with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from uuid import uuid4

from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.patience import RowsMissing, until_seen
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import Progress

PARTITIONS, ROWS = 50, 2_000_000  # of a batch: at most so many, unless one alone has more rows
UNFINISHED = "Being filled by a migration."
"""The comment of a table that a killed migration left and the next one goes on with."""

Delivered = tuple[str, ...]
"""The fingerprints of a partition's rows, sorted: one, unless it was written by hand."""


Insert = Callable[[str, Sequence[str]], Mapping[str, int]]
"""Writes the rows of partitions into a table; says of each how many rows (`measure`) it made."""


class Batches:
    """The partitions of one table, made anew under another name."""

    def __init__(
        self,
        manager: ClickHouseManager,
        target: str,
        progress: Progress,
        literal: Callable[[str], str] = quoted,
        measure: str = "count()",
    ) -> None:
        """`literal` writes a partition as `alter table target replace partition` takes it.

        `measure` is what the rows of a partition are counted by.
        """
        self.manager, self.target, self.progress = manager, target, progress
        self.literal, self.measure = literal, measure

    def fill(
        self,
        title: str,
        wanted: Mapping[str, Delivered],
        rows: Mapping[str, int],
        insert: Insert,
        where: str = "true",
    ) -> set[str]:
        """Make the target hold `wanted`; `insert` writes the rows of partitions into a table.

        `rows` are to be read for each. `where` says which rows of the target these are. Returns
        the partitions that have rows now.
        """
        have = deliveries(self.manager, self.target, where)
        for partition in sorted(have.keys() - wanted.keys()):
            self._drop(partition)
        left = [key for key in sorted(wanted) if have.get(key) != wanted[key]]
        filled = wanted.keys() - set(left)
        batches = list(_batched(left, rows))
        self.progress.plan(title, len(batches), "rows")
        for batch in batches:
            size = sum(rows.get(key, 0) for key in batch)
            filled |= self._make(title, batch, size, insert, where)
            self.progress.ended()
        return filled

    def _make(
        self,
        title: str,
        batch: Sequence[str],
        rows: int,
        insert: Insert,
        where: str,
    ) -> set[str]:
        name = batch[0] if len(batch) == 1 else f"{batch[0]} to {batch[-1]}"
        self.progress.start(title, name, rows)
        staged = f"_new_batch_{uuid4().hex[:8]}"
        self.manager.execute(f"create table {staged} as {self.target} comment ''")
        made = insert(staged, batch)
        until_seen(self.manager.config, lambda: self._check(title, staged, made, where))
        for partition in batch:
            if made.get(partition):
                literal = self.literal(partition)
                self.manager.execute(
                    f"alter table {self.target} replace partition {literal} from {staged}"
                )
            else:  # no row of raw makes one
                self._drop(partition)
        self.manager.execute(f"drop table if exists {staged} sync")
        self.progress.advance(rows)
        self.progress.done(title, name, f"{title} {name}: {rows:,} rows read again")
        return {partition for partition in batch if made.get(partition)}

    def _check(self, title: str, staged: str, made: Mapping[str, int], where: str) -> None:
        """Nothing is moved or dropped by what a replica shows that lags behind."""
        sql = f"select x_partition, {self.measure} from {staged} where {where} group by 1"
        seen: dict[str, int] = dict(self.manager.execute(sql))
        if other := [key for key, rows in made.items() if rows != seen.get(key, 0)]:
            raise RowsMissing(
                f"{title} {other[0]}: {seen.get(other[0], 0):,} rows of {made[other[0]]:,} are "
                "there. Run again."
            )

    def _drop(self, partition: str) -> None:
        self.manager.execute(f"alter table {self.target} drop partition {self.literal(partition)}")


def deliveries(
    manager: ClickHouseManager, table: str, where: str = "true", key: str = "x_partition"
) -> dict[str, Delivered]:
    """The deliveries that each partition of a table holds."""
    sql = (
        f"select toString({key}), arraySort(groupUniqArray(x_fingerprint)) from {table} "
        f"where {where} group by 1"
    )
    return {partition: tuple(found) for partition, found in manager.execute(sql)}


def contents(
    manager: ClickHouseManager, table: str, where: str = "true", key: str = "x_partition"
) -> tuple[dict[str, Delivered], dict[str, int]]:
    """Deliveries and rows of each partition, by one read: two replicas may show two states."""
    sql = (
        f"select toString({key}), arraySort(groupUniqArray(x_fingerprint)), count() from {table} "
        f"where {where} group by 1"
    )
    rows = manager.execute(sql)
    return {key: tuple(found) for key, found, _ in rows}, {key: count for key, _, count in rows}


def is_unfinished(manager: ClickHouseManager, table: str) -> bool:
    """Whether a table is there that a migration did not come to the end with."""
    sql = "select comment from system.tables where database = currentDatabase() and name = %(n)s"
    return manager.execute(sql, {"n": table}) == [(UNFINISHED,)]


def create_unfinished(manager: ClickHouseManager, text: str, name: str, fresh: str) -> None:
    """Run `create table name …` under the name `fresh`, unless a killed migration did."""
    if is_unfinished(manager, fresh):
        return
    manager.execute(f"drop table if exists {fresh} sync")
    manager.execute(re.sub(rf"(create table if not exists ){name}\b", rf"\g<1>{fresh}", text))
    manager.execute(f"alter table {fresh} modify comment {quoted(UNFINISHED)}")


def _batched(keys: Sequence[str], rows: Mapping[str, int]) -> Iterator[list[str]]:
    batch: list[str] = []
    total = 0
    for key in keys:
        if batch and (len(batch) == PARTITIONS or total + rows.get(key, 0) > ROWS):
            yield batch
            batch, total = [], 0
        batch.append(key)
        total += rows.get(key, 0)
    if batch:
        yield batch

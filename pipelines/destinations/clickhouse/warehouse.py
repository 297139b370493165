"""How a partition is published whole on ClickHouse, and what is published there.

One repeatable job per partition on private staging tables: insert the files, normalising each
block on its way with the select of its materialized view, count the rows of both tables, then
sum cost lines up by day, then `replace partition` for raw, daily and normalised. The fingerprint is
a column, so it is published with the data in the same statement; a partition is current only when
all of them say the same. A run that was killed in between is repaired by the next.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import dlt

from pipelines.clickhouse.schema.statements import views_of
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import KeptClient
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.problems import explain
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core import workdir
from pipelines.core.lock import held
from pipelines.core.partition import Delivery, Partition, PartitionError
from pipelines.destinations.clickhouse.definitions import Definitions
from pipelines.destinations.clickhouse.history import History, Note
from pipelines.destinations.clickhouse.leftovers import drop, left_behind
from pipelines.destinations.clickhouse.parquet_columns import (
    Files,
    defaults_of,
    inspect,
    new_columns,
    wider_columns,
)
from pipelines.destinations.clickhouse.readings import WarehouseReadings
from pipelines.destinations.clickhouse.retention import WarehouseRetention
from pipelines.destinations.clickhouse.staging import Staging
from pipelines.destinations.layout import RawTable
from pipelines.destinations.retention import finish
from pipelines.tables import daily
from pipelines.tables.sources import COST_SOURCES


class Warehouse:
    """A database on a ClickHouse server with the tables of sql/."""

    kind = "clickhouse"

    def __init__(self, config: ClickHouseConfig, tag_columns: Sequence[str] | None = None) -> None:
        """`tag_columns`: the tag keys that it was migrated for; by default those configured."""
        self.config, self._tag_columns = config, tag_columns
        self.manager = ClickHouseManager(config)
        self._client = KeptClient(config)
        # who only asks what is published need not care
        weakref.finalize(self, _close, self.manager, self._client)
        self._definitions = Definitions(self.manager)
        self.history = History(self.manager)
        self._scratch = workdir.data_dir() / "landing" / self.kind

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _close(self.manager, self._client)

    # what is published

    def published(self, raw_table: RawTable) -> dict[str, str]:
        """The fingerprint of each partition that is current in raw and in what readers read."""
        raw = self._fingerprints(raw_table.clickhouse_name, raw_table.column)
        normalised = raw if raw_table.raw_only else self._fingerprints(*raw_table.read_table)
        days = (
            self._daily_fingerprints(raw_table)
            if raw_table.source_name in COST_SOURCES
            else normalised
        )
        found = {
            key: fingerprint
            for key, fingerprint in raw.items()
            if fingerprint and normalised.get(key) == fingerprint and days.get(key) == fingerprint
        }
        for key, (fingerprint, rows) in self.history.last(raw_table).items():
            if rows == 0 and key not in normalised and raw.get(key, fingerprint) == fingerprint:
                found[key] = (
                    fingerprint  # the provider emptied it: there is nothing to carry the mark
                )
        return found

    def provider(self, raw_table: RawTable) -> list[dict[str, str]]:
        """What the provider had when a run last listed it: partition and fingerprint."""
        sql = "select partition, fingerprint from provider_partitions final where word = %(word)s"
        rows = self.manager.execute(sql, {"word": raw_table.source_name})
        return [{"partition": key, "fingerprint": fingerprint} for key, fingerprint in rows]

    def remember_provider(self, raw_table: RawTable, partitions: Iterable[Partition]) -> None:
        """Note what a listing showed, so that a check can tell what has not been published."""
        known = {row["partition"]: row["fingerprint"] for row in self.provider(raw_table)}
        new = [p for p in partitions if known.get(p.key) != p.fingerprint]
        self.manager.execute_many(
            "insert into provider_partitions (word, partition, fingerprint, delivered_at) values",
            [(raw_table.source_name, p.key, p.fingerprint, p.delivered_at) for p in new],
            repeatable=True,  # ReplacingMergeTree
        )

    @contextmanager
    def locked(self, source_name: str) -> Iterator[None]:
        """The lock of a source's run: of the working folder, and of the database wherever it is."""
        path = workdir.lock_file(source_name, self.kind)
        with held(path, f"{source_name} ({path})"), leased(self.config, source_name), self:
            yield

    def landing(self, source_name: str) -> Path:
        """An empty local folder in which a delivery of `source_name` is landed."""
        return workdir.empty_folder(self._scratch, source_name)

    def explain(self, error: BaseException) -> str:
        """What an error that dlt met here means, with the fix."""
        return explain(error, self.config)

    def recover(self, raw_table: RawTable) -> None:
        """Note what killed runs published, drop what they left behind, finish their pruning."""
        self._complete_history(raw_table)
        workdir.remove(self._scratch, raw_table.source_name)
        finish(self.retention(raw_table))

    def retention(self, raw_table: RawTable) -> WarehouseRetention:
        """What is kept of a raw table, and how the rest is removed."""
        return WarehouseRetention(self.manager, raw_table)

    def readings(self, raw_table: RawTable) -> WarehouseReadings:
        """When each partition of a raw table was last read."""
        return WarehouseReadings(self.manager, raw_table)

    def _complete_history(self, raw_table: RawTable) -> None:
        left = left_behind(self.manager, raw_table)
        notes = [(table, note) for table, note in left.items() if note]
        published = self._fingerprints(*raw_table.read_table)
        self.history.complete(raw_table, published, notes)
        drop(self.manager, *left)

    def ingested(self, raw_table: RawTable) -> dict[str, str]:
        """Of each normalised partition the delivery and the recipe, as `<delivery>/<recipe>`."""
        fingerprints = self._fingerprints(raw_table.normalized_table, "x_partition")
        last, recipes = self.history.last(raw_table), self.history.recipes(raw_table)
        found = {
            key: f"{fingerprint}/{recipes.get(key) or ''}"
            for key, fingerprint in fingerprints.items()
        }
        for key, (fingerprint, rows) in last.items():
            if rows == 0 and key not in fingerprints:
                found[key] = f"{fingerprint}/{recipes.get(key) or ''}"
        known = {key: f"{fingerprint}/" for key, (fingerprint, _) in last.items()}
        return {key: each for key, each in found.items() if each.startswith(known.get(key, "?"))}

    # publishing

    def publish(self, raw_table: RawTable, folder: Path, delivery: Delivery) -> None:
        """Make the landed files of `folder` the partition, in raw and in normalised.

        Can be repeated from the start at any point. Raises PartitionError for what is wrong with
        the files, ClickHouseConnectionError when the server is unreachable.
        """
        where = f"{raw_table.source_name} {delivery.partition}"
        files = inspect([folder / str(file["name"]) for file in delivery.files], where)
        keys = self._keys()
        views = [] if raw_table.raw_only else views_of(raw_table.clickhouse_name, keys)
        left = self._definitions.look(raw_table, views, keys)
        self._add_columns(raw_table, files, where)
        with self._staging(raw_table, Note.of(raw_table, delivery), left) as staging:
            staging.fill(files, defaults_of(raw_table, files, delivery), views)
            self._sum_up(raw_table, staging)
            staging.publish(raw_table.clickhouse_name, staging.raw)
            if not raw_table.raw_only:
                self._publish_normalised(raw_table, staging)
            made = staging.raw if raw_table.raw_only else staging.normalised
            self.history.add(raw_table, staging.note, made)

    def publish_normalized(self, raw_table: RawTable, folder: Path, delivery: Delivery) -> None:
        """Make rows that are normalised already the partition; raw is left alone. Repeatable."""
        where = f"{raw_table.source_name} {delivery.partition}"
        files = inspect([folder / str(file["name"]) for file in delivery.files], where)
        left = self._definitions.look(raw_table, (), self._keys())
        columns = self._definitions.columns(raw_table.normalized_table)
        other = files.columns.keys() ^ columns.keys()
        if other:
            raise PartitionError(
                f"{where}: only one of the file and {raw_table.normalized_table} has "
                f"{', '.join(sorted(other))}. Give both sides the same normalize.tag_columns, then "
                f"run: python -m pipelines normalize {raw_table.source_name}, make init-clickhouse"
            )
        note = Note.of(raw_table, delivery, recipe=delivery.layout.partition(", ")[2])
        with self._staging(raw_table, note, left) as staging:
            staging.fill_normalised(files)
            self._sum_up(raw_table, staging)
            self._publish_normalised(raw_table, staging)
            self.history.add(raw_table, staging.note, staging.normalised)

    def _sum_up(self, raw_table: RawTable, staging: Staging) -> None:
        if raw_table.source_name in COST_SOURCES:
            staging.fill_daily(self._keys())

    def _publish_normalised(self, raw_table: RawTable, staging: Staging) -> None:
        """Days first: what is in the table of lines is in all."""
        if raw_table.source_name in COST_SOURCES:
            staging.publish_daily()
        staging.publish(raw_table.normalized_table, staging.normalised)

    def was_published(self, raw_table: RawTable, delivery: Delivery) -> bool:
        """Whether an earlier try of this very load got so far; the server went with its answer.

        Then the history has it, too.
        """
        tables = {(raw_table.clickhouse_name, raw_table.column), raw_table.read_table}
        if raw_table.source_name in COST_SOURCES:
            tables.add((daily.NAME, "x_partition"))
        for table, column in tables:
            source = (
                f"and x_source = {quoted(raw_table.source_name)}" if table == daily.NAME else ""
            )
            rows, mine = self.manager.execute(
                f"select count(), countIf(x_dlt_load_id = %(load)s) from {table} "
                f"where {column} = %(partition)s {source}",
                {"load": delivery.load_id, "partition": delivery.partition},
            )[0]
            if not rows or rows != mine:
                return False
        self._complete_history(raw_table)
        return True

    def _staging(self, raw_table: RawTable, note: Note, left: Sequence[str]) -> Staging:
        """New private tables. Those of an earlier try of the same job go, as in `recover`."""
        drop(self.manager, *left)
        return Staging(self.manager, self._client, raw_table, note)

    def _add_columns(self, raw_table: RawTable, files: Files, where: str) -> None:
        """Make raw hold every column and number of the files; a changed kind is refused by name."""
        have = self._definitions.columns(raw_table.clickhouse_name)
        new, wider = new_columns(files, have, where), wider_columns(files, have)
        changes = [f"add column if not exists `{name}` {kind}" for name, kind in new.items()]
        changes += [f"modify column `{name}` {kind}" for name, kind in wider.items()]
        if changes:
            self.manager.execute(f"alter table {raw_table.clickhouse_name} {', '.join(changes)}")

    def _keys(self) -> Sequence[str]:
        if self._tag_columns is not None:
            return self._tag_columns
        return dlt.config.get("normalize.tag_columns", list) or ()

    def _daily_fingerprints(self, raw_table: RawTable) -> dict[str, str]:
        return self._fingerprints(
            daily.NAME, "x_partition", f"where x_source = {quoted(raw_table.source_name)}"
        )

    def _fingerprints(self, table: str, column: str, where: str = "") -> dict[str, str]:
        """The one fingerprint of each partition; '' where a partition holds several."""
        # grouped by both, so that a projection can answer without reading every row
        sql = f"select {column}, x_fingerprint from {table} {where} group by 1, 2"
        found: dict[str, str] = {}
        for partition, fingerprint in self.manager.execute(sql):
            found[partition] = "" if partition in found else fingerprint
        return found


def _close(manager: ClickHouseManager, client: KeptClient) -> None:
    manager.close()
    client.close()

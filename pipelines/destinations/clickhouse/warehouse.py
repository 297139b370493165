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

from pipelines.clickhouse.schema.daily import require_rules
from pipelines.clickhouse.schema.statements import View, views_of
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.problems import explain
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core import workdir
from pipelines.core.lock import held
from pipelines.core.partition import Delivery, Partition, PartitionError
from pipelines.destinations.clickhouse.history import History, Note, utc
from pipelines.destinations.clickhouse.parquet_columns import (
    Files,
    inspect,
    maps_of_flat_columns,
    new_columns,
    wider_columns,
)
from pipelines.destinations.clickhouse.readings import WarehouseReadings
from pipelines.destinations.clickhouse.retention import WarehouseRetention
from pipelines.destinations.clickhouse.staging import Staging, connect, drop, left_behind
from pipelines.destinations.layout import Place
from pipelines.destinations.retention import finish
from pipelines.tables import daily
from pipelines.tables.sources import COST_WORDS

__all__ = ["Warehouse", "connect"]


class Warehouse:
    """A database on a ClickHouse server with the tables of sql/."""

    kind = "clickhouse"

    def __init__(self, config: ClickHouseConfig, tag_columns: Sequence[str] | None = None) -> None:
        """`tag_columns`: the tag keys that it was migrated for; by default those configured."""
        self.config, self._tag_columns = config, tag_columns
        self.manager = ClickHouseManager(config)
        weakref.finalize(self, self.manager.close)  # who only asks what is published need not care
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
        self.manager.close()

    # what is published

    def published(self, place: Place) -> dict[str, str]:
        """The fingerprint of each partition that is current in raw and in what readers read."""
        raw = self._fingerprints(place.raw_table, place.column)
        normalised = raw if place.raw_only else self._fingerprints(*place.read_table)
        days = self._daily_fingerprints(place) if place.word in COST_WORDS else normalised
        found = {
            key: mark
            for key, mark in raw.items()
            if mark and normalised.get(key) == mark and days.get(key) == mark
        }
        for key, (mark, rows) in self.history.last(place).items():
            if rows == 0 and key not in normalised and raw.get(key, mark) == mark:
                found[key] = mark  # the provider emptied it: there is nothing to carry the mark
        return found

    def provider(self, place: Place) -> list[dict[str, str]]:
        """What the provider had when a run last listed it: partition and fingerprint."""
        sql = "select partition, fingerprint from provider_partitions final where word = %(word)s"
        rows = self.manager.execute(sql, {"word": place.word})
        return [{"partition": key, "fingerprint": mark} for key, mark in rows]

    def remember_provider(self, place: Place, partitions: Iterable[Partition]) -> None:
        """Note what a listing showed, so that a check can tell what has not been published."""
        known = {row["partition"]: row["fingerprint"] for row in self.provider(place)}
        new = [p for p in partitions if known.get(p.key) != p.fingerprint]
        self.manager.execute_many(
            "insert into provider_partitions (word, partition, fingerprint, delivered_at) values",
            [(place.word, p.key, p.fingerprint, p.delivered_at) for p in new],
            repeatable=True,  # ReplacingMergeTree
        )

    @contextmanager
    def locked(self, word: str) -> Iterator[None]:
        """The lock of a word's run: of the working folder, and of the database wherever it is."""
        path = workdir.lock_file(word, self.kind)
        with held(path, f"{word} ({path})"), leased(self.config, word), self:
            yield

    def landing(self, word: str) -> Path:
        """An empty local folder in which a delivery of `word` is landed."""
        return workdir.empty_folder(self._scratch, word)

    def explain(self, error: BaseException) -> str:
        """What an error that dlt met here means, with the fix."""
        return explain(error, self.config)

    def recover(self, place: Place) -> None:
        """Note what killed runs published, drop what they left behind, finish their pruning."""
        self._complete_history(place)
        workdir.remove(self._scratch, place.word)
        finish(self.retention(place))

    def retention(self, place: Place) -> WarehouseRetention:
        """What is kept of a raw table, and how the rest is removed."""
        return WarehouseRetention(self.manager, place)

    def readings(self, place: Place) -> WarehouseReadings:
        """When each partition of a raw table was last read."""
        return WarehouseReadings(self.manager, place)

    def _complete_history(self, place: Place) -> None:
        left = left_behind(self.manager, place)
        notes = [(table, note) for table, note in left.items() if note]
        published = self._fingerprints(*place.read_table)
        self.history.complete(place, published, notes)
        drop(self.manager, *left)

    def ingested(self, place: Place) -> dict[str, str]:
        """Of each normalised partition the delivery and the recipe, as `<delivery>/<recipe>`."""
        marks = self._fingerprints(place.normalized_table, "x_partition")
        last, recipes = self.history.last(place), self.history.recipes(place)
        found = {key: f"{mark}/{recipes.get(key) or ''}" for key, mark in marks.items()}
        for key, (mark, rows) in last.items():
            if rows == 0 and key not in marks:
                found[key] = f"{mark}/{recipes.get(key) or ''}"
        known = {key: f"{mark}/" for key, (mark, _) in last.items()}
        return {key: each for key, each in found.items() if each.startswith(known.get(key, "?"))}

    # publishing

    def publish(self, place: Place, folder: Path, delivery: Delivery) -> None:
        """Make the landed files of `folder` the partition, in raw and in normalised.

        Can be repeated from the start at any point. Raises PartitionError for what is wrong with
        the files, ClickHouseConnectionError when the server is unreachable.
        """
        where = f"{place.word} {delivery.partition}"
        files = inspect([folder / str(file["name"]) for file in delivery.files], where)
        self._add_columns(place, files, where)
        note = Note.of(place, delivery)
        with self._staging(place, note) as staging:
            views = [] if place.raw_only else self._views(place)
            staging.fill(files, _defaults(place, files, delivery), views)
            self._sum_up(place, staging)
            staging.publish(place.raw_table, staging.raw)
            if not place.raw_only:
                self._publish_normalised(place, staging)
            self.history.add(place, note, staging.raw if place.raw_only else staging.normalised)

    def publish_normalized(self, place: Place, folder: Path, delivery: Delivery) -> None:
        """Make rows that are normalised already the partition; raw is left alone. Repeatable."""
        where = f"{place.word} {delivery.partition}"
        files = inspect([folder / str(file["name"]) for file in delivery.files], where)
        other = files.columns.keys() ^ self._columns(place.normalized_table).keys()
        if other:
            raise PartitionError(
                f"{where}: only one of the file and {place.normalized_table} has "
                f"{', '.join(sorted(other))}. Give both sides the same normalize.tag_columns, then "
                f"run: python -m pipelines normalize {place.word}, make init-clickhouse"
            )
        note = Note.of(place, delivery, recipe=delivery.form.partition(", ")[2])
        with self._staging(place, note) as staging:
            staging.fill_normalised(files)
            self._sum_up(place, staging)
            self._publish_normalised(place, staging)
            self.history.add(place, note, staging.normalised)

    def _sum_up(self, place: Place, staging: Staging) -> None:
        if place.word in COST_WORDS:
            keys = self._keys()
            require_rules(self.manager, keys)
            staging.fill_daily(keys)

    def _publish_normalised(self, place: Place, staging: Staging) -> None:
        """Days first: what is in the table of lines is in all."""
        if place.word in COST_WORDS:
            staging.publish_daily()
        staging.publish(place.normalized_table, staging.normalised)

    def was_published(self, place: Place, delivery: Delivery) -> bool:
        """Whether an earlier try of this very load got so far; the server went with its answer.

        Then the history has it, too.
        """
        tables = {(place.raw_table, place.column), place.read_table}
        if place.word in COST_WORDS:
            tables.add((daily.NAME, "x_partition"))
        for table, column in tables:
            source = f"and x_source = {quoted(place.word)}" if table == daily.NAME else ""
            rows, mine = self.manager.execute(
                f"select count(), countIf(x_dlt_load_id = %(load)s) from {table} "
                f"where {column} = %(partition)s {source}",
                {"load": delivery.load_id, "partition": delivery.partition},
            )[0]
            if not rows or rows != mine:
                return False
        self._complete_history(place)
        return True

    def _staging(self, place: Place, note: Note) -> Staging:
        """New private tables. Those of an earlier try of the same job go, as in `recover`."""
        drop(self.manager, *left_behind(self.manager, place))
        return Staging(self.config, self.manager, place, note)

    def _add_columns(self, place: Place, files: Files, where: str) -> None:
        """Make raw hold every column and number of the files; a changed kind is refused by name."""
        have = self._columns(place.raw_table)
        new, wider = new_columns(files, have, where), wider_columns(files, have)
        changes = [f"add column if not exists `{name}` {kind}" for name, kind in new.items()]
        changes += [f"modify column `{name}` {kind}" for name, kind in wider.items()]
        if changes:
            self.manager.execute(f"alter table {place.raw_table} {', '.join(changes)}")

    def _views(self, place: Place) -> list[View]:
        """The views of sql/ that read this raw table. Raises PartitionError for other ones here."""
        keys = self._keys()
        sql = (
            "select name, comment from system.tables where database = currentDatabase() "
            "and engine = 'MaterializedView' and name like %(name)s"
        )
        rows = self.manager.execute(sql, {"name": f"normalize\\_{place.word}%"})
        have: dict[str, str] = dict(rows)
        views = views_of(place.raw_table, keys)
        for view in views:
            if view.name not in have:
                raise PartitionError(
                    f"{self.config.database} has no view {view.name}, which normalises "
                    f"{place.raw_table}. Run: make init-clickhouse"
                )
            if have[view.name] != view.comment:
                raise PartitionError(
                    f"The view {view.name} of {self.config.database} has other rules, or other "
                    "normalize.tag_columns, than this installation. Run: make init-clickhouse"
                )
        return views

    def _keys(self) -> Sequence[str]:
        if self._tag_columns is not None:
            return self._tag_columns
        return dlt.config.get("normalize.tag_columns", list) or ()

    def _daily_fingerprints(self, place: Place) -> dict[str, str]:
        return self._fingerprints(
            daily.NAME, "x_partition", f"where x_source = {quoted(place.word)}"
        )

    def _fingerprints(self, table: str, column: str, where: str = "") -> dict[str, str]:
        """The one fingerprint of each partition; '' where a partition holds several."""
        # grouped by both, so that a projection can answer without reading every row
        sql = f"select {column}, x_fingerprint from {table} {where} group by 1, 2"
        found: dict[str, str] = {}
        for partition, mark in self.manager.execute(sql):
            found[partition] = "" if partition in found else mark
        return found

    def _columns(self, table: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self.manager.execute(f"describe table {table}")}


def _defaults(place: Place, files: Files, delivery: Delivery) -> dict[str, str]:
    """What the rows of a delivery have in common, as expressions by column."""
    defaults = {
        place.column: quoted(delivery.partition),
        "x_fingerprint": quoted(delivery.fingerprint),
        "x_dlt_load_id": quoted(delivery.load_id),
        "x_delivered_at": quoted(utc(delivery.delivered_at)),
        "x_form": quoted(delivery.form.partition(",")[0]),
    }
    return defaults | maps_of_flat_columns(files)

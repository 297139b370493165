"""How a partition is published whole on ClickHouse, and what is published there.

One repeatable job per partition on private staging tables: insert the files, count the rows,
normalise with the materialized view's own select, then `replace partition` for raw and for
normalised. The fingerprint is a column, so it is published with the data in the same statement; a
partition is current only when raw and normalised say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.tools import insert_file

from pipelines.clickhouse.config import ClickHouseConfig
from pipelines.clickhouse.lease import leased
from pipelines.clickhouse.manager import ClickHouseManager
from pipelines.clickhouse.statements import quoted
from pipelines.destinations import workdir
from pipelines.destinations.history import History, utc
from pipelines.destinations.layout import Place
from pipelines.destinations.parquet_columns import Files, inspect, map_of_flat_tags, new_columns
from pipelines.lock import held
from pipelines.partitions import Delivery, Partition, PartitionError

_THREADS = 2
_INSERT = {
    "async_insert": 0,
    "input_format_skip_unknown_fields": 0,
    "input_format_null_as_default": 1,  # only maps have a default, {}; all else is Nullable
    "max_insert_threads": 1,
}


@contextmanager
def connect(config: ClickHouseConfig) -> Iterator[Client]:
    """A clickhouse-connect client (HTTP), for files."""
    client = clickhouse_connect.get_client(
        **config.to_connect_arguments(),
        autogenerate_session_id=False,
        send_receive_timeout=3600,
    )
    try:
        yield client
    finally:
        client.close()


class Warehouse:
    """A database on a ClickHouse server with the tables of sql/."""

    kind = "clickhouse"

    def __init__(self, config: ClickHouseConfig) -> None:
        self.config = config
        self.manager = ClickHouseManager(config)
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
        """The fingerprint of each partition that is current in raw and in normalised."""
        raw = self._fingerprints(place.raw_table, place.column)
        normalised = self._fingerprints(place.normalized_table, "x_partition")
        found = {key: mark for key, mark in raw.items() if mark and normalised.get(key) == mark}
        for key, (mark, rows) in self.history.last(place).items():
            if rows == 0 and key not in normalised and raw.get(key, mark) == mark:
                found[key] = mark  # the provider emptied it: there is nothing to carry the mark
        return found

    def remember_provider(self, place: Place, partitions: Iterable[Partition]) -> None:
        """Note what a listing showed, so that a check can tell what has not been published."""
        sql = "select partition, fingerprint from provider_partitions final where word = %(word)s"
        known = {row[0]: row[1] for row in self.manager.execute(sql, {"word": place.word})}
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
        with held(path, f"{word} ({path})"), leased(self.config, word):
            yield

    def landing(self, word: str) -> Path:
        """An empty local folder in which a delivery of `word` is landed."""
        return workdir.empty_folder(self._scratch, word)

    def recover(self, place: Place) -> None:
        """Note what killed runs published, and drop what they left behind."""
        self.history.complete(place, self._fingerprints(place.normalized_table, "x_partition"))
        workdir.remove(self._scratch, place.word)
        sql = (
            "select name from system.tables where database = currentDatabase() and name like %(n)s"
        )
        for (name,) in self.manager.execute(sql, {"n": f"\\_stage\\_{place.word}\\_\\_%"}):
            self._drop(name)

    def ingested(self, place: Place) -> dict[str, str]:
        """Of each normalised partition the delivery and the recipe, as `<delivery>/<recipe>`."""
        marks = self._fingerprints(place.normalized_table, "x_partition")
        last, recipes = self.history.last(place), self.history.recipes(place)
        found = {key: f"{mark}/{recipes.get(key) or ''}" for key, mark in marks.items()}
        for key, (mark, rows) in last.items():
            if rows == 0 and key not in marks:
                found[key] = f"{mark}/{recipes.get(key) or ''}"
        return {key: each for key, each in found.items() if each.startswith(f"{last[key][0]}/")}

    # publishing

    def publish(self, place: Place, folder: Path, delivery: Delivery) -> None:
        """Make the landed files of `folder` the partition, in raw and in normalised.

        Can be repeated from the start at any point. Raises PartitionError for what is wrong with
        the files, ClickHouseConnectionError when the server has gone.
        """
        where = f"{place.word} {delivery.partition}"
        files = inspect([folder / str(file["name"]) for file in delivery.files], where)
        self._add_columns(place, files, where)
        token = f"_stage_{place.word}__{uuid4().hex[:12]}"
        raw, normalised = f"{token}_raw", f"{token}_norm"
        try:
            self._stage(place, raw, files, delivery)
            self._check_staged(place.column, where, raw, files, delivery)
            self.manager.execute(f"create table {normalised} as {place.normalized_table}")
            for view in self._views(place):
                self._normalize(place, view, raw, normalised)
            self._replace(place.raw_table, delivery.partition, raw)
            self._replace(place.normalized_table, delivery.partition, normalised)
        finally:
            self._drop_quietly(raw, normalised)
        self.history.add(place, delivery.partition, delivery.fingerprint, delivery)

    def publish_normalized(self, place: Place, folder: Path, delivery: Delivery) -> None:
        """Make rows that are normalised already the partition; raw is left alone. Repeatable."""
        where = f"{place.word} {delivery.partition}"
        files = inspect([folder / str(file["name"]) for file in delivery.files], where)
        have = {name for name, _ in self._columns(place.normalized_table)}
        if unknown := sorted(set(files.columns) - have):
            raise PartitionError(
                f"{where}: {place.normalized_table} has no {', '.join(unknown)}. Give both sides "
                "the same normalize.tag_columns, then run: make init-clickhouse"
            )
        staged = f"_stage_{place.word}__{uuid4().hex[:12]}_norm"
        try:
            self.manager.execute(f"create table {staged} as {place.normalized_table}")
            with connect(self.config) as client:
                for path in files.paths:
                    _insert(client, staged, path, self.config)
            self._check_staged("x_partition", where, staged, files, delivery)
            self._replace(place.normalized_table, delivery.partition, staged)
        finally:
            self._drop_quietly(staged)
        recipe = delivery.form.partition(", ")[2]
        self.history.add(place, delivery.partition, delivery.fingerprint, delivery, recipe)

    def _add_columns(self, place: Place, files: Files, where: str) -> None:
        """New columns of a month become columns of raw; a changed kind is refused by name."""
        new = new_columns(files, dict(self._columns(place.raw_table)), where)
        if new:
            added = [f"add column if not exists `{name}` {kind}" for name, kind in new.items()]
            self.manager.execute(f"alter table {place.raw_table} {', '.join(added)}")

    def _stage(self, place: Place, raw: str, files: Files, delivery: Delivery) -> None:
        """A private table like raw, whose defaults are this delivery's, with the files in it."""
        defaults = {
            place.column: quoted(delivery.partition),
            "x_fingerprint": quoted(delivery.fingerprint),
            "x_dlt_load_id": quoted(delivery.load_id),
            "x_delivered_at": quoted(utc(delivery.delivered_at)),
            "x_form": quoted(delivery.form.partition(",")[0]),
        }
        if tags := map_of_flat_tags(files):
            defaults["resource_tags"] = tags
        self.manager.execute(f"create table {raw} as {place.raw_table}")
        changes = [f"modify column {name} default {value}" for name, value in defaults.items()]
        self.manager.execute(f"alter table {raw} {', '.join(changes)}")
        with connect(self.config) as client, ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(lambda path: _insert(client, raw, path, self.config), files.paths))

    def _check_staged(
        self, column: str, where: str, staged: str, files: Files, delivery: Delivery
    ) -> None:
        foreign = f"{column} != %(partition)s or x_fingerprint != %(fingerprint)s"
        count, strangers = self.manager.execute(
            f"select count(), countIf({foreign}) from {staged}",
            {"partition": delivery.partition, "fingerprint": delivery.fingerprint},
        )[0]
        if count != files.rows or strangers:
            raise PartitionError(
                f"{where}: {count:,} rows were staged, {strangers:,} of them of another partition; "
                f"the files have {files.rows:,}. Run again."
            )

    def _views(self, place: Place) -> list[str]:
        """The selects of the materialized views that fire on this raw table."""
        sql = (
            "select as_select from system.tables where database = currentDatabase() "
            "and engine = 'MaterializedView' and name like %(name)s order by name"
        )
        return [row[0] for row in self.manager.execute(sql, {"name": f"normalize\\_{place.word}%"})]

    def _normalize(self, place: Place, view: str, raw: str, normalised: str) -> None:
        """The view's own select over the staging table, by column name as the view itself does."""
        source = f"{self.config.database}.{place.raw_table}"
        if view.count(source) != 1:
            raise PartitionError(
                f"{source} does not stand once in its view. Run: make init-clickhouse"
            )
        select = view.replace(source, raw)
        columns = ", ".join(f"`{row[0]}`" for row in self.manager.execute(f"describe ({select})"))
        self.manager.execute(f"insert into {normalised} ({columns}) {select}")

    def _replace(self, table: str, partition: str, staged: str) -> None:
        """One step for readers; from an empty table the partition is dropped on purpose."""
        literal = quoted(partition)
        if self.manager.execute(f"select count() from {staged}")[0][0]:
            self.manager.execute(f"alter table {table} replace partition {literal} from {staged}")
        else:
            self.manager.execute(f"alter table {table} drop partition {literal}")

    # small things

    def _fingerprints(self, table: str, column: str) -> dict[str, str]:
        """The one fingerprint of each partition; '' where a partition holds several."""
        sql = (
            f"select {column}, if(min(x_fingerprint) = max(x_fingerprint), min(x_fingerprint), '')"
        )
        return {row[0]: row[1] for row in self.manager.execute(f"{sql} from {table} group by 1")}

    def _columns(self, table: str) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self.manager.execute(f"describe table {table}")]

    def _drop(self, table: str) -> None:
        self.manager.execute(f"drop table if exists {table} sync")

    def _drop_quietly(self, *tables: str) -> None:
        """After a failure the server may have gone: the next run removes orphans."""
        for table in tables:
            try:
                self._drop(table)
            except Exception:  # noqa: BLE001, S112 (the first error counts, and cleaning is the next run's)
                continue


def _insert(client: Client, table: str, path: Path, config: ClickHouseConfig) -> None:
    insert_file(client, table, str(path), fmt="Parquet", database=config.database, settings=_INSERT)

"""Compute the marts of the filesystem destination, each by its one select in sql/marts.

A mart is computed when what it reads or its select has changed, and published as one file: a
reader sees the old or the new. One that is `made per partition` of a source has a file for each,
and only those of changed partitions are computed. In ClickHouse the same selects fill tables
(stored.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, partial
from itertools import takewhile

import pyarrow as pa

from pipelines.clickhouse.schema.marts import Mart, mart_selects
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.core import workdir
from pipelines.core.lock import held
from pipelines.core.partition import Delivery, Run, now
from pipelines.core.registry import SOURCES
from pipelines.destinations.filesystem.readings import note_run
from pipelines.destinations.filesystem.store import Store
from pipelines.marts.catalogue import (
    DuckConnection,
    mart_views,
    published_connection,
    raw_list_views,
    raw_view,
    runs_view,
    store_connection,
    urls,
)
from pipelines.marts.files import LOCK, inputs_of, listing, publish, publish_rows
from pipelines.marts.inputs import (
    DELIVERIES,
    LISTS,
    RUNS,
    digest,
    digests,
    lists_in,
    names_in,
    tables_in,
    words,
)
from pipelines.marts.kept import bring_to_duckdb
from pipelines.marts.order import in_order
from pipelines.marts.sums import summed_table
from pipelines.normalize.run import tag_columns
from pipelines.tables import daily
from pipelines.tables.schema import arrow_of
from pipelines.tables.shapes import RETIRED_MARTS, arrow_shape, mart_columns

log = logging.getLogger(__name__)


def compute(store: Store) -> list[str]:
    """Publish every mart that is not current; their names. Raises Busy when another run does so."""
    with ExitStack() as locks:
        for path in store.lock_files(LOCK):
            locks.enter_context(held(path, f"{LOCK} ({path})"))
        workdir.remove(store.scratch, LOCK)  # what a killed run left
        _remove_retired(store)
        marts, started = mart_selects(SQL, tag_columns()), now()
        made = [*_whole_marts(store, marts), *_marts_by_partition(store, marts)]
        if set(made) - {mart.name for mart in marts if mart.is_as_of_now}:
            run = Run(LOCK, LOCK, started, now(), "well", loaded=len(made))
            note_run(store, run)
        return made


def _whole_marts(store: Store, marts: Sequence[Mart]) -> Iterator[str]:
    """Each from its files of before, or else computed after those that it reads."""
    wanted = [mart for mart in marts if not mart.source_name]
    made_of = digests(wanted, tag_columns(), partial(_version, store))
    stale = [m for m in wanted if inputs_of(store, store.computed(m.name)) != made_of[m.name]]
    if all(mart.is_as_of_now for mart in stale):
        for mart in stale:
            _publish_as_of_now(store, mart, made_of)
            yield mart.name
        return
    connection = _connection_for(store, marts, stale)
    named = {mart.name: mart for mart in stale}
    needs = {mart.name: _before(mart, named) for mart in stale}
    needed = {name for names in needs.values() for name in names}
    columns = mart_columns(tag_columns())

    def publish_one(name: str) -> None:
        own = connection.another()
        rows = _publish_table(store, own, named[name], arrow_of(columns[name]), made_of[name])
        if name in needed:
            own.table(name, rows)

    yield from in_order(needs, publish_one)


def _connection_for(store: Store, marts: Sequence[Mart], stale: Sequence[Mart]) -> DuckConnection:
    """All that these marts read but each other."""
    wanted = [mart for mart in marts if not mart.source_name]
    read = names_in(stale)
    views = [m for m in marts if m.source_name and not m.is_of_raw and m.name in read]
    read |= names_in(views)
    connection = published_connection(store, read)
    if daily.NAME in read:
        summed_table(store, connection, wanted, tag_columns())
    bring_to_duckdb(connection, [mart.select for mart in stale])
    raw_list_views(connection, store, sorted({name for mart in stale for name in lists_in(mart)}))
    mart_views(connection, store, [m.name for m in wanted if m not in stale and m.name in read])
    for mart in views:
        connection.duck.execute(f"create view {mart.name} as {mart.select}")
    return connection


def _before(mart: Mart, computed: Collection[str]) -> list[str]:
    """Those of the marts that are computed which a mart reads: their files come before its own."""
    earlier = takewhile(lambda name: name != mart.name, computed)
    return [name for name in earlier if name in words(mart.select)]


def _publish_table(
    store: Store, connection: DuckConnection, mart: Mart, schema: pa.Schema, made_of: str
) -> pa.Table:
    """Publish a mart whole; its rows, as they are read."""
    duck = connection.duck
    duck.execute(f"create temp table _rows as {mart.select}")  # planned only once
    rows = duck.table("_rows").to_arrow_table().select(schema.names).cast(schema)
    count = publish_rows(store, [rows], schema, store.computed(mart.name), made_of)
    log.info("mart %s: %s rows", mart.name, f"{count:,}")
    return rows


def _publish_as_of_now(store: Store, mart: Mart, made_of: Mapping[str, str]) -> None:
    """From the runs and from marts, all of them current: no history is listed for it."""
    connection = store_connection(store)
    runs_view(connection, store)
    mart_views(
        connection, store, [name for name in made_of if name in tables_in(mart.select, made_of)]
    )
    _publish(store, connection, mart, store.computed(mart.name), made_of[mart.name])


def _remove_retired(store: Store) -> None:
    for name in RETIRED_MARTS:
        folder = store.computed(name).rpartition("/")[0]
        if store.glob(f"{folder}/*"):
            store.remove_folder(LOCK, folder)
            log.info("mart %s: removed, which is no longer computed", name)


def _marts_by_partition(store: Store, marts: Sequence[Mart]) -> Iterator[str]:
    for mart in (mart for mart in marts if mart.source_name):
        raw_table = SOURCES[mart.source_name].raw_table
        deliveries = cache(partial(store.deliveries, raw_table))  # read when a partition is stale
        for partition, footer in store.footers(raw_table).items():
            target = store.mart(mart.name, mart.source_name, partition)
            made_of = digest(mart.select, *(footer.get(k, "") for k in ("fingerprint", "recipe")))
            if inputs_of(store, target) == made_of:
                continue
            connection = _connection_to(store, mart, partition, footer, deliveries)
            if connection is None:
                continue
            _publish(store, connection, mart, target, made_of)
            yield f"{mart.name} {partition}"


def _connection_to(
    store: Store,
    mart: Mart,
    partition: str,
    footer: Mapping[str, str],
    deliveries: Callable[[], Mapping[str, Delivery]],
) -> DuckConnection | None:
    """The one partition that a mart is made of.

    None when it reads raw rows that are elsewhere, or of another delivery than the normalised one.
    """
    entry = SOURCES[mart.source_name]
    if mart.is_of_raw:
        delivery = deliveries().get(partition)
        if delivery is None or delivery.fingerprint != footer.get("fingerprint"):
            return None
        connection = store_connection(store)
        raw_view(connection, store, entry, {partition: delivery})
        return connection
    connection = DuckConnection()
    files = urls(store, [store.normalized(entry.raw_table, partition)])
    connection.view(
        entry.raw_table.normalized_table, files, arrow_shape(mart.source_name, tag_columns())
    )
    return connection


def _version(store: Store, table: str) -> str:
    """The listing of a table's files."""
    if table in LISTS:
        pattern = f"{LISTS[table].dataset}/{LISTS[table].table}/*/*.parquet"
    elif table in (DELIVERIES, RUNS):
        pattern = f"{table}/*.parquet"
    elif table == daily.NAME:
        pattern = f"marts/{daily.NAME}/*.parquet"
    else:
        pattern = f"{table}/*/*.parquet"
    # a run of this very computing is no reason to compute
    return listing(store, f"{store.root}/{pattern}", besides=store.runs(LOCK))


def _publish(
    store: Store, connection: DuckConnection, mart: Mart, published: str, made_of: str
) -> None:
    schema = arrow_of(mart_columns(tag_columns())[mart.name])
    count = publish(store, connection, mart.select, schema, published, made_of)
    log.info("mart %s: %s rows", mart.name, f"{count:,}")

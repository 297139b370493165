"""Cost by day without resources and prices, a file per partition: a night's marts are made of it.

No mart tells two resources or two prices apart. Summed over them, a month is a fraction of its
daily rows, and a night sums only the months that changed: it does not grow with the history.
Readers have `costs_daily`; these files are for computing alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from pipelines.clickhouse.schema.marts import Mart
from pipelines.destinations.filesystem.store import Store
from pipelines.marts.catalogue import DuckConnection, store_connection, urls
from pipelines.marts.files import LOCK, publish, version
from pipelines.marts.inputs import digest, words
from pipelines.tables import daily
from pipelines.tables.schema import Column, arrow_of

_FILES = "sums"
_APART = ("list_cost > 0",)
"""Conditions of marts on a sum itself: rows for which they hold stay apart from the others."""


def summed_view(
    store: Store, connection: DuckConnection, marts: Sequence[Mart], tag_columns: Sequence[str]
) -> None:
    """Make `costs_daily` in the connection a view of sums, with the columns that `marts` name.

    Sums of partitions that changed are made first, those of partitions that are gone removed.
    """
    everything = daily.daily_columns(tag_columns)
    columns = _named(everything, marts)
    select, schema = _select(columns), arrow_of(columns)
    known, there = _noted(store), set(store.glob(store.sums("*")))
    made: dict[str, str] = {}
    for path in store.glob(store.mart(daily.NAME, "*", "*")):
        name = PurePosixPath(path).name
        made[name] = digest(select, version(store, path))
        if store.sums(name) not in there or known.get(name) != made[name]:
            source = store_connection(store)
            source.view(daily.NAME, urls(store, [path]), arrow_of(everything))
            publish(store, source, select, schema, store.sums(name), made[name])
    files = [store.sums(name) for name in made]
    for path in there - {*files}:
        store.fs.rm_file(path)
    if made != known:
        _note(store, made)
    connection.view(_FILES, urls(store, files), schema)
    connection.duck.execute(f"create table {daily.NAME} as from {_FILES}")  # read once for all


def _noted(store: Store) -> dict[str, str]:
    """By file what it was made of: one read, however many partitions there are."""
    try:
        found: dict[str, str] = json.loads(store.read(store.sums_note()))
    except FileNotFoundError:
        return {}
    return found


def _note(store: Store, made: Mapping[str, str]) -> None:
    target = store.target(LOCK)
    target.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    store.publish_file(target, store.sums_note())


def _named(columns: Sequence[Column], marts: Sequence[Mart]) -> list[Column]:
    named = frozenset[str]().union(*(words(mart.select) for mart in marts))
    return [column for column in columns if column.name in named]


def _select(columns: Sequence[Column]) -> str:
    summed = daily.sum_names()
    keys = [column.name for column in columns if column.name not in summed]
    selected = [f"sum({c.name}) as {c.name}" if c.name in summed else c.name for c in columns]
    apart = ", ".join([*keys, *_APART])
    return f"select {', '.join(selected)} from {daily.NAME} group by {apart}"

"""Cost by day without resources and prices, a file per year: a night's marts are made of it.

No mart tells two resources or two prices apart. Summed over them, a month is a fraction of its
daily rows, and a night sums only the partitions that changed: it does not grow with the history.
Readers have `costs_daily`; these files are for computing alone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

import pyarrow as pa

from pipelines.clickhouse.schema.marts import Mart
from pipelines.clickhouse.server.quoting import quoted
from pipelines.destinations.filesystem.store import LocalStore, Store
from pipelines.marts.catalogue import DuckConnection, parquet, urls
from pipelines.marts.files import inputs_of, publish, version
from pipelines.marts.inputs import digest, names_in, words
from pipelines.tables import daily
from pipelines.tables.schema import Column, arrow_of

_FILE = "x_file"
"""A column of the sums: the file of daily rows that a row is made of."""
_APART = ("list_cost > 0",)
"""Conditions of marts on a sum itself: rows for which they hold stay apart from the others."""


def summed_table(
    store: Store, connection: DuckConnection, marts: Sequence[Mart], tag_columns: Sequence[str]
) -> None:
    """Make `costs_daily` in the connection the sums, with the columns that `marts` name.

    Files of the years in which a partition changed or is gone are published again first. On a local
    disk it is a view of the files: a mart decodes the few columns that it reads, which takes less
    than to bring all of them into memory. An object store is read once.
    """
    everything = daily.daily_columns(tag_columns)
    columns = _named(everything, marts)
    select = _select(columns)
    schema = arrow_of(columns).append(pa.field(_FILE, pa.string()))
    by_year: dict[str, dict[str, str]] = {}
    for path in store.glob(store.mart(daily.NAME, "*", "*")):
        made_of = digest(select, version(store, path))
        by_year.setdefault(store.sums(_year(path)), {})[path] = made_of
    for path, inputs in by_year.items():
        known = _known(store, path)
        if inputs == known:
            continue
        parts = []
        if kept := [each for each in inputs if known.get(each) == inputs[each]]:
            parts.append(f"from {parquet(urls(store, [path]))} where {_of(kept)}")
        if changed := [each for each in inputs if each not in kept]:
            rows = f"_{PurePosixPath(path).stem.replace('-', '_')}"
            connection.view(rows, urls(store, changed), arrow_of(everything), file=_FILE)
            parts.append(select.format(rows=rows))
        publish(store, connection, _all(parts), schema, path, json.dumps(inputs))
    _remove_others(store, by_year)
    if not by_year:
        connection.table(daily.NAME, schema.empty_table())
        return
    kind = "view" if isinstance(store, LocalStore) else "table"
    files = parquet(urls(store, [*by_year]))
    connection.duck.execute(f"create {kind} {daily.NAME} as select * exclude {_FILE} from {files}")


def _year(path: str) -> str:
    """The file of sums that a file of daily rows is in: aws-2026.parquet of aws-2026-10.parquet."""
    source_name, _, partition = PurePosixPath(path).name.partition("-")
    return f"{source_name}-{partition[:4]}.parquet"


def _known(store: Store, path: str) -> Mapping[str, str]:
    """By file of daily rows what its sums were made of; {} when there are none."""
    found: Mapping[str, str] = json.loads(inputs_of(store, path) or "{}")
    return found


def _all(selects: Sequence[str]) -> str:
    return " union all by name ".join(f"({select})" for select in selects)


def _of(paths: Collection[str]) -> str:
    """The condition for rows that are made of these files of daily rows."""
    return f"{_FILE} in ({', '.join(quoted(PurePosixPath(path).name) for path in paths)})"


def _remove_others(store: Store, files: Collection[str]) -> None:
    """Years that are gone, and what older versions had: a file per partition, and one note."""
    for path in {*store.glob(store.sums("*")), *store.glob(f"{store.root}/sums.json")} - {*files}:
        store.fs.rm_file(path)


def _named(columns: Sequence[Column], marts: Sequence[Mart]) -> list[Column]:
    named = names_in(mart for mart in marts if daily.NAME in words(mart.select))
    return [column for column in columns if column.name in named]


def _select(columns: Sequence[Column]) -> str:
    """Of the daily rows in {rows}, in which the column x_file is a path."""
    summed = daily.sum_names()
    keys = [column.name for column in columns if column.name not in summed]
    selected = [f"sum({c.name}) as {c.name}" if c.name in summed else c.name for c in columns]
    file = f"parse_filename({_FILE}) as {_FILE}"
    apart = ", ".join([*keys, _FILE, *_APART])
    return f"select {', '.join([*selected, file])} from {{rows}} group by {apart}"

"""The queries that Rill makes of a metrics view, on DuckDB over parquet and on ClickHouse.

Simple measures are aggregates by the dimensions asked for; derived ones are computed from those
they require, window ones over the rows of the time series, for each value of the other dimension.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from scripts.bench.data.boards import RILL_SETTINGS
from tests.support.rill.project import Project, dimensions, measures

Rows = list[tuple[Any, ...]]


class Engine(Protocol):
    """Runs a model's SQL, and queries over models by their names."""

    def model(self, name: str, sql: str) -> None:
        """Make a model."""

    def rows(self, sql: str) -> Rows:
        """The rows of a query."""


@dataclass
class DuckEngine:
    """Rill's environment dev: relative paths start at the project."""

    root: Path

    def __post_init__(self) -> None:
        self.duck = duckdb.connect(":memory:")
        self.duck.execute("set timezone = 'UTC'")

    def model(self, name: str, sql: str) -> None:
        """A copy of the parquet files."""
        found = sql.replace("read_parquet('", f"read_parquet('{self.root}/")
        self.duck.execute(f'create or replace table "{name}" as {found}')

    def rows(self, sql: str) -> Rows:
        """The rows of a query."""
        return self.duck.execute(sql).fetchall()


@dataclass
class ClickHouseEngine:
    """Rill's environment prod: models in a database of its own."""

    config: ClickHouseConfig

    def __post_init__(self) -> None:
        self.manager = ClickHouseManager(self.config)

    def model(self, name: str, sql: str) -> None:
        """A view, as Rill makes of a model."""
        self.manager.execute(f"create view `{name}` as {sql}")

    def rows(self, sql: str) -> Rows:
        """The rows of a query, under the settings that Rill sends with each."""
        return self.manager.execute(f"{sql} settings {RILL_SETTINGS}")


def query(view: Mapping[str, Any], by: Mapping[str, str], wanted: Sequence[str]) -> str:
    """The SQL for measures by dimensions (name and SQL of each)."""
    known = measures(view)
    simple = [name for name in known if _is_simple(known[name]) and _needed(name, wanted, known)]
    columns = [f"{sql} as {_alias(name)}" for name, sql in by.items()]
    columns += [f"{known[name]['expression']} as {name}" for name in simple]
    group = f" group by {', '.join(str(n + 1) for n in range(len(by)))}" if by else ""
    inner = f'select {", ".join(columns)} from "{view["model"]}"{group}'
    outer = [_alias(name) for name in by] + [_outer(known[name], view, by) for name in wanted]
    return f"select {', '.join(outer)} from ({inner}) as aggregated"


def queries(view: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is asked for, and the SQL: every measure in all, by time, and by every dimension."""
    known, all_dimensions = measures(view), dimensions(view)
    plain = [name for name in known if "window" not in known[name]]
    windows = [name for name in known if "window" in known[name]]
    yield "in all", query(view, {}, plain)
    series = view.get("timeseries")
    for name, sql in all_dimensions.items():
        by = {name: sql}
        yield f"by {name}", query(view, by, plain)
        if windows and series and name != series:
            yield f"over time by {name}", query(view, {series: _trunc(view), name: sql}, windows)
    if series:
        by = {series: _trunc(view)}
        yield "over time", query(view, by, [*plain, *windows])


def at_grain(view: Mapping[str, Any], grain: str, wanted: Sequence[str]) -> str:
    """The SQL for measures over time at a grain."""
    return query(view, {view["timeseries"]: _trunc(view, grain)}, wanted)


def _trunc(view: Mapping[str, Any], grain: str = "") -> str:
    grain = grain or view["smallest_time_grain"]
    return f"date_trunc('{grain}', \"{view['timeseries']}\")"


def _alias(name: str) -> str:
    return f'"by_{name}"'


def _is_simple(measure: Mapping[str, Any]) -> bool:
    return not measure.get("requires")


def _needed(name: str, wanted: Sequence[str], known: Mapping[str, Mapping[str, Any]]) -> bool:
    return name in wanted or any(name in _below(each, known) for each in wanted)


def _below(name: str, known: Mapping[str, Mapping[str, Any]]) -> set[str]:
    found: set[str] = set(known[name].get("requires", []))
    return found.union(*(_below(each, known) for each in found)) if found else found


def _outer(measure: Mapping[str, Any], view: Mapping[str, Any], by: Mapping[str, str]) -> str:
    if _is_simple(measure):
        return str(measure["name"])
    text = str(measure["expression"])
    if window := measure.get("window"):
        others = [_alias(name) for name in by if name != window["order"]]
        parts = f"partition by {', '.join(others)} " if others else ""
        order = f"order by {_alias(window['order'])}"
        text = f"{text} over ({parts}{order} {window['frame']})"
    return f"{text} as {measure['name']}"


def differences(one: Rows, other: Rows, keys: int) -> list[tuple[Any, Any]]:
    """The rows that two engines do not agree on; amounts within 1e-9 of their size."""
    mine, theirs = _by_key(one, keys), _by_key(other, keys)
    return [
        (mine.get(key), theirs.get(key))
        for key in sorted(mine.keys() | theirs.keys(), key=repr)
        if not (key in mine and key in theirs and _are_same(mine[key], theirs[key]))
    ]


def _by_key(rows: Rows, keys: int) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    plain = [tuple(_plain(value) for value in row) for row in rows]
    found = {row[:keys]: row for row in plain}
    assert len(found) == len(plain), "a key is there twice"
    return found


def _plain(value: Any) -> Any:
    """One type for what both engines mean: numbers as float, days and times as ISO text."""
    if isinstance(value, bool | int | float | Decimal):
        return None if isinstance(value, float) and math.isnan(value) else float(value)
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=None).isoformat()
        return moment.removesuffix("T00:00:00")
    return value.isoformat() if isinstance(value, date) else value


def _are_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-10)
        if isinstance(a, float) and isinstance(b, float)
        else a == b
        for a, b in zip(one, other, strict=True)
    )


def make_models(project: Project, engine: Engine, environment: str, **env: str) -> None:
    """Every model of the project on an engine."""
    for name in project.of("model"):
        engine.model(name, project.sql(name, environment, **env))

"""The queries that a Rill board sends: one per number, chart and leaderboard, as its files say.

Every model is a select of a published table; derived measures are computed from those they require,
windows over the rows of a chart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.bench.process import ROOT

RILL = ROOT / "viz_rill"
RILL_SETTINGS = "cast_keep_nullable = 1, join_use_nulls = 1, session_timezone = 'UTC'"
"""What Rill sends with every query."""


def queries(board: str, database: str, root: Path = RILL) -> Iterator[tuple[str, str]]:
    """What each item of a board asks for, and the SQL on ClickHouse."""
    for row in _read(root / "dashboards" / f"{board}.yaml")["rows"]:
        for item in row["items"]:
            for kind, of in item.items():
                if kind not in ("width", "markdown"):
                    view = _read(root / "metrics" / f"{of['metrics_view']}.yaml")
                    yield from _of_item(kind, of, _View(view, _source(root, view, database)))


def _of_item(kind: str, of: Mapping[str, Any], view: _View) -> Iterator[tuple[str, str]]:
    where = f"{of['metrics_view']} {of.get('title', kind)}"
    if kind == "kpi_grid":
        for measure in of["measures"]:
            yield f"{where}: {measure}", view.select([], [measure])
    elif kind == "leaderboard":
        for dimension in of["dimensions"]:
            rows = f" order by 2 desc limit {of['num_rows']}"
            yield f"{where}: {dimension}", view.select([dimension], of["measures"]) + rows
    elif kind == "table":
        measures = [name for name in of["columns"] if name in view.measures]
        yield where, view.select([n for n in of["columns"] if n not in measures], measures)
    else:
        color = of["color"] if isinstance(of["color"], dict) else {}
        by = [of["x"]["field"], *([color["field"]] if color.get("type") == "nominal" else [])]
        yield where, view.select(by, of["y"].get("fields") or [of["y"]["field"]])


class _View:
    """A metrics view over a table."""

    def __init__(self, view: Mapping[str, Any], source: str) -> None:
        self.view, self.source = view, source
        self.measures = {each["name"]: each for each in view["measures"]}
        self.dimensions = {each["name"]: _sql(each) for each in view["dimensions"]}
        if series := view.get("timeseries"):
            grain = view["smallest_time_grain"]
            self.dimensions[series] = f"date_trunc('{grain}', {series})"

    def select(self, by: Sequence[str], measures: Sequence[str]) -> str:
        """The measures by these dimensions."""
        needed = {name for each in measures for name in self._simple(each)}
        columns = [f'{self.dimensions[name]} as "by {name}"' for name in by]
        columns += [f"{self.measures[name]['expression']} as {name}" for name in sorted(needed)]
        group = f" group by {', '.join(str(n + 1) for n in range(len(by)))}" if by else ""
        outer = [f'"by {name}"' for name in by] + [self._outer(name) for name in measures]
        inner = f"select {', '.join(columns)} from ({self.source}) as model{group}"
        return f"select {', '.join(outer)} from ({inner}) as aggregated"

    def _simple(self, name: str) -> Iterator[str]:
        required = self.measures[name].get("requires")
        if not required:
            yield name
        for each in required or ():
            yield from self._simple(each)

    def _outer(self, name: str) -> str:
        measure = self.measures[name]
        if not measure.get("requires"):
            return name
        if window := measure.get("window"):
            order = f'order by "by {window["order"]}" {window["frame"]}'
            return f"{measure['expression']} over ({order}) as {name}"
        return f"{self._expanded(name)} as {name}"

    def _expanded(self, name: str) -> str:
        """A derived measure in terms of simple ones."""
        measure = self.measures[name]
        text = str(measure["expression"])
        for each in measure.get("requires", ()):
            if self.measures[each].get("requires"):
                text = re.sub(rf"\b{each}\b", f"({self._expanded(each)})", text)
        return text


def _sql(dimension: Mapping[str, Any]) -> str:
    return str(dimension.get("expression") or dimension["column"])


def _source(root: Path, view: Mapping[str, Any], database: str) -> str:
    """The model's select in Rill's environment prod."""
    sql = _read(root / "models" / f"{view['model']}.yaml")["prod"]["sql"]
    return re.sub(r"\{\{ \.env\.source_database \}\}", database, str(sql))


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found

"""The Rill project as Rill reads it: files, templates, and the rules that a file can break.

What Rill accepts is written down here from its parser (runtime/parser of version 0.88): strict
keys, one table reference where a relative path is to be rewritten, templates that give values
alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from tests.support.rill import shown

ROOT = Path(__file__).resolve().parents[3] / "viz_rill"

_COMMON = {"type", "version", "dev", "prod"}
_EXPLORE = """display_name description banner dimensions measures theme time_ranges time_zones
    lock_time_zone allow_custom_time_range defaults metrics_view security"""
_CANVAS = """display_name banner max_width gap_x gap_y theme allow_custom_time_range time_ranges
    time_zones filters defaults rows security"""
_VIEW = """display_name description model timeseries watermark smallest_time_grain dimensions
    measures security first_day_of_week first_month_of_year"""
_RILL = """compiler display_name description olap_connector theme env explores canvases
    metrics_views models ignore_paths features mock_users dev prod"""
KEYS: Mapping[str, set[str]] = {
    "rill.yaml": set(_RILL.split()),
    "explore": _COMMON | set(_EXPLORE.split()),
    "canvas": _COMMON | set(_CANVAS.split()),
    "metrics_view": _COMMON | set(_VIEW.split()),
    "model": _COMMON | {"sql", "materialize", "tests"},
    "theme": _COMMON | {"light", "dark"},
    "connector": _COMMON | {"driver"},
    "dimension": set("name display_name description column expression".split()),
    "measure": set(
        """name display_name description expression requires window format_preset format_d3
        valid_percent_of_total lower_is_better""".split()
    ),
    "window": {"partition", "order", "frame"},
    "defaults": {"time_range", "comparison_mode"},
}
CLICKHOUSE = set("driver mode host port username password database ssl".split())
PRESETS = set("none humanize currency_usd currency_eur percentage interval_ms".split())
GRAINS = set("minute hour day week month quarter year".split())
_ANY = {"metrics_view", "title", "time_filters", "dimension_filters"}
_CHART = _ANY | {"x", "y", "color"}
COMPONENTS: Mapping[str, set[str]] = {
    "kpi_grid": _ANY | {"measures", "comparison", "sparkline"},
    "line_chart": _CHART,
    "bar_chart": _CHART,
    "area_chart": _CHART,
    "stacked_bar": _CHART,
    "stacked_bar_normalized": _CHART,
    "leaderboard": _ANY | {"dimensions", "measures", "num_rows"},
    "table": _ANY | {"columns"},
    "markdown": {"content"},
}
#: What only one of the engines knows, or answers in another way.
_ONE_ENGINE = re.compile(
    r"\bMEDIAN\b|\b(?:quantile_cont|arg_max|approx_count_distinct|try_cast|strftime|split_part"
    r"|dayname|round)\s*\(|\bRANGE\s+BETWEEN",
)
_SECRET = re.compile(r"(?i)(password|secret|token|key)$")


@dataclass
class Project:
    """Every file of the project, parsed, by its path."""

    root: Path
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path = ROOT) -> Project:
        """The project as it lies on the disk."""
        paths = sorted(p for p in root.rglob("*.yaml") if p.parts[len(root.parts)] != "data")
        texts = {str(p.relative_to(root)): p.read_text(encoding="utf-8") for p in paths}
        return cls(root, {name: yaml.load(text, yaml.CSafeLoader) for name, text in texts.items()})

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Every resource of a type, by its name."""
        return {
            Path(name).stem: document
            for name, document in self.files.items()
            if document.get("type") == kind
        }

    @property
    def rill(self) -> dict[str, Any]:
        """rill.yaml."""
        return self.files["rill.yaml"]

    def resolved(self, document: Mapping[str, Any], environment: str) -> dict[str, Any]:
        """A document with the part for this environment laid over it."""
        own = {k: v for k, v in document.items() if k not in ("dev", "prod")}
        return own | (document.get(environment) or {})

    def sql(self, model: str, environment: str, **env: str) -> str:
        """A model's SQL. Raises KeyError for a variable without a value."""
        sql: str = self.resolved(self.of("model")[model], environment)["sql"]
        values = self.rill["env"] | env
        return re.sub(r"\{\{ \.env\.(\w+) \}\}", lambda found: str(values[found[1]]), sql)


def measures(view: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A metrics view's measures by name."""
    return {measure["name"]: measure for measure in view["measures"]}


def dimensions(view: Mapping[str, Any]) -> dict[str, str]:
    """Dimension and the SQL that gives it; the time series is one."""
    found = {d["name"]: d.get("expression") or f'"{d.get("column")}"' for d in view["dimensions"]}
    if view.get("timeseries"):
        found[view["timeseries"]] = f'"{view["timeseries"]}"'
    return found


def problems(project: Project, tables: Mapping[str, pa.Schema]) -> list[str]:
    """What breaks a rule, as "file: what"; nothing of a good project."""
    found = [f"rill.yaml: unknown key {k}" for k in sorted(project.rill.keys() - KEYS["rill.yaml"])]
    found += [*_environments(project), *_defaults(project)]
    for name, document in project.files.items():
        if name != "rill.yaml":
            found += [f"{name}: {what}" for what in _of_file(project, name, document, tables)]
    return found


def _environments(project: Project) -> Iterator[str]:
    """One switch, and no server that a reader of parquet would have to reach."""
    olap = project.rill.get("olap_connector")
    connectors = project.of("connector")
    if olap not in connectors or "{{" in str(olap):
        yield f"rill.yaml: olap_connector {olap} is no connector"
    for name, document in connectors.items():
        for environment, driver in (("dev", "duckdb"), ("prod", "clickhouse")):
            resolved = project.resolved(document, environment)
            if resolved.get("driver") != driver:
                yield f"connectors/{name}.yaml: {environment} is not {driver}"
            if driver == "duckdb" and resolved.keys() - KEYS["connector"]:
                yield f"connectors/{name}.yaml: dev names a server"
        rest = resolved.keys() - CLICKHOUSE - _COMMON
        yield from (f"connectors/{name}.yaml: unknown key {key}" for key in sorted(rest))
        for key, value in resolved.items():
            if _SECRET.search(key) and not re.fullmatch(r"\{\{ \.env\.\w+ \}\}", str(value)):
                yield f"connectors/{name}.yaml: {key} is written down"


def _defaults(project: Project) -> Iterator[str]:
    for key, value in project.rill.get("env", {}).items():
        if not isinstance(value, str):
            yield f"rill.yaml: env {key} is no text"
        elif _SECRET.search(key) and value:
            yield f"rill.yaml: env {key} is written down"


def _of_file(
    project: Project, name: str, document: dict[str, Any], tables: Mapping[str, pa.Schema]
) -> Iterator[str]:
    kind = document.get("type", "")
    if kind not in KEYS:
        yield f"unknown type {kind!r}"
        return
    yield from _unknown(document, KEYS[kind])
    for variable in re.findall(r"\.env\.(\w+)", str(document)):
        if variable not in project.rill.get("env", {}):
            yield f"no default for env {variable}"
    if kind == "model":
        yield from _of_model(document)
    elif kind == "metrics_view":
        yield from _of_view(project, document, tables)
    elif kind == "explore":
        yield from _of_explore(project, document)
    elif kind == "canvas":
        yield from _of_canvas(project, document, tables)


def _unknown(document: Mapping[str, Any], keys: set[str]) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in sorted(document.keys() - keys))


def _of_model(document: dict[str, Any]) -> Iterator[str]:
    dev, prod = document.get("sql", ""), (document.get("prod") or {}).get("sql", "")
    if dev.count("read_parquet(") != 1 or len(re.findall(r"(?i)\b(?:from|join)\b", dev)) != 1:
        yield "dev is not one read_parquet"
    if not re.fullmatch(r"select \* from \{\{ \.env\.source_database \}\}\.\w+", prod):
        yield "prod is not a plain select"


def table_of(project: Project, model: str) -> str:
    """The published table that a model shows."""
    return str(project.of("model")[model]["prod"]["sql"]).rpartition(".")[2]


def _of_view(
    project: Project, view: dict[str, Any], tables: Mapping[str, pa.Schema]
) -> Iterator[str]:
    model = view.get("model")
    if model not in project.of("model"):
        yield f"unknown model {model}"
        return
    table = table_of(project, model)
    if table not in tables:
        yield f"the table {table} is not published"
        return
    columns = set(tables[table].names)
    if view.get("version") != 1:
        yield "without version: 1 it makes an explore of its own"
    series, grain = view.get("timeseries"), view.get("smallest_time_grain")
    if series and (series not in columns or grain not in GRAINS):
        yield f"time series {series} by {grain}"
    names = [d.get("name") for d in (*view["dimensions"], *view["measures"])]
    yield from (
        f"{name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})
    )
    for dimension in view["dimensions"]:
        yield from _of_dimension(dimension, columns)
    for measure in view["measures"]:
        yield from _of_measure(measure, view, columns)


def _of_dimension(dimension: dict[str, Any], columns: set[str]) -> Iterator[str]:
    name = dimension["name"]
    yield from (f"{name}: {what}" for what in _unknown(dimension, KEYS["dimension"]))
    if ("column" in dimension) == ("expression" in dimension):
        yield f"{name}: needs a column or an expression"
    if "column" in dimension and dimension["column"] not in columns:
        yield f"{name}: no column {dimension['column']}"
    if "expression" in dimension:
        yield from _of_expression(name, dimension["expression"], columns)


def _of_expression(name: str, expression: str, columns: set[str]) -> Iterator[str]:
    if name in columns:
        yield f"{name}: has the name of a column"
    if found := _ONE_ENGINE.search(expression):
        yield f"{name}: {found[0].rstrip(' (')} is not the same on both engines"


def _of_measure(
    measure: dict[str, Any], view: Mapping[str, Any], columns: set[str]
) -> Iterator[str]:
    name, expression = measure["name"], measure.get("expression", "")
    yield from (f"{name}: {what}" for what in _unknown(measure, KEYS["measure"]))
    yield from _of_expression(name, expression, columns)
    for needed in measure.get("requires", []):
        if needed not in measures(view):
            yield f"{name}: requires {needed}, which is no measure"
    others = measures(view).keys() - {name, *measure.get("requires", [])}
    for other in sorted(others):
        if re.search(rf"\b{other}\b", re.sub(r"'[^']*'", "", expression)) and other not in columns:
            yield f"{name}: uses {other} without requires"
    yield from (f"{name}: {what}" for what in _of_window(measure, view))
    yield from (f"{name}: {what}" for what in _of_format(measure))


def _of_window(measure: Mapping[str, Any], view: Mapping[str, Any]) -> Iterator[str]:
    window = measure.get("window")
    if window is None:
        return
    yield from _unknown(window, KEYS["window"])
    if window.get("order") not in dimensions(view):
        yield f"order {window.get('order')} is no dimension"
    if not str(window.get("frame", "")).startswith("ROWS BETWEEN "):
        yield "the frame is not of rows"


def _of_format(measure: Mapping[str, Any]) -> Iterator[str]:
    preset, d3 = measure.get("format_preset"), measure.get("format_d3")
    if (preset is None) == (d3 is None) or (preset and preset not in PRESETS):
        yield f"format {preset or d3}"
    if preset == "percentage" and re.search(r"\b100\b", measure.get("expression", "")):
        yield "a percentage is a fraction"
    if re.search(r"(rate|share|change|coverage|utilisation)$", measure["name"]):
        is_money = "SUM(" in measure["expression"] and "/" not in measure["expression"]
        if preset != "percentage" and not is_money and measure["name"] != "run_rate":
            yield "a share without the format percentage"


def _of_explore(project: Project, explore: dict[str, Any]) -> Iterator[str]:
    view = project.of("metrics_view").get(str(explore.get("metrics_view")))
    if view is None:
        yield f"unknown metrics view {explore.get('metrics_view')}"
        return
    for key, known in (("dimensions", dimensions(view)), ("measures", measures(view))):
        chosen = explore.get(key, "*")
        if isinstance(chosen, dict):
            yield from _unknown(chosen, {"exclude"})
            chosen = chosen.get("exclude", [])
        if chosen != "*":
            yield from (f"unknown field {name}" for name in chosen if name not in known)
    yield from shown.of_explore(explore, measures(view))
    yield from _unknown(explore.get("defaults") or {}, KEYS["defaults"])
    yield from _of_theme(project, explore)


def _of_theme(project: Project, document: Mapping[str, Any]) -> Iterator[str]:
    theme = document.get("theme", project.rill.get("theme"))
    if theme not in project.of("theme"):
        yield f"unknown theme {theme}"


def _of_canvas(
    project: Project, canvas: dict[str, Any], tables: Mapping[str, pa.Schema]
) -> Iterator[str]:
    yield from _unknown(canvas.get("defaults") or {}, KEYS["defaults"])
    yield from _of_theme(project, canvas)
    for number, row in enumerate(canvas["rows"]):
        yield from _unknown(row, {"height", "items"})
        if not re.fullmatch(r"\d+px", str(row.get("height"))):
            yield f"row {number}: height {row.get('height')}"
        if sum(item.get("width", 12) for item in row["items"]) > 12:
            yield f"row {number}: wider than 12"
        for item in row["items"]:
            yield from (f"row {number}: {what}" for what in _of_item(project, item, tables))


def _of_item(
    project: Project, item: dict[str, Any], tables: Mapping[str, pa.Schema]
) -> Iterator[str]:
    kinds = [key for key in item if key != "width"]
    if len(kinds) != 1 or kinds[0] not in COMPONENTS:
        yield f"no component: {', '.join(kinds)}"
        return
    kind, body = kinds[0], item[kinds[0]]
    yield from (f"{kind}: {what}" for what in _unknown(body, COMPONENTS[kind]))
    if kind == "markdown":
        return
    view = project.of("metrics_view").get(str(body.get("metrics_view")))
    if view is None:
        yield f"{kind}: unknown metrics view {body.get('metrics_view')}"
        return
    yield from (f"{kind}: {what}" for what in _of_fields(body, dimensions(view), measures(view)))
    types = (
        tables[table_of(project, view["model"])] if view["model"] in project.of("model") else None
    )
    for what in shown.of_item(kind, item, view, types):
        yield f"{kind}: {what}"


def _of_fields(
    body: Mapping[str, Any], known: Mapping[str, str], numbers: Mapping[str, Any]
) -> Iterator[str]:
    """A chart shows measures along dimensions that exist."""
    wanted: list[tuple[str, Sequence[str], Any]] = [
        ("measure", body.get("measures", []), numbers),
        ("dimension", body.get("dimensions", []), known),
        ("field", body.get("columns", []), {**known, **numbers}),
    ]
    for axis, choice in (("x", known), ("y", numbers), ("color", known)):
        value = body.get(axis)
        if isinstance(value, dict):
            fields = [value.get("field", ""), *value.get("fields", [])]
            wanted.append((axis, [n for n in fields if n != "rill_measures"], choice))
    for what, names, choice in wanted:
        yield from (f"unknown {what} {name}" for name in names if name not in choice)

"""What a board shows: each rule is a fault that a real Rill once showed to readers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

#: A mart whose rows are of several kinds, the same money more than once: the dimension that tells.
SEVERAL = {
    "cost_movers": "kind_of_mover",
    "cost_changes": "kind_of_thing",
    "untagged": "tag_key",
    "cost_anomalies": "kind",
}
_TIME = re.compile(r"tr=(?P<range>[A-Z0-9]+)&grain=(?P<grain>\w+)")
_FILTER = re.compile(r"(\w+) IN \(('[^']*'(?:, '[^']*')*)\)")
COLUMNS = 0.8
"""Columns of a table that fit into a twelfth of a board's width; the last is cut off else."""
GRAINS = ("minute", "hour", "day", "week", "month", "quarter", "year")


def of_explore(explore: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    """An explore asks for totals of all its measures; a window measure has none."""
    chosen = explore.get("measures", "*")
    excluded = chosen.get("exclude", []) if isinstance(chosen, dict) else []
    asked = chosen if isinstance(chosen, list) else [n for n in known if n not in excluded]
    for name in asked:
        if "window" in known.get(name, {}):
            yield f"{name} is of a window and asked for in totals"


def of_item(
    kind: str, item: Mapping[str, Any], view: Mapping[str, Any], types: pa.Schema | None
) -> Iterator[str]:
    """What a tile, chart, leaderboard or table needs besides fields that exist."""
    body = item[kind]
    room = int(COLUMNS * item.get("width", 12))
    if kind == "table" and len(body.get("columns", [])) > room:
        yield f"more columns than the {room} that fit"
    time = _TIME.fullmatch(str(body.get("time_filters", "")))
    if "time_filters" in body and (not time or time["grain"] not in GRAINS):
        yield f"time_filters {body['time_filters']}"
    yield from _of_grain(kind, body, view, time["grain"] if time else "")
    yield from _of_filters(body, view)
    yield from _of_kinds(body, view)
    yield from _of_types(body, view, types)


def fields(body: Mapping[str, Any]) -> list[str]:
    """Every field that an item shows, once each."""
    found = [*body.get("measures", []), *body.get("dimensions", []), *body.get("columns", [])]
    for axis in ("x", "y", "color"):
        value = body.get(axis)
        if isinstance(value, dict):
            found += [value.get("field", ""), *value.get("fields", [])]
    return list(dict.fromkeys(found))


def grain(body: Mapping[str, Any]) -> str | None:
    """The grain at which an item is shown; None where the board decides."""
    time = _TIME.fullmatch(str(body.get("time_filters", "")))
    return time["grain"] if time else None


def filters(body: Mapping[str, Any]) -> dict[str, list[str]]:
    """Dimensions that an item is filtered by, and their values."""
    return {
        name: re.findall(r"'([^']*)'", values)
        for name, values in _FILTER.findall(str(body.get("dimension_filters", "")))
    }


def _of_grain(
    kind: str, body: Mapping[str, Any], view: Mapping[str, Any], grain: str
) -> Iterator[str]:
    known = {measure["name"]: measure for measure in view["measures"]}
    smallest = view.get("smallest_time_grain")
    for name in fields(body):
        if "window" in known.get(name, {}) and grain != smallest:
            yield f"{name} counts rows of the grain, which is not {smallest}"
    if re.search(r"\bby day\b", str(body.get("title", ""))) and grain != "day":
        yield "the title says day, the grain does not"
    if kind == "kpi_grid" and smallest == "month" and not body.get("time_filters"):
        yield "a tile of a month under the time range of the board"


def _of_filters(body: Mapping[str, Any], view: Mapping[str, Any]) -> Iterator[str]:
    text = str(body.get("dimension_filters", ""))
    parts = text.split(" AND ") if text else []
    yield from (f"dimension_filters {part}" for part in parts if not _FILTER.fullmatch(part))
    known = {dimension["name"] for dimension in view["dimensions"]}
    yield from (f"unknown filter {name}" for name in filters(body) if name not in known)


def _of_kinds(body: Mapping[str, Any], view: Mapping[str, Any]) -> Iterator[str]:
    kind = SEVERAL.get(str(view.get("model")))
    if kind and kind not in fields(body) and kind not in filters(body):
        yield f"rows of several kinds are added: filter by {kind}, or show it"


def _of_types(
    body: Mapping[str, Any], view: Mapping[str, Any], types: pa.Schema | None
) -> Iterator[str]:
    """A moment is cut off in a table and in a leaderboard: a date is not."""
    if types is None:
        return
    columns = {d["name"]: d.get("column") for d in view["dimensions"]}
    for name in [*body.get("columns", []), *body.get("dimensions", [])]:
        column = columns.get(name)
        if column in types.names and pa.types.is_timestamp(types.field(column).type):
            yield f"{name} is a moment, not a date"

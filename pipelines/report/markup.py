"""Pieces of the page: figures with their values, tables, charts with a table behind each.

Every figure is in `data-figure` (its name) and `data-value` (as the mart has it), beside the text
that people read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pipelines.report.amounts import UNKNOWN, Row
from pipelines.report.svg import Plot, draw, legend

Filters = Callable[[Row], Mapping[str, object]]


@dataclass(frozen=True)
class Column:
    """A column of a table: key of the row, title, and how a value is written."""

    key: str
    title: str
    show: Callable[[Any, Row], str] = lambda value, row: str(value)
    is_number: bool = False
    is_change: bool = False
    is_long: bool = False


def data(name: str, value: object) -> str:
    """The attributes of a figure."""
    text = "" if value is None else repr(value) if isinstance(value, float) else str(value)
    return f'data-figure="{escape(name)}" data-value="{escape(text)}"'


def figure(name: str, value: object, text: str, rows: str) -> str:
    """A figure that links to its rows, the table with this id."""
    return f'<a href="#{rows}" {data(name, value)}>{escape(text)}</a>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and their values, which are markup."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{items}</dl>' if pairs else ""


def bars(items: Sequence[tuple[str, float, str]], limit: float | None = None) -> str:
    """Names, amounts and their markup as bars that start in one line, in both directions.

    Amounts above the limit, and below it where it is 0, have colours of their own.
    """
    most = max((abs(value) for _, value, _ in items), default=0) or 1
    shift = 100 if any(value < 0 for _, value, _ in items) else 0
    wide = 200 if shift and any(value > 0 for _, value, _ in items) else 100
    made = []
    for name, value, text in items:
        long = abs(value) / most * 100
        start = shift - long if value < 0 else (shift if wide == 200 else 0)
        color = "plain" if limit is None or (0 < value <= limit) else "rise"
        color = "fall" if value < 0 and limit == 0 else color
        made.append(
            f'<li><span class="name">{escape(name)}</span><span class="amount">{text}</span>'
            f'<svg viewBox="0 0 {wide} 4" preserveAspectRatio="none" aria-hidden="true">'
            f'<rect class="{color}" x="{start:.1f}" width="{long:.1f}" height="4"/></svg></li>'
        )
    return f'<ol class="bars">{"".join(made)}</ol>' if made else ""


def table(
    name: str, title: str, columns: Sequence[Column], rows: Sequence[Row], filters: Filters = dict
) -> str:
    """A table with its id, a caption, and what a filter looks at in each row."""
    heads = "".join(
        f'<th scope="col"{_class(column.is_number and "number")}>{escape(column.title)}</th>'
        for column in columns
    )
    lines = "".join(
        f"<tr{_filters(filters(row) if filters is not dict else {})}>"
        f"{''.join(_cell(name, n, column, row) for n, column in enumerate(columns))}</tr>"
        for row in rows
    )
    return (
        f'<table id="{name}"><caption>{escape(title)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
    )


def chart(name: str, title: str, plot: Plot, behind: str, *, half: bool = True) -> str:
    """A chart, its legend, and the table of its numbers, which needs no script to open."""
    return (
        f'<figure class="chart{"" if half else " whole"}" id="chart-{name}">'
        f"<figcaption>{escape(title)}</figcaption>{draw(plot, half=half)}{legend(plot)}"
        f"<details><summary>The numbers</summary>{behind}</details></figure>"
    )


def hints(labels: Sequence[str], plot: Plot, spell: Callable[[float], str]) -> list[str]:
    """What a chart says of each label to a pointer."""
    made = []
    for at, label in enumerate(labels):
        values = [(one.name, one.values[at]) for one in plot.series]
        told = [f"{name} {UNKNOWN if v is None else spell(v)}" for name, v in values]
        made.append("\n".join([label, *told]))
    return made


def _cell(name: str, number: int, column: Column, row: Row) -> str:
    value = row[column.key]
    text = UNKNOWN if value is None or value == "" else column.show(value, row)
    marks = _data(f"{name}.{column.key}", value)
    if number == 0:
        return f'<th scope="row"{_class(column.is_long and "long")} {marks}>{escape(text)}</th>'
    moved = column.is_change and isinstance(value, int | float) and round(value, 2)
    kinds = (
        ["number"] * column.is_number
        + ["long"] * column.is_long
        + (["up" if value > 0 else "down"] if moved else [])
    )
    label = escape(column.title)
    return f'<td data-label="{label}"{_class(" ".join(kinds))} {marks}>{escape(text)}</td>'


_data = data


def _class(names: str | bool) -> str:
    return f' class="{names}"' if names else ""


def _filters(found: Mapping[str, object]) -> str:
    return "".join(f' data-{key}="{escape(str(value))}"' for key, value in found.items() if value)

"""Figures: what was measured, the limit beside it, whether it was met; as a table and as JSON."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

_PACKAGES = ("dlt", "duckdb", "pandas", "pyarrow")


@dataclass(frozen=True)
class Figure:
    """One number. `unit` is s, MB, × or rows/s; `limit` is the most it may be, `least` the least.

    `spread` holds the single runs behind a median.
    """

    key: str
    what: str
    value: float
    unit: str
    limit: float | None = None
    least: float | None = None
    spread: tuple[float, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether it keeps its limit; None without one. Nothing costs less than nothing: noise."""
        if self.limit is not None:
            return 0 < self.value <= self.limit
        return None if self.least is None else self.value >= self.least

    def document(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "key": self.key,
            "what": self.what,
            "value": round(self.value, 4),
            "unit": self.unit,
            "at_most": self.limit,
            "at_least": self.least,
            "met": self.met,
            "runs": [round(one, 4) for one in self.spread],
        }


@dataclass(frozen=True)
class Section:
    """Figures that belong together, and how they were measured."""

    name: str
    how: str
    figures: Sequence[Figure]


def document(
    sections: Sequence[Section], of: Mapping[str, Any], on: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything as JSON: the machine, the data, the sections."""
    return {
        "machine": dict(on),
        "bill": dict(of),
        "sections": [
            {
                "name": section.name,
                "how": section.how,
                "figures": [figure.document() for figure in section.figures],
            }
            for section in sections
        ],
    }


def machine() -> dict[str, Any]:
    """Where it is measured and with what; `load` is of the minute before, by whoever else."""
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def table(section: Section) -> Table:
    """One section for people."""
    made = Table(title=section.name, title_justify="left", caption=section.how, expand=True)
    made.caption_justify, made.caption_style = "left", "dim"
    made.add_column("what", ratio=1)
    for name in ("measured", "limit", "met"):
        made.add_column(name, justify="right", no_wrap=True)
    for figure in section.figures:
        style = {None: "", True: "green", False: "bold red"}[figure.met]
        answer = {None: "", True: "yes", False: "NO"}[figure.met]
        made.add_row(_what(figure), _number(figure), _limit(figure), answer, style=style)
    return made


def _what(figure: Figure) -> str:
    runs = " ".join(f"{one:.2f}" for one in figure.spread)
    return f"{figure.what} ({runs})" if len(figure.spread) > 1 else figure.what


def _number(figure: Figure) -> str:
    return f"{_digits(figure.value)} {figure.unit}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _limit(figure: Figure) -> str:
    if figure.limit is not None:
        return f"≤ {_plain(figure.limit)}"
    return "" if figure.least is None else f"≥ {_plain(figure.least)}"


def _plain(value: float) -> str:
    return f"{value:g}"

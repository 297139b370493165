"""Small tables of the project's own, such as sql/budgets.csv, as selects that every engine runs.

    from_month:date,amount_usd:number       the first line: a name and a type per column
    2026-01,90000                           a month means its first day

Types are text, date, number, currency (ISO 4217) and rate (a decimal above zero, exact).

A configured file takes its place: `[normalize] budgets = "my/budgets.csv"` for {values:budgets}.

Of a long file there is a table instead, under a name with a digest of its rows: engines take
minutes to plan a select of ten thousand lines, or refuse it. `kept_tables` has its rows, which
whoever computes the marts brings to the engine first.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import dlt

from pipelines.core.digests import hex_digest
from pipelines.core.partition import ConfigurationError


def rows_of(stem: str, folder: Path) -> str:
    """The rows of sql/<stem>.csv as a select in parentheses; of no rows when it has none.

    Raises ConfigurationError, which names file, line and column, for what cannot be read.
    """
    path, head, rows = table_of(stem, folder)
    columns = [_column(path, cell) for cell in head]
    if len(rows) > LITERAL_ROWS:
        kept = _kept(stem, path, columns, rows)
        return f"(select {', '.join(name for name, _ in columns)} from {kept.name})"
    selects = [_select(path, number, columns, row) for number, row in enumerate(rows, start=2)]
    if not selects:
        empty = ", ".join(f"{_EMPTY[kind]} as {name}" for name, kind in columns)
        return f"(select {empty} where 1 = 0)"
    return f"({' union all '.join(selects)})"


LITERAL_ROWS = 500
KEPT = re.compile(r"\bkept_\w+_[0-9a-f]{16}\b")
"""The names of such tables."""


@dataclass(frozen=True)
class KeptTable:
    """The rows of a long file: `columns` are names and types, as the first line has them."""

    name: str
    columns: Sequence[tuple[str, str]]
    rows: Sequence[tuple[Any, ...]]


def kept_tables(folder: Path) -> list[KeptTable]:
    """The long ones of the files that marts read by {values:…}. Raises ConfigurationError."""
    found = []
    for stem in _STEMS:
        path, head, rows = table_of(stem, folder)
        if len(rows) > LITERAL_ROWS:
            found.append(_kept(stem, path, [_column(path, cell) for cell in head], rows))
    return found


def _kept(
    stem: str, path: Path, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]
) -> KeptTable:
    found = _read.get(path)
    if found and found[0] == rows:  # several marts ask for the same file
        return found[1]
    made = [_values(path, number, columns, row) for number, row in enumerate(rows, start=2)]
    digest = hex_digest([repr(columns), *map(repr, made)], 16)
    table = KeptTable(f"kept_{stem}_{digest}", columns, made)
    _read[path] = (rows, table)
    return table


_read: dict[Path, tuple[Sequence[Sequence[str]], KeptTable]] = {}


def _values(
    path: Path, number: int, columns: Sequence[tuple[str, str]], row: Sequence[str]
) -> tuple[Any, ...]:
    _select(path, number, columns, row)  # refuses what a short file would be refused for
    return tuple(_PLAIN[kind](text.strip()) for (_, kind), text in zip(columns, row, strict=True))


def table_of(stem: str, folder: Path) -> tuple[Path, list[str], list[list[str]]]:
    """The file in use, the cells of its first line, and the cells of the other lines.

    Raises ConfigurationError.
    """
    path = _file_of(stem, folder)
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            head, *rows = [row for row in csv.reader(lines) if any(row)]
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error}). Its first line names the columns, as in "
            "from_month:date,amount_usd:number"
        ) from error
    return path, head, rows


def _file_of(stem: str, folder: Path) -> Path:
    configured = dlt.config.get(f"normalize.{stem}", str)
    return Path(configured) if configured else folder / f"{stem}.csv"


def _column(path: Path, cell: str) -> tuple[str, str]:
    name, _, kind = cell.strip().partition(":")
    if not re.fullmatch(r"[a-z_]\w*", name) or kind not in _LITERALS:
        raise ConfigurationError(
            f"{path}: {cell!r} is not a column. Write name:type, with one of the types "
            f"{', '.join(_LITERALS)}."
        )
    return name, kind


def _select(path: Path, number: int, columns: Sequence[tuple[str, str]], row: Sequence[str]) -> str:
    if len(row) != len(columns):
        raise ConfigurationError(
            f"{path}, line {number}: {len(row)} cells, but the first line names {len(columns)}."
        )
    cells = []
    for (name, kind), text in zip(columns, row, strict=True):
        try:
            cells.append(f"{_LITERALS[kind](text.strip())} as {name}")
        except (ValueError, InvalidOperation):
            raise ConfigurationError(
                f"{path}, line {number}: {text!r} is not a {kind} for {name}."
            ) from None
    return f"select {', '.join(cells)}"


def _text(text: str) -> str:
    if "\\" in text:  # an escape in ClickHouse's literals, a character in DuckDB's
        raise ValueError(text)
    return "'" + text.replace("'", "''") + "'"


def _date(text: str) -> str:
    return f"cast('{_plain_date(text).isoformat()}' as date)"


def _plain_date(text: str) -> date:
    return date.fromisoformat(f"{text}-01" if re.fullmatch(r"\d{4}-\d\d", text) else text)


def _number(text: str) -> str:
    if not (number := Decimal(text)).is_finite():
        raise ValueError(text)
    return f"cast({number:f} as double)"


def _currency(text: str) -> str:
    if not re.fullmatch("[A-Z]{3}", text):
        raise ValueError(text)
    return f"'{text}'"


def _rate(text: str) -> str:
    """A positive rate as an exact decimal literal."""
    if not re.fullmatch(r"\d{1,20}(\.\d{1,9})?", text) or not Decimal(text):
        raise ValueError(text)
    return f"cast('{text}' as decimal(38, 9))"


_LITERALS: Mapping[str, Callable[[str], str]] = {
    "text": _text,
    "date": _date,
    "number": _number,
    "currency": _currency,
    "rate": _rate,
}
_EMPTY = {
    "text": "''",
    "date": "cast('1970-01-01' as date)",
    "number": "cast(0 as double)",
    "currency": "''",
    "rate": "cast('0' as decimal(38, 9))",
}
_PLAIN: Mapping[str, Callable[[str], Any]] = {
    "text": str,
    "date": _plain_date,
    "number": float,
    "currency": str,
    "rate": Decimal,
}
_STEMS = ("fx_rates", "euro_members", "budgets", "invoices", "units")

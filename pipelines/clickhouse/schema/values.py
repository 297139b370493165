"""Small tables of the project's own, such as sql/budgets.csv, as selects that every engine runs.

    from_month:date,amount_usd:number       the first line: a name and a type per column
    2026-01,90000                           a month means its first day

Types are text, date, number, currency (ISO 4217) and rate (a decimal above zero, exact).

A configured file takes its place: `[normalize] budgets = "my/budgets.csv"` for {values:budgets}.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import dlt

from pipelines.core.partition import ConfigurationError


def rows_of(stem: str, folder: Path) -> str:
    """The rows of sql/<stem>.csv as a select in parentheses; of no rows when it has none.

    Raises ConfigurationError, which names file, line and column, for what cannot be read.
    """
    path, head, rows = table_of(stem, folder)
    columns = [_column(path, cell) for cell in head]
    selects = [_select(path, number, columns, row) for number, row in enumerate(rows, start=2)]
    if not selects:
        empty = ", ".join(f"{_EMPTY[kind]} as {name}" for name, kind in columns)
        return f"(select {empty} where 1 = 0)"
    return f"({' union all '.join(selects)})"


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
    full = f"{text}-01" if re.fullmatch(r"\d{4}-\d\d", text) else text
    return f"cast('{date.fromisoformat(full).isoformat()}' as date)"


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

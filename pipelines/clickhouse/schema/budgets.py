"""Budgets by any scope, from sql/budgets.csv, as selects that every engine runs.

    provider:text,account:text,service:text,tag_key:text,tag_value:text,product:text,…
    aws,,,Team,checkout,,2026-01,90000,EUR      …from_month:date,amount:number,currency:currency

An empty cell is all. An amount applies from its month until the next line of the same scope. A file
with the columns from_month:date,amount_usd:number has budgets of all cost, in USD.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import dlt

from pipelines.clickhouse.schema.values import rows_of, table_of
from pipelines.core.partition import ConfigurationError
from pipelines.tables.schema import tag_column_name, tag_key

_SCOPE = ("provider", "account", "service", "tag_key", "tag_value", "product")
_HEAD = [f"{name}:text" for name in _SCOPE]
_HEAD += ["from_month:date", "amount:number", "currency:currency"]
_OF_ALL = ["from_month:date", "amount_usd:number"]
_MONTH = _HEAD.index("from_month:date")


def budgets_of(part: str, folder: Path) -> str:
    """The select that `{budgets:overall}` or `{budgets:scoped}` means. Raises ConfigurationError.

    `overall` has from_month and amount_usd of the budgets of all cost in USD; `scoped` has every
    budget with its scope, from_month, amount and currency.
    """
    return _PARTS[part](folder)


def _overall(folder: Path) -> str:
    is_of_all = _is_of_all(folder)
    rows = rows_of("budgets", folder)
    if is_of_all:
        return rows
    of_all = " and ".join(f"kept.{name} = ''" for name in _SCOPE)
    return (
        f"(select kept.from_month as from_month, kept.amount as amount_usd from {rows} as kept "
        f"where {of_all} and kept.currency = 'USD')"
    )


def _scoped(folder: Path) -> str:
    is_of_all = _is_of_all(folder)
    rows = rows_of("budgets", folder)
    if is_of_all:
        scope = ", ".join(f"'' as {name}" for name in ("tag_column", *_SCOPE) if name != "tag_key")
        return (
            f"(select {scope}, kept.from_month as from_month, kept.amount_usd as amount, "
            f"'USD' as currency from {rows} as kept)"
        )
    names = [name for name in (*_SCOPE, "from_month", "amount", "currency") if name != "tag_key"]
    columns = ", ".join(f"kept.{name} as {name}" for name in names)
    return f"(select {_tag_column(folder)} as tag_column, {columns} from {rows} as kept)"


def _tag_column(folder: Path) -> str:
    """The expression that names the column of a row's tag key; every key has to have one."""
    path, _, rows = table_of("budgets", folder)
    keys = {
        tag_key(key): tag_column_name(key)
        for key in dlt.config.get("normalize.tag_columns", list) or ()
    }
    cases, seen = "", set()
    for number, row in enumerate(rows, start=2):
        cells = [cell.strip() for cell in row]
        if tuple(cells[: _MONTH + 1]) in seen:
            raise ConfigurationError(
                f"{path}, line {number}: another line has the same scope and month. Keep one."
            )
        seen.add(tuple(cells[: _MONTH + 1]))
        key = cells[_SCOPE.index("tag_key")]
        if key and key not in keys:
            raise ConfigurationError(
                f"{path}, line {number}: the tag {key} has no column. "
                "Add it to normalize.tag_columns."
            )
        if bool(key) != bool(cells[_SCOPE.index("tag_value")]):
            raise ConfigurationError(
                f"{path}, line {number}: write a tag's key and its value, or neither."
            )
    for key, column in keys.items():
        quoted = key.replace("'", "''")
        cases += f" when '{quoted}' then '{column}'"
    return f"case kept.tag_key{cases} else '' end" if cases else "''"


def _is_of_all(folder: Path) -> bool:
    path, head, _ = table_of("budgets", folder)
    cells = [cell.strip() for cell in head]
    if cells not in (_HEAD, _OF_ALL):
        raise ConfigurationError(
            f"{path}: its first line has to be {','.join(_HEAD)} or {','.join(_OF_ALL)}"
        )
    return cells == _OF_ALL


_PARTS: Mapping[str, Callable[[Path], str]] = {"overall": _overall, "scoped": _scoped}

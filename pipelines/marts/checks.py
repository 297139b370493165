"""Run sql/checks: each statement returns the offending rows, and none is good.

The statements are portable, with macros as the marts have. On the filesystem DuckDB runs them over
the committed parquet files (catalogue.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ConnectError

from pipelines.clickhouse.schema.rendering import render
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseError
from pipelines.clickhouse.server.problems import explain
from pipelines.core.partition import ConfigurationError
from pipelines.marts.scopes import PLACEHOLDERS

CHECKS = Path(__file__).parents[2] / "sql" / "checks"


@dataclass(frozen=True)
class Result:
    """One check: its file's name, its first line, and the offending rows."""

    name: str
    meaning: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Connection(Protocol):
    """What runs a check: DuckDB here, ClickHouse in production."""

    def query(self, sql: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Run SQL; return the column names and the rows."""


def list_checks(without: Sequence[str] = (), folder: Path = CHECKS) -> list[str]:
    """Every check of the folder but these. Raises ConfigurationError for one that is not there."""
    names = sorted(path.stem for path in folder.glob("*.sql"))
    if unknown := [name for name in without if name not in names]:
        raise ConfigurationError(f"Unknown check {', '.join(unknown)}. Known: {', '.join(names)}.")
    return [name for name in names if name not in without]


def run(
    connection: Connection, names: Sequence[str] | None = None, folder: Path = CHECKS
) -> list[Result]:
    """The named checks of the folder, by name; all when none are."""
    results = []
    for name in list_checks(folder=folder) if names is None else names:
        sql = (folder / f"{name}.sql").read_text(encoding="utf-8")
        meaning = re.sub(r"^--\s*", "", sql.splitlines()[0])
        for placeholder, text in PLACEHOLDERS.items():
            if placeholder in sql:
                sql = sql.replace(placeholder, text())
        columns, rows = connection.query(render(sql, "", ()))
        results.append(Result(name, meaning, columns, rows))
    return results


class ClickHouseConnection:
    """A ClickHouse database with the tables of sql/."""

    def __init__(self, client: Client, config: ClickHouseConfig) -> None:
        self._client, self._config = client, config

    def query(self, sql: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """Run SQL; return the column names and the rows."""
        try:
            # provider_partitions keeps replaced rows until they are merged
            result = self._client.query(sql, settings={"final": 1})
        except ConnectError as error:
            raise ClickHouseError(explain(error, self._config)) from error
        return result.column_names, result.result_rows

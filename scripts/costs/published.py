"""The published tables of a destination, for one query after another."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from pipelines.cli import clickhouse
from pipelines.cli.output.tables import table
from pipelines.clickhouse.server.http_client import connect
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.marts.catalogue import local_connection
from pipelines.marts.checks import ClickHouseConnection, Connection

Rows = Sequence[Sequence[Any]]


def parser(summary: str) -> argparse.ArgumentParser:
    """A parser with the options of every such script."""
    made = argparse.ArgumentParser(description=summary)
    default = os.environ.get("DLT_DESTINATION") or "filesystem"
    choices = ("filesystem", "clickhouse")
    made.add_argument("--destination", choices=choices, default=default)
    made.add_argument("--days", type=int, default=30, help="the newest days to look at; default 30")
    made.add_argument("--json", type=Path, help="write the figures to this file, too")
    return made


@contextmanager
def opened(destination: str) -> Iterator[Connection]:
    """The destination's tables. Raises UserError."""
    if destination == "filesystem":
        yield local_connection(configured_store())
        return
    config = clickhouse.configured(os.environ)
    with connect(config) as client:
        yield ClickHouseConnection(client, config)


def show(title: str, columns: Sequence[str], rows: Rows, right: Sequence[str]) -> None:
    """Print a table."""
    Console(width=110, highlight=False).print(table(title, columns, rows, right))


def write(path: Path | None, document: Any) -> None:
    """Write the figures as JSON, where a file is named."""
    if path:
        path.write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")

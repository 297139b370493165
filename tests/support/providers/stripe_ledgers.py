"""Ledgers of Stripe for tests: rows of a moment, a server and a file of rates to read them from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from scripts.sandbox.fx.server import FxServer, archive
from scripts.sandbox.stripe.ledger import transaction
from scripts.sandbox.stripe.server import StripeServer
from tests.conftest import ROOT
from tests.support.commands import Commands

NOW = datetime.now(UTC).replace(microsecond=0)
#: Yesterday and the month that it lies in: always within the lookback.
TODAY = NOW.date()

Row = dict[str, Any]


def rows(*entries: tuple[str, int, int, str], at: datetime = NOW) -> list[Row]:
    """(category, amount, fee, currency) in minor units, as Stripe has them."""
    return [
        transaction(at, number, category, amount, fee, currency)
        for number, (category, amount, fee, currency) in enumerate(entries)
    ]


@contextmanager
def served(*entries: Row) -> Iterator[StripeServer]:
    """A Stripe that has these balance transactions."""
    with StripeServer() as server:
        server.offer("balance_transactions", entries)
        yield server


@contextmanager
def rates_of(until: date = TODAY) -> Iterator[FxServer]:
    """A year or so of rates up to a day."""
    with FxServer(archive(until, date(until.year - 1, 12, 1))) as server:
        yield server


def official_objects() -> Row:
    """Stripe's own example of every resource, by its name; tests/data/README.md has the origin."""
    file = ROOT / "tests" / "data" / "stripe" / "stripe_fixtures3.json"
    found: Row = json.loads(file.read_text(encoding="utf-8"))["resources"]
    return found


def mart(commands: Commands, name: str, columns: str = "*", rest: str = "") -> list[Any]:
    """Rows of a local mart."""
    return _rows(commands, f"marts/{name}/*.parquet", columns, rest)


def published_in(commands: Commands, columns: str = "*", rest: str = "") -> list[Any]:
    """Rows of the local ledger, which no mart has to be computed for."""
    return _rows(commands, "normalized_stripe/*/data.parquet", columns, rest)


def _rows(commands: Commands, files: str, columns: str, rest: str) -> list[Any]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        sql = f"select {columns} from '{commands.data}/{files}' {rest}"
        return connection.execute(sql).fetchall()

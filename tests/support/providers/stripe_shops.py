"""A shop whose accounts are loaded at given moments, on either destination."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core import load as loading
from pipelines.core.partition import ALL, Progress, Selection
from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.marts import status
from pipelines.stripe_pipeline import StripeLedger, configuration
from scripts.sandbox.stripe.server import StripeServer
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import Row, mart, published_in
from tests.support.published_clickhouse import compute_marts, environ, query


@dataclass
class Shop:
    """Either destination, and a Stripe that has what was created until a moment."""

    commands: Commands
    server: StripeServer
    config: ClickHouseConfig | None

    def configure(self, *accounts: str) -> None:
        """These accounts, each with a key of its own."""
        keys = json.dumps({account: f"rk_test_{account}" for account in accounts})
        environ = {"SOURCES__STRIPE__ACCOUNTS": keys, "SOURCES__STRIPE__API_BASE": self.server.url}
        self.commands.set(environ)

    def offer(self, account: str, rows: Iterable[Row]) -> None:
        """What Stripe has of an account."""
        self.server.offer("balance_transactions", rows, f"rk_test_{account}")

    def load(self, moment: datetime, selection: Selection = ALL) -> loading.Outcome:
        """A load at a moment, by the ledger's own clock."""
        settings = configuration()
        entry = replace(SOURCES["stripe"], connect=lambda: StripeLedger(settings, lambda: moment))
        outcome = loading.load(entry, self._destination(), selection, Progress())
        if self.config is None:
            self.commands.well("normalize")
        return outcome

    def plan(self, moment: datetime) -> list[str]:
        """The months that a plain load at a moment would read."""
        ledger = StripeLedger(configuration(), lambda: moment)
        planned = loading.plan(SOURCES["stripe"], self._destination(), Selection(), ledger)
        return [each.partition.key for each in planned]

    def published(self, columns: str, rest: str = "") -> list[tuple[Any, ...]]:
        """Of the published ledger."""
        if self.config is None:
            return published_in(self.commands, columns, rest)
        return query(self.config, f"select {columns} from normalized_stripe {rest}")

    def daily(self, columns: str) -> list[tuple[Any, ...]]:
        """Of margin_daily, by day."""
        if self.config is None:
            self.commands.well("normalize", marts=True)
            return mart(self.commands, "margin_daily", columns, "order by date")
        compute_marts(self.config)
        return query(self.config, f"select {columns} from margin_daily order by date")

    def total(self, rest: str = "") -> tuple[int, Decimal]:
        """Rows and gross of it."""
        ((rows, gross),) = self.published("count(*), sum(gross)", rest)
        return rows, gross

    def states(self) -> dict[str, str]:
        """What `status` says of each month."""
        return {
            row.partition: row.state for row in status.rows(self._raw_table, self._destination())
        }

    def count_publishings(self) -> int:
        """How often a month was published."""
        if self.config is None:
            store = configured_store()
            months = store.deliveries(self._raw_table)
            return sum(len(store.rows_of_history("stripe", month)) for month in months)
        return int(query(self.config, "select count() from deliveries")[0][0])

    _raw_table = SOURCES["stripe"].raw_table

    def _destination(self) -> Any:
        return configured_store() if self.config is None else Warehouse(self.config)


@contextmanager
def opened(commands: Commands, config: ClickHouseConfig | None) -> Iterator[Shop]:
    """A shop on a ClickHouse database, or without one on the filesystem."""
    if config:
        found = environ(config, commands.data)
        commands.set({k: v for k, v in found.items() if not k.startswith("SOURCES")})
    with StripeServer() as server:
        yield Shop(commands, server, config)

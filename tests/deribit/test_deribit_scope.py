"""What is configured to be read of Deribit: currencies and kinds that are added or removed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.core.partition import ALL
from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.marts import status
from pipelines.providers.deribit.calendar import DayFingerprint, finality, plan
from pipelines.providers.deribit.settings import DeribitSettings
from tests.deribit.test_deribit_calendar import NOW
from tests.deribit.test_deribit_final_days import (
    CALL,
    DAYS,
    PERPETUAL,
    Exchange,
    exchange,
    key,
)
from tests.support.providers.deribit_market import at

__all__ = ["exchange"]

ETHER = "ETH-PERPETUAL"


def configure(exchange: Exchange, name: str, *values: str) -> None:
    listed = ", ".join(f'"{value}"' for value in values)
    exchange.commands.set({f"SOURCES__DERIBIT__{name}": f"[{listed}]"})


def rows(exchange: Exchange) -> dict[str, tuple[str, int]]:
    return {name: mark[:2] for name, mark in exchange.published().items()}


@pytest.mark.quick("filesystem")
def test_a_currency_that_is_added_later_begins_where_the_others_do(exchange: Exchange) -> None:
    exchange.trade_daily(PERPETUAL, ETHER)
    exchange.commands.monkeypatch.delenv("SOURCES__DERIBIT__FIRST_DAY")
    assert exchange.load("--from", f"{DAYS[0]}").status == 0
    exchange.pass_days(30)
    for instrument in (PERPETUAL, ETHER):
        exchange.writer.trade(DAYS[2] + timedelta(days=30), instrument)
    configure(exchange, "CURRENCIES", "BTC", "ETH")
    assert exchange.load().status == 0
    assert rows(exchange) == {
        f"{day}.{currency}": ("closed", 3) for day in DAYS[:2] for currency in ("BTC", "ETH")
    }


@pytest.mark.quick("filesystem")
def test_a_currency_that_is_removed_keeps_what_is_published_and_is_named(
    exchange: Exchange,
) -> None:
    exchange.trade_daily(PERPETUAL, ETHER)
    configure(exchange, "CURRENCIES", "BTC", "ETH")
    assert exchange.load().status == 0
    before = exchange.published()
    configure(exchange, "CURRENCIES", "BTC")
    ran = exchange.load("--force")
    assert "deribit: ETH not configured any more" in " ".join(ran.err.split())
    assert exchange.published() == before
    place = SOURCES["deribit"].raw_table
    found = Warehouse(exchange.config) if exchange.config else configured_store()
    states = {row.partition: row.state for row in status.rows(place, found)}
    kept = {key for key, state in states.items() if state.endswith("kept but not configured")}
    assert kept == {f"{day}.ETH" for day in DAYS[:2]}


@pytest.mark.thorough
def test_days_are_read_again_for_kinds_that_are_added_and_keep_those_removed(
    exchange: Exchange,
) -> None:
    exchange.trade_daily(PERPETUAL, CALL)
    configure(exchange, "KINDS", "option")
    assert exchange.load().status == 0
    assert rows(exchange) == {key(day): ("closed", 3) for day in DAYS[:2]}
    assert exchange.load().out.splitlines()[0] == "deribit: 0 loaded, 2 unchanged, 0 failed"
    configure(exchange, "KINDS", "future")
    assert exchange.load().status == 0
    assert rows(exchange) == {key(day): ("closed", 6) for day in DAYS[:2]}
    assert exchange.load("--force").status == 0
    assert rows(exchange) == {key(day): ("closed", 6) for day in DAYS[:2]}
    configure(exchange, "KINDS", "option")
    assert exchange.load().out.splitlines()[0] == "deribit: 0 loaded, 2 unchanged, 0 failed"


@pytest.mark.thorough
def test_fewer_trades_are_taken_with_accept_shrunk(exchange: Exchange) -> None:
    exchange.trade_daily(PERPETUAL)
    exchange.sandbox.fixed = at(DAYS[1], 23)  # production has all of the second day
    assert exchange.load().status == 0
    exchange.pass_days(1)
    exchange.sandbox.lags_from = at(DAYS[1], 1) + 4_000  # one trade of it is left
    assert exchange.load("--force", "--from", f"{DAYS[1]}").status == 1
    assert rows(exchange)[key(DAYS[1])] == ("open", 3)
    assert exchange.load("--accept-shrunk").status == 0
    assert rows(exchange)[key(DAYS[1])] == ("open", 1)


@pytest.mark.parametrize(
    ("configured", "read", "asked"),
    [
        (["any"], ("any",), None),
        (["option"], ("any",), None),
        (["option"], ("future", "option"), None),
        (["any"], ("option",), ("any",)),
        (["spot"], ("option",), ("option", "spot")),
    ],
)
def test_the_kinds_of_a_day_are_part_of_what_it_is(
    configured: list[str], read: tuple[str, ...], asked: tuple[str, ...] | None
) -> None:
    mark = DayFingerprint("closed", "f00d", 5, NOW.date(), read).text
    assert DayFingerprint.of(mark).kinds == read
    assert finality(mark) == "final"
    settings = DeribitSettings(currencies=["BTC"], kinds=configured)
    plans = plan(settings, NOW, ALL, {"2026-11-16.BTC": mark})
    planned = next(each for each in plans if each.key == "2026-11-16.BTC")
    assert planned.fingerprint == (mark if asked is None else "")
    assert planned.detail.kinds == (read if asked is None else asked)

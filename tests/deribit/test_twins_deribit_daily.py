"""`trades_daily` on parquet and on ClickHouse, against sums made here of the tape itself."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.tables.shapes import TRADES_DAILY
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Shape, Tape, make
from tests.support.commands import Commands
from tests.support.providers.deribit_market import FIRST, NOW
from tests.support.published_clickhouse import environ, query

COLUMNS = ", ".join(column.name for column in TRADES_DAILY)
DAYS = [FIRST, FIRST + timedelta(days=1)]
CURRENCIES = ["BTC", "USDC"]
Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]
#: What the names of the tape's instruments mean: how they begin after the book, and their kind.
FORMS = {"PERPETUAL": "perpetual", "FS-": "future_combo", "CS-": "option_combo"}


@pytest.mark.thorough
def test_days_are_the_same_on_both_destinations_and_what_the_tape_adds_up_to(
    commands: Commands, clickhouse: ClickHouseConfig
) -> None:
    tape = make(CURRENCIES, FIRST, 2, Shape(trades_per_day=500))
    wanted = _by_key(_expected(tape))
    with Sandbox(tape, NOW) as sandbox:
        commands.set(sandbox.environ)
        commands.set({"SOURCES__DERIBIT__CURRENCIES": '["BTC", "USDC"]'})
        days = ("load", "deribit", "--from", f"{DAYS[0]}", "--to", f"{DAYS[1]}")
        assert commands(*days).status == 0
        assert commands("normalize", "deribit").status == 0
        files = f"{commands.data}/marts/trades_daily/*.parquet"
        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        local = _rows(connection.execute(f"select {COLUMNS} from '{files}'").fetchall())
        commands.set(environ(clickhouse, commands.data))
        commands.monkeypatch.delenv("SOURCES__AWS__BUCKET_URL")
        assert commands(*days).status == 0
        there = _rows(query(clickhouse, f"select {COLUMNS} from trades_daily"))
    assert {tuple(sorted(row)) for row in wanted.values()} == {tuple(sorted(COLUMNS.split(", ")))}
    assert _differences(local, wanted) == []
    assert _differences(there, wanted) == []
    options = [row for row in wanted.values() if row["put_call_ratio"] and row["iv_vwap"]]
    assert {row["underlying"] for row in options} == {"BTC", "BTC_USDC", "XRP_USDC"}


def _expected(tape: Tape) -> Iterable[Row]:
    """Every row of the mart, by both levels."""
    for day in DAYS:
        for currency in CURRENCIES:
            groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
            for trade in tape.trades(currency, day):
                known = _known(trade["instrument_name"])
                groups["instrument", trade["instrument_name"], *known].append(trade)
                groups["expiry", None, *known].append(trade)
            for (level, name, underlying, expiry, kind), trades in groups.items():
                ordered = sorted(trades, key=lambda trade: trade["trade_seq"])
                same = len({trade["instrument_name"] for trade in trades}) == 1
                yield {
                    "trade_date": day,
                    "currency": currency,
                    "level": level,
                    "instrument_name": name,
                    "underlying": underlying,
                    "expiry": expiry,
                    "kind": kind,
                    "x_partition": f"{day}.{currency}",
                    **_prices(ordered if same else []),
                    **_sums(ordered, kind, underlying),
                }


def _known(name: str) -> tuple[str, datetime | None, str]:
    """Underlying, expiry and kind of an instrument of the tape."""
    book, _, rest = name.partition("-")
    for start, kind in FORMS.items():
        if rest.startswith(start):
            return book, None, kind
    if not rest:
        return book, None, "spot"
    day = datetime.strptime(rest.split("-")[0], "%d%b%y").replace(tzinfo=UTC)
    return book, day + timedelta(hours=8), "option" if "-" in rest else "future"


def _prices(trades: list[Row]) -> Row:
    """Of one instrument, in the order of its numbers; several have none in common."""
    prices = [trade["price"] for trade in trades]
    amount = math.fsum(trade["amount"] for trade in trades)
    turnover = math.fsum(trade["price"] * trade["amount"] for trade in trades)
    return {
        "open": prices[0] if prices else None,
        "high": max(prices, default=None),
        "low": min(prices, default=None),
        "close": prices[-1] if prices else None,
        "vwap": turnover / amount if amount else None,
    }


def _sums(trades: list[Row], kind: str, underlying: str) -> Row:
    sides: dict[str, Any] = {"C": None, "P": None}
    if kind == "option":
        for side in sides:
            own = [t["amount"] for t in trades if t["instrument_name"].endswith(f"-{side}")]
            sides[side] = math.fsum(own)
    implied = [trade for trade in trades if "iv" in trade]
    weight = math.fsum(trade["amount"] for trade in implied)
    weighted = math.fsum(trade["iv"] * trade["amount"] for trade in implied)
    return {
        "volume": math.fsum(trade["amount"] for trade in trades),
        "notional_usd": math.fsum(_notional(trade, kind, underlying) for trade in trades),
        "trades": len(trades),
        "call_volume": sides["C"],
        "put_volume": sides["P"],
        "put_call_ratio": sides["P"] / sides["C"] if sides["C"] else None,
        "iv_vwap": weighted / weight if weight else None,
    }


def _notional(trade: Row, kind: str, underlying: str) -> float:
    amount: float = trade["amount"]
    if "_" in underlying and kind in ("perpetual", "future", "spot"):  # coins, priced in USD
        return amount * float(trade["price"])
    if "_" not in underlying and kind in ("perpetual", "future", "future_combo"):  # USD
        return amount
    return amount * float(trade["index_price"])  # coins, whatever their price is in


def _rows(found: Iterable[tuple[Any, ...]]) -> Rows:
    return _by_key(dict(zip(COLUMNS.split(", "), row, strict=True)) for row in found)


def _by_key(rows: Iterable[Row]) -> Rows:
    names = ("x_partition", "level", "instrument_name", "underlying", "expiry", "kind")
    return {tuple(row[name] for name in names): row for row in rows}


def _differences(found: Rows, wanted: Rows) -> list[Any]:
    assert found.keys() == wanted.keys()
    return [
        (key, name, found[key][name], value)
        for key, row in wanted.items()
        for name, value in row.items()
        if not _same(found[key][name], value)
    ]


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other

"""Deribit end to end: both destinations, the 24-hour trap, runs, errors, days that change."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import PartitionError
from pipelines.providers.deribit.client import Malformed
from pipelines.providers.deribit.market import Market, Span, milliseconds
from pipelines.providers.deribit.pages import Asked, kind_of, parse
from scripts.sandbox.deribit.answers import funding, volatility
from scripts.sandbox.deribit.server import Faults, Sandbox
from scripts.sandbox.deribit.tape import Shape, Tape, make
from tests.support.commands import Commands
from tests.support.providers.deribit_market import (
    FIRST,
    NOW,
    at,
    day_of,
    on_tape,
    random_tape,
    rows,
    same,
    settings,
)
from tests.support.published_clickhouse import environ, leftovers, query

DAYS = [FIRST + timedelta(days=n) for n in (1, 2)]


@pytest.fixture(scope="module")
def tape() -> Tape:
    return make(["BTC", "USDC"], FIRST, 3, Shape(trades_per_day=200, run=1_300, holes=1))


@pytest.fixture
def sandbox(tape: Tape, commands: Commands) -> Iterator[Sandbox]:
    with Sandbox(tape, NOW) as served:
        commands.set(served.environ)
        commands.set(
            {
                "SOURCES__DERIBIT__CURRENCIES": '["BTC","USDC"]',
                "SOURCES__DERIBIT__FIRST_DAY": f"{DAYS[0]}",
                "SOURCES__DERIBIT__PARALLEL": "2",
                "SOURCES__DERIBIT__VOLATILITY_INDEX": '["BTC"]',
                "SOURCES__DERIBIT__FUNDING": '["BTC-PERPETUAL"]',
            }
        )
        yield served


def landed(data: Path, day: date, currency: str) -> list[dict[str, Any]]:
    (path,) = (data / "deribit" / "trades" / f"trade_date={day}.{currency}").glob("*.parquet")
    found: list[dict[str, Any]] = pq.ParquetFile(path).read().to_pylist()
    return found


def test_parquet_has_the_tape_and_a_second_run_reads_only_what_may_change(
    sandbox: Sandbox, tape: Tape, commands: Commands
) -> None:
    assert commands("load", "deribit").status == 0
    commands.well("normalize deribit")
    for day in DAYS:
        for currency in ("BTC", "USDC"):
            assert same(landed(commands.data, day, currency), on_tape(tape, currency, day))
    sandbox.fixed = NOW + 40 * 86_400_000  # long after: what still lacks trades is a hole for good
    assert commands("load", "deribit", "--to", f"{DAYS[0]}").status == 0
    before = sandbox.calls.total()
    ran = commands("load", "deribit", "--to", f"{DAYS[0]}")
    assert ran.out.splitlines()[0] == "deribit: 0 loaded, 2 unchanged, 0 failed"
    assert sandbox.calls.total() - before <= 5  # the time, once a table, and nothing else
    sandbox.fixed = NOW
    said = commands.checked(
        "daily_conservation", "deribit_conservation", "deribit_known_holes", "deribit_sequence_gaps"
    )
    assert said.endswith("4 checks, 1 failed: deribit_known_holes\n")


@pytest.mark.thorough
def test_hourly_tables_have_every_hour_of_the_month_so_far(
    sandbox: Sandbox, commands: Commands
) -> None:
    assert commands("load", "deribit", "--from", "2026-11-22").status == 0
    start, hour = at(date(2026, 11, 1)), 3_600_000
    asked = {"start_timestamp": str(start), "end_timestamp": str(NOW - 1), "resolution": "3600"}
    names = ("open", "high", "low", "close")
    index = [dict(zip(names, row[1:], strict=True)) for row in volatility(asked)["data"]]
    rates = [{k: v for k, v in row.items() if k != "timestamp"} for row in funding(asked)]
    for table, named, name, wanted in (
        ("volatility_index", "currency", "BTC", index),
        ("funding_rates", "instrument_name", "BTC-PERPETUAL", rates),
    ):
        (path,) = (commands.data / "deribit" / table / f"month=2026-11.{name}").glob("*.parquet")
        found = pq.ParquetFile(path).read().to_pylist()
        moments = [milliseconds(row.pop("measured_at")) for row in found]
        assert moments == list(range(start, NOW, hour))
        assert found == [{named: name} | values for values in wanted]
        assert len(found) == 21 * 24 + 20


@pytest.mark.thorough
def test_clickhouse_has_the_tape_and_a_day_loaded_again_replaces_itself(
    sandbox: Sandbox, tape: Tape, commands: Commands, clickhouse: ClickHouseConfig
) -> None:
    found = environ(clickhouse, commands.data)
    commands.set({name: value for name, value in found.items() if "AWS" not in name})
    commands.set({"SOURCES__DERIBIT__CURRENCIES": '["BTC"]'})
    assert commands("load", "deribit").status == 0
    wanted = [len(on_tape(tape, currency, day)) for day in DAYS for currency in ["BTC"]]
    counts = "select count() from {} group by {} order by {}"
    raw = counts.format("deribit__trades", "trade_date", "trade_date")
    published = counts.format("trades", "x_partition", "x_partition")
    assert [row[0] for row in query(clickhouse, raw)] == wanted
    assert [row[0] for row in query(clickhouse, published)] == wanted
    ran = commands(
        "load", "deribit", "--from", f"{DAYS[0]}.BTC", "--to", f"{DAYS[0]}.BTC", "--force"
    )
    assert ran.out.splitlines()[0] == "deribit: 1 loaded, 0 unchanged, 0 failed"
    assert [row[0] for row in query(clickhouse, raw)] == wanted
    assert [row[0] for row in query(clickhouse, published)] == wanted
    assert leftovers(clickhouse) == []


def test_production_is_never_asked_for_what_it_has_forgotten() -> None:
    tape = random_tape(random.Random(3), moments=40, most=3, instruments=4)
    with Sandbox(tape, at(FIRST, 23.5)) as sandbox:
        wanted = settings(sandbox)
        market = Market(wanted)
        day = rows(day_of(market, wanted, FIRST))
        trap = Span(at(FIRST) - 86_400_000, at(FIRST, 23))
        assert market.window(market.production, "BTC", "any", trap).trades.num_rows == 0
    assert same(day, on_tape(tape, "BTC", FIRST, at(FIRST, 23.5)))


def test_a_page_of_another_kind_is_no_answer() -> None:
    names = {
        "BTC_USDC": "spot",
        "BTC-PERPETUAL": "future",
        "BTC-5DEC26": "future",
        "XRP_USDC-30JUN25-2d35-C": "option",
        "BTC-FS-5DEC26_PERP": "future_combo",
        "BTC-CS-5DEC26-70000_75000": "option_combo",
        "BTC-CSR12-5DEC26-70000_75000": "option_combo",
        "BTC-5DEC26-70000-STRIP": "",
    }
    assert {name: kind_of(name) for name in names} == names
    trade = random_tape(random.Random(3), moments=1, most=1, instruments=1).rows[0]
    body = b'{"result":{"trades":[%s],"has_more":false}}' % trade
    assert parse(body, Asked(kind="future")).trades.num_rows == 1
    assert parse(body, Asked(kind="any")).trades.num_rows == 1
    with pytest.raises(Malformed, match="BTC-1DEC26, which is not of the kind option"):
        parse(body, Asked(kind="option"))


def test_the_test_network_refuses_days_that_it_cannot_have() -> None:
    tape = random_tape(random.Random(3), moments=5, most=1, instruments=1)
    with Sandbox(tape, NOW) as sandbox:
        wanted = settings(sandbox)
        market = Market(wanted)
        market.history = None
        with pytest.raises(PartitionError, match="keeps the last 24 hours only"):
            day_of(market, wanted, FIRST)


@pytest.mark.parametrize("kind", ["10028", "429", "503", "malformed"])
def test_an_error_that_stays_stops_the_day_and_names_itself(kind: str) -> None:
    tape = random_tape(random.Random(3), moments=5, most=1, instruments=1)
    words = {"10028": "too_many_requests", "429": "HTTP 429", "503": "HTTP 503"}
    with Sandbox(tape, NOW, Faults([kind], 1.0)) as sandbox:
        wanted = settings(sandbox, tries=2)
        with pytest.raises(PartitionError) as error:
            day_of(Market(wanted), wanted, FIRST)
    assert words.get(kind, "not JSON") in str(error.value)
    assert "after 2 tries" in str(error.value)


def test_a_wrong_kind_ends_with_2_and_names_the_choice(commands: Commands) -> None:
    commands.set({"SOURCES__DERIBIT__KINDS": '["swap"]'})
    ran = commands("load", "deribit")
    assert ran.status == 2
    assert "sources.deribit.kinds: swap. Choose from any, future" in ran.err

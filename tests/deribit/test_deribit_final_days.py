"""When a day of Deribit is final: hosts that have nothing of it, that lag, and that come back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.providers.deribit.calendar import DayFingerprint
from pipelines.providers.deribit.market import Market
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import DAY, Tape
from tests.gcp.test_gcp_checks import offending
from tests.support.commands import Commands, Ran
from tests.support.providers.deribit_market import FIRST, NOW, Writer, at, day_of, settings
from tests.support.published_clickhouse import environ

DAYS = [FIRST + timedelta(days=n) for n in range(3)]
PERPETUAL, CALL, RARE = "BTC-PERPETUAL", "BTC-25DEC26-90000-C", "BTC-25DEC26-80000-P"
TODAY = f"{DAYS[2]:%Y%m%d}"
Days = dict[str, tuple[str, int, str]]


class Exchange:
    """Either destination, and a sandbox whose history can be ill."""

    def __init__(self, commands: Commands, sandbox: Sandbox, config: ClickHouseConfig | None):
        self.commands, self.sandbox, self.config = commands, sandbox, config
        self.writer = Writer(sandbox)

    def trade_daily(self, *instruments: str) -> None:
        """Three of each on each of three days."""
        for day in DAYS:
            for instrument in instruments:
                self.writer.trade(day, instrument, 3)

    def load(self, *options: str) -> Ran:
        """The days that are over, as a plain run plans them."""
        return self.commands("load", "deribit", "--to", f"{DAYS[1]}", *options)

    def pass_days(self, number: int) -> None:
        """The exchange's clock goes on."""
        self.sandbox.fixed = NOW + number * DAY

    def published(self) -> Days:
        """By day: state, number of trades, and since when."""
        raw_table = SOURCES["deribit"].raw_table
        if self.config:
            with Warehouse(self.config) as warehouse:
                marks = dict(warehouse.published(raw_table))
        else:
            marks = configured_store().published(raw_table)
        found = {key: DayFingerprint.of(mark) for key, mark in marks.items()}
        return {
            key: (mark.state, mark.rows, f"{mark.since:%Y%m%d}" if mark.since else "")
            for key, mark in sorted(found.items())
        }

    def named(self) -> list[list[str]]:
        """What `check` says of days that are over: day, state, since, trades."""
        return [row[:4] for row in self.commands.named("deribit_open_days")]


def key(day: date) -> str:
    return f"{day}.BTC"


@pytest.fixture(params=["filesystem", "clickhouse"])
def exchange(request: pytest.FixtureRequest, commands: Commands) -> Iterator[Exchange]:
    with Sandbox(Tape(), NOW) as sandbox:
        commands.set(sandbox.environ)
        commands.set(
            {
                "SOURCES__DERIBIT__CURRENCIES": '["BTC"]',
                "SOURCES__DERIBIT__PARALLEL": "1",
                "SOURCES__DERIBIT__FIRST_DAY": f"{DAYS[0]}",
            }
        )
        config: ClickHouseConfig | None = None
        if request.param == "clickhouse":
            config = request.getfixturevalue("clickhouse")
            commands.set(environ(config, commands.data))
            commands.monkeypatch.delenv("SOURCES__AWS__BUCKET_URL")
        yield Exchange(commands, sandbox, config)


@pytest.mark.thorough
def test_a_day_that_history_has_nothing_of_stays_open_until_it_is_proven(
    exchange: Exchange,
) -> None:
    exchange.trade_daily(PERPETUAL, CALL)
    exchange.sandbox.lost = range(at(DAYS[0]), at(DAYS[1]))
    ran = exchange.load()
    assert f"deribit {key(DAYS[0])} is open since {DAYS[2]}: " in ran.err
    assert exchange.published() == {
        key(DAYS[0]): ("open", 0, TODAY),
        key(DAYS[1]): ("open", 6, TODAY),  # its numbers begin at 4, and nobody has 1 to 3
    }
    assert exchange.named()[0] == [key(DAYS[0]), "open", TODAY, "0"]
    exchange.sandbox.lost = range(0)
    exchange.pass_days(2)
    assert exchange.load().status == 0
    proven = f"{DAYS[2] + timedelta(days=2):%Y%m%d}"
    assert exchange.published() == {
        key(DAYS[0]): ("closed", 6, proven),
        key(DAYS[1]): ("closed", 6, proven),
    }
    if exchange.config is None:
        exchange.commands.well("normalize")
    assert exchange.named() == []
    assert exchange.load().out.splitlines()[0] == "deribit: 0 loaded, 2 unchanged, 0 failed"


@pytest.mark.quick("filesystem")
def test_a_day_that_nobody_proves_in_time_is_a_hole_by_name_until_force_heals_it(
    exchange: Exchange,
) -> None:
    exchange.trade_daily(PERPETUAL)
    exchange.sandbox.lost = range(at(DAYS[0]), at(DAYS[1]))
    for passed, state in ((0, "open"), (6, "open"), (7, "holes")):
        exchange.pass_days(passed)
        assert exchange.load().status == 0
        assert exchange.published()[key(DAYS[0])] == (state, 0, TODAY)
    assert exchange.named()[0] == [key(DAYS[0]), "hole", TODAY, "0"]
    shown = exchange.commands("status", "deribit").out
    assert f"hole since {DAYS[2]}" in " ".join(shown.replace("│", " ").split())
    exchange.sandbox.lost = range(0)
    assert exchange.load("--force").status == 0
    assert {mark[:2] for mark in exchange.published().values()} == {("closed", 3)}
    assert exchange.named() == []


@pytest.mark.thorough
def test_a_history_that_lags_neither_closes_a_day_nor_takes_trades_from_it(
    exchange: Exchange,
) -> None:
    exchange.trade_daily(PERPETUAL)
    exchange.sandbox.fixed = at(DAYS[1], 23)  # the day is open, production has all of it
    assert exchange.load().status == 0
    assert exchange.published()[key(DAYS[1])] == ("open", 3, "")
    exchange.pass_days(1)
    exchange.sandbox.lags_from = at(DAYS[1], 1) + 4_000  # one trade of the second day
    ran = exchange.load()
    assert "3 trades are published and the hosts now have 1" in ran.err
    assert exchange.published()[key(DAYS[1])] == ("open", 3, "")
    refused = exchange.load("--force", "--from", f"{DAYS[1]}")
    assert refused.status == 1
    assert "The published ones stay" in refused.err
    exchange.sandbox.lags_from = None
    assert exchange.load().status == 0
    assert exchange.published()[key(DAYS[1])][:2] == ("closed", 3)


@pytest.mark.quick("filesystem")
def test_a_day_is_proven_against_the_numbers_that_production_has(exchange: Exchange) -> None:
    exchange.trade_daily(PERPETUAL)
    for day, times in ((DAYS[0], 2), (DAYS[1], 1), (DAYS[2], 1)):
        exchange.writer.trade(day, RARE, times)
    numbers = exchange.sandbox.tape.of[RARE][1]
    lost = exchange.sandbox.tape.times[numbers[2]]  # of the second day: production has a later one
    exchange.sandbox.lost = range(lost, lost + 1)
    exchange.sandbox.fixed = at(DAYS[2] + timedelta(days=1), 0.5)
    ran = exchange.load()
    assert f"{RARE}: " in ran.err
    assert exchange.published()[key(DAYS[1])][:2] == ("open", 3)
    exchange.sandbox.lost = range(0)
    assert exchange.load().status == 0
    assert exchange.published()[key(DAYS[1])][:2] == ("closed", 4)


@pytest.mark.quick("filesystem")
def test_an_empty_day_is_final_when_both_its_sides_say_that_nothing_was_traded(
    exchange: Exchange,
) -> None:
    for day in (DAYS[0], DAYS[2]):
        exchange.writer.trade(day, PERPETUAL, 2)
    assert exchange.load().status == 0
    assert {day: mark[:2] for day, mark in exchange.published().items()} == {
        key(DAYS[0]): ("closed", 2),
        key(DAYS[1]): ("closed", 0),
    }
    assert exchange.named() == []


@pytest.mark.quick("filesystem")
def test_a_pause_of_any_length_leaves_no_day_out(exchange: Exchange) -> None:
    exchange.trade_daily(PERPETUAL)
    exchange.commands.monkeypatch.delenv("SOURCES__DERIBIT__FIRST_DAY")
    assert exchange.load("--from", f"{DAYS[0]}", "--to", f"{DAYS[0]}").status == 0
    exchange.pass_days(30)
    exchange.writer.trade(DAYS[2] + timedelta(days=30), PERPETUAL)
    assert exchange.load().status == 0
    assert [mark[:2] for mark in exchange.published().values()] == [("closed", 3), ("closed", 3)]


def test_what_deribit_says_of_a_wrong_request_is_told(commands: Commands) -> None:
    with Sandbox(Tape(), NOW) as sandbox:
        commands.set(sandbox.environ | {"SOURCES__DERIBIT__CURRENCIES": '["BITCOIN"]'})
        ran = commands("load", "deribit", "--from", f"{DAYS[1]}", "--to", f"{DAYS[1]}")
    assert ran.status == 1
    told = (
        "Invalid params: must be one of BTC, ETH, USDC, USDT, EURR, any (param currency) (-32602)"
    )
    assert told in " ".join(ran.err.split())


@pytest.mark.thorough
def test_what_a_host_has_and_is_not_published_is_named_by_a_second_question(
    exchange: Exchange,
) -> None:
    """A trade of a new instrument comes late, after its day was proven without it."""
    exchange.trade_daily(PERPETUAL)
    exchange.sandbox.fixed = at(DAYS[2], 4)
    assert exchange.commands("load", "deribit").status == 0
    if exchange.config is None:
        exchange.commands.well("normalize")
    assert "deribit_newest_numbers" not in offending(exchange.commands)
    exchange.writer.trade(DAYS[1], RARE, 2, hour=6)
    assert exchange.commands("load", "deribit").status == 0
    exchange.commands("normalize", "deribit")
    late = [[key(DAYS[1]), host, RARE, "2", "0"] for host in ("history", "production")]
    found = offending(exchange.commands)["deribit_newest_numbers"]
    assert [row[:5] for row in found] == late
    assert exchange.commands("load", "deribit", "--force").status == 0
    exchange.commands("normalize", "deribit")
    assert "deribit_newest_numbers" not in offending(exchange.commands)


@pytest.mark.parametrize("kind", ["any", "option"])
def test_an_unknown_family_is_read_whatever_kind_deribit_counts_it_to(kind: str) -> None:
    with Sandbox(Tape(), NOW) as sandbox:
        writer = Writer(sandbox)
        for name in ("BTC-5DEC26-90000-STRIP", CALL):
            writer.trade(FIRST, name, 2)
        tape = sandbox.tape
        tape.where["BTC", "option"] = tape.where["BTC", "any"]
        wanted = settings(sandbox, kinds=[kind])
        assert day_of(Market(wanted), wanted, FIRST).rows == 4

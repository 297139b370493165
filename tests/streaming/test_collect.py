"""The collector, against a websocket and an HTTP host on loopback that play a tape."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from pipelines.core.partition import UserError
from pipelines.providers.deribit.settings import DeribitSettings
from pipelines.streaming.collector.collect import Collector, channels_of
from pipelines.streaming.collector.numbers import Numbers
from pipelines.streaming.collector.publisher import Publisher
from pipelines.streaming.records import Decoder
from pipelines.streaming.registry import Registry, RegistryError
from pipelines.streaming.settings import StreamingSettings
from pipelines.streaming.topics import TOPICS
from scripts.sandbox.deribit.live import LiveDeribit, Trouble
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Shape, Tape, make
from scripts.sandbox.kafka.broker import MockBroker
from scripts.sandbox.kafka.registry import SchemaRegistry

TOPIC = TOPICS["deribit"]
DAY = date(2026, 10, 31)
START = round(datetime(2026, 10, 31, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000


@dataclass
class World:
    """Deribit with a tape, Kafka and a registry; collectors come and go."""

    live: LiveDeribit
    broker: MockBroker
    registry: SchemaRegistry

    def __post_init__(self) -> None:
        self.broker.create(TOPIC.name)
        http = self.live.http
        self.deribit = DeribitSettings(
            currencies=["BTC", "ETH"],
            api_url=f"{http.url}/api/v2",
            history_url=f"{http.url}/history/api/v2",
        )
        self.deribit.requests_per_second, self.deribit.backoff_seconds = 10_000.0, 0.005
        self.settings = StreamingSettings(
            bootstrap_servers=self.broker.bootstrap, registry_url=self.registry.url
        )
        self.settings.websocket_url = self.live.url
        Registry(self.settings).register(TOPIC.subject, TOPIC.schema())
        self.settings.reconnect_seconds = 0.02
        self.settings.gap_seconds, self.settings.verify_seconds = 0.05, 0.5
        # the tape's clock jumps by hours: what a sweep asks for stays in the day production has
        self.settings.recover_hours = 12.0

    @contextlib.contextmanager
    def collecting(self) -> Iterator[Collector]:
        """A collector in a thread of its own, stopped at the end as Ctrl-C does."""
        publisher = Publisher(TOPIC, self.settings)
        collector = Collector(self.deribit, self.settings, publisher)
        loop = asyncio.new_event_loop()
        stop = asyncio.Event()
        ended: Future[None] = Future()

        def run() -> None:
            try:
                loop.run_until_complete(collector.run(stop))
                ended.set_result(None)
            except BaseException as error:  # noqa: BLE001 (handed on to the test)
                ended.set_exception(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield collector
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()
        ended.result()

    def play(self, hours: float) -> None:
        """Up to so many hours after midnight."""
        self.live.play(START + round(hours * HOUR))

    def records(self) -> list[dict[str, Any]]:
        """Everything in the topic."""
        decoder = Decoder(Registry(self.settings).schema)
        return [decoder.decode(value) for _, value, _ in self.broker.read(TOPIC.name)]

    def seen(self) -> list[tuple[str, int]]:
        """Instrument and number of each record, doubles and all."""
        return sorted((each["instrument_name"], each["trade_seq"]) for each in self.records())

    def expected(self, hours: float) -> list[tuple[str, int]]:
        """What the tape has until then."""
        return sorted(
            (trade["instrument_name"], trade["trade_seq"])
            for currency in self.deribit.currencies
            for trade in self.live.http.tape.trades(currency, DAY)
            if trade["timestamp"] < START + round(hours * HOUR)
        )


def wait_until(collector: Collector, trades: int) -> None:
    """Until the collector has published so many; its own loop does the work."""
    for _ in range(6000):
        if collector.publisher.counts.trades >= trades and not collector.gaps():
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{collector.status()}; expected {trades}")


@contextlib.contextmanager
def world(tape: Tape, trouble: Trouble | None = None) -> Iterator[World]:
    http, registry = Sandbox(tape, now=START), SchemaRegistry()
    with http, LiveDeribit(http, trouble or Trouble()) as live, MockBroker() as broker, registry:
        yield World(live, broker, registry)


def tape(trades: int = 1_500) -> Tape:
    return make(("BTC", "ETH"), DAY, 1, Shape(trades_per_day=trades))


def test_each_trade_is_one_record_whichever_connection_brings_it() -> None:
    with world(tape(300)) as deribit:
        with deribit.collecting() as collector:
            deribit.live.wait_for(2)
            deribit.play(12)
            wait_until(collector, len(deribit.expected(12)))
        assert deribit.seen() == deribit.expected(12)
        assert collector.publisher.counts.repeated >= len(deribit.expected(12))


def test_a_record_says_what_deribit_says() -> None:
    with world(tape(20)) as deribit:
        with deribit.collecting() as collector:
            deribit.live.wait_for(2)
            deribit.play(24)
            wait_until(collector, len(deribit.expected(24)))
        fields = {each["name"] for each in TOPIC.schema()["fields"]}
        ours = {"currency", "received_at", "origin"}
        told = {
            (trade["instrument_name"], trade["trade_seq"]): trade
            for currency in ("BTC", "ETH")
            for trade in deribit.live.http.tape.trades(currency, DAY)
        }
        for record in deribit.records():
            trade = told[record["instrument_name"], record["trade_seq"]]
            wanted = {name: trade.get(name) for name in fields - ours}
            if wanted["combo_trade_id"] is not None:  # a number or text, as Deribit pleases
                wanted["combo_trade_id"] = str(wanted["combo_trade_id"])
            assert {name: record[name] for name in fields - ours} == wanted
            assert record["currency"] == record["instrument_name"][:3]
            assert record["origin"] in ("websocket", "repair")


def test_losses_duplicates_reordering_outages_and_a_restart_end_complete() -> None:
    """A day of the tape. What is lost for good on both connections is asked for over HTTP."""
    trouble = Trouble(lost=0.2, twice=0.1, late=0.1)
    with world(tape(), trouble) as deribit:
        live = deribit.live
        with deribit.collecting() as collector:
            live.wait_for(2)
            deribit.play(4)
            wait_until(collector, len(deribit.expected(4)))
            live.is_away = True
            live.hang_up()  # nobody hears the next three hours
            deribit.play(7)
            live.is_away = False
            live.wait_for(2)
            deribit.play(11)
            wait_until(collector, len(deribit.expected(11)))
        deribit.play(16)  # nor these: no collector runs
        with deribit.collecting() as collector:
            live.wait_for(2)
            deribit.play(24)
            before = len(deribit.expected(11))
            wait_until(collector, len(deribit.expected(24)) - before)
            assert collector.publisher.counts.holes == 0
        assert deribit.seen() == deribit.expected(24)


def test_a_number_that_deribit_does_not_have_is_counted_as_a_hole() -> None:
    made = make(("BTC", "ETH"), DAY, 1, Shape(trades_per_day=300, holes=2))
    with world(made) as deribit:
        deribit.settings.gap_seconds = 0.01
        with deribit.collecting() as collector:
            deribit.live.wait_for(2)
            deribit.play(24)
            wait_until(collector, len(deribit.expected(24)))
        assert collector.publisher.counts.holes == sum(len(each) for each in made.holes.values())
        assert deribit.seen() == deribit.expected(24)


def test_a_heartbeats_test_request_is_answered() -> None:
    with world(tape(50)) as deribit, deribit.collecting() as collector:
        deribit.live.wait_for(2)
        deribit.live.request_test()
        deribit.play(24)
        wait_until(collector, len(deribit.expected(24)))
        deribit.live.wait_for_tests(2)
        assert deribit.live.tested == 2


def test_a_schema_that_was_not_registered_is_named_with_the_fix() -> None:
    with world(tape(50)) as deribit:
        deribit.registry.subjects.clear()
        with pytest.raises(RegistryError, match=r"version of .*-value\. Run: make streaming-init"):
            Publisher(TOPIC, deribit.settings)


def test_a_currency_without_channels_is_named() -> None:
    with world(tape(50)) as deribit:
        deribit.deribit.currencies = ["XYZ"]
        collector = Collector(deribit.deribit, deribit.settings, Publisher(TOPIC, deribit.settings))
        with pytest.raises(UserError, match=r"no channel trades\.combo\.XYZ\.100ms, "):
            asyncio.run(collector.run(asyncio.Event()))


@pytest.mark.parametrize(
    ("kinds", "channels"),
    [
        (["any"], "future option spot combo"),
        (["option"], "option"),
        (["future", "option_combo", "future_combo"], "combo future"),
    ],
)
def test_channels_are_those_of_the_configured_kinds(kinds: list[str], channels: str) -> None:
    found = list(channels_of(["BTC"], kinds))
    assert found == [f"trades.{kind}.BTC.100ms" for kind in channels.split()]


def test_numbers_are_kept_as_intervals_in_any_order() -> None:
    chance = random.Random(1)
    for _ in range(200):
        numbers, seen = Numbers(), set[int]()
        for _ in range(chance.randint(1, 40)):
            number = chance.randint(1, 30)
            assert numbers.add(number) == (number not in seen)
            seen.add(number)
        held = [
            n for a, b in zip(numbers.starts, numbers.ends, strict=True) for n in range(a, b + 1)
        ]
        assert held == sorted(seen)
        missing = set(range(min(seen), max(seen))) - seen
        assert {n for a, b in numbers.gaps() for n in range(a, b + 1)} == missing
    numbers = Numbers([1, 5, 9], [2, 6, 9])
    numbers.forgive(7, 8)
    assert (numbers.gaps(), numbers.ends) == ([(3, 4)], [2, 9])

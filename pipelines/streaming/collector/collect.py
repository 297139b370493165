"""Deribit's websocket → Kafka: every trade once, and what was missed is asked for over HTTP.

Two connections bring each trade twice, and the first one counts. A number that is missing between
others is noticed when the next one comes, given a second to come by the other connection, then
asked for. When the first connection is back, and every few minutes, everything since the last time
is swept over HTTP, so that an instrument that has fallen silent is complete, too. All of it goes
into one topic.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from pipelines.core.partition import UserError
from pipelines.providers.deribit.client import Host
from pipelines.providers.deribit.market import Market, Span
from pipelines.providers.deribit.pages import kind_of
from pipelines.providers.deribit.settings import DeribitSettings
from pipelines.providers.deribit.sweep import sweep
from pipelines.streaming.collector.feed import Feed
from pipelines.streaming.collector.publisher import Publisher
from pipelines.streaming.settings import StreamingSettings

log = logging.getLogger(__name__)

_CHANNELS = ("future", "option", "spot", "combo")
_MARGIN = 60_000  # milliseconds that the next sweep looks at again: what came late
_TRIES = 8
_CHUNK = 1000
_STATUS = 10.0


@dataclass
class Suspect:
    """An instrument with a gap: when to ask for it, and how often that was done."""

    at: float
    tries: int = 0


class Collector:
    """Collects until cancelled; `run` is the whole of it."""

    def __init__(
        self, deribit: DeribitSettings, settings: StreamingSettings, publisher: Publisher
    ) -> None:
        self.deribit, self.settings, self.publisher = deribit, settings, publisher
        channels = list(channels_of(deribit.currencies, deribit.kinds))
        self.feeds = [
            Feed(number, channels, settings, self._take, self._note_connection)
            for number in range(1, settings.connections + 1)
        ]
        self._up: set[int] = set()
        self._market: Market
        self._since = 0  # milliseconds: until then everything is in the topic
        self._is_back = asyncio.Event()
        self._suspects: dict[str, Suspect] = {}
        self._http = ThreadPoolExecutor(1, "deribit-http")

    async def run(self, stop: asyncio.Event) -> None:
        """Collect until `stop`, then hand everything to Kafka. Raises UserError."""
        self._market = await self._in_thread(partial(Market, self.deribit))
        read = await self._in_thread(self.publisher.recover)
        log.info("read %d records of %s", read, self.publisher.topic.name)
        now = self._now()
        oldest = now - round(self.settings.recover_hours * 3_600_000)
        self._since = max(oldest, self.publisher.newest - _MARGIN if self.publisher.newest else 0)
        self._suspects = {
            name: Suspect(0.0) for name, seen in self.publisher.numbers.items() if seen.gaps()
        }
        works = [feed.run() for feed in self.feeds]
        works += [self._repair(), self._sweep(), self._report()]
        tasks = [asyncio.ensure_future(work) for work in works]
        waiting = asyncio.ensure_future(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, waiting):
                task.cancel()
            await asyncio.gather(*tasks, waiting, return_exceptions=True)
            self._http.shutdown(wait=True, cancel_futures=True)
            self.publisher.flush()
            log.info("%s", self.status())
        for task in done - {waiting}:
            task.result()

    def status(self) -> str:
        """One line that says how it goes."""
        counts = self.publisher.counts
        newest = self.publisher.newest
        age = f"{(self._now() - newest) / 1000:.1f} s" if newest else "none"
        return (
            f"{self.publisher.topic.name}: {counts.trades} trades, {counts.repaired} of them "
            f"repaired, {counts.repeated} repeated, {self.gaps()} missing now, {counts.holes} "
            f"holes, {len(self._up)} of {len(self.feeds)} connections, newest trade {age}"
        )

    def metrics(self) -> dict[str, float]:
        """The same as numbers, for Prometheus."""
        counts = self.publisher.counts
        return vars(counts) | {
            "missing": self.gaps(),
            "connections": len(self._up),
            "reconnects": sum(feed.reconnects for feed in self.feeds),
            "newest_trade_milliseconds": self.publisher.newest,
        }

    def gaps(self) -> int:
        """How many numbers are missing now."""
        seen = self.publisher.numbers
        return sum(last - first + 1 for name in self._suspects for first, last in seen[name].gaps())

    async def _take(self, channel: str, trades: list[dict[str, Any]]) -> None:
        _, kind, currency, _ = channel.split(".")
        for trade in trades:
            if kind != "combo" or self._is_wanted(trade["instrument_name"]):
                await self._publish(trade, currency, "websocket")

    def _is_wanted(self, name: str) -> bool:
        kinds = set(self.deribit.kinds)
        return bool(kinds & {"any", "combo"}) or kind_of(name) in kinds

    async def _publish(self, trade: dict[str, Any], currency: str, origin: str) -> None:
        name = trade["instrument_name"]
        if not await self.publisher.publish(trade, currency, origin):
            return
        if name not in self._suspects and len(self.publisher.numbers[name].starts) > 1:
            self._suspects[name] = Suspect(time.monotonic() + self.settings.gap_seconds)

    def _note_connection(self, number: int, is_up: bool) -> None:
        if not is_up:
            self._up.discard(number)
            return
        if not self._up:
            self._is_back.set()
        self._up.add(number)

    async def _sweep(self) -> None:
        """Ask for everything since the last time: after an outage, and from time to time."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_back.wait(), self.settings.verify_seconds)
            await asyncio.sleep(self.settings.gap_seconds)  # what has just been traded is indexed
            self._is_back.clear()
            if not self._up:
                continue
            try:
                self._market = await self._in_thread(partial(Market, self.deribit))  # its clock
                end = self._now()
                await self._sweep_span(Span(self._since, end))
                self._since = max(self._since, end - _MARGIN)
            except UserError as error:
                log.warning("%s; next try in %.0f s", error, self.settings.verify_seconds)

    async def _sweep_span(self, span: Span) -> None:
        before = self.publisher.counts.repaired
        for currency in self.deribit.currencies:
            for kind in self.deribit.kinds:
                for host, part in self._market.parts(span):
                    found = partial(self._swept_tables, host, currency, kind, part)
                    for table in await self._in_thread(found):
                        for trade in table.to_pylist():
                            await self._publish(trade, currency, "repair")
        if count := self.publisher.counts.repaired - before:
            seconds = (span.end - span.start) / 1000
            log.info("swept %.0f s over HTTP: %d trades that were missing", seconds, count)

    def _swept_tables(self, host: Host, currency: str, kind: str, part: Span) -> list[pa.Table]:
        return list(sweep(self._market, host, currency, kind, part, lambda: False))

    async def _repair(self) -> None:
        """Ask for gaps by number, each again and again with growing pauses."""
        while True:
            await asyncio.sleep(0.1)
            now = time.monotonic()
            for name in [name for name, each in self._suspects.items() if each.at <= now]:
                await self._repair_one(name)

    async def _repair_one(self, name: str) -> None:
        seen, suspect = self.publisher.numbers[name], self._suspects[name]
        try:
            for first, last in seen.gaps():
                await self._ask(name, first, last)
        except UserError as error:
            log.warning("%s", error)
        suspect.tries += 1
        if not (left := seen.gaps()):
            del self._suspects[name]
        elif suspect.tries < _TRIES:
            suspect.at = time.monotonic() + self.settings.gap_seconds * 2.0**suspect.tries
        else:
            for first, last in left:
                log.warning("%s: Deribit has no trades %d to %d", name, first, last)
                self.publisher.counts.holes += last - first + 1
                seen.forgive(first, last)
            del self._suspects[name]

    async def _ask(self, name: str, first: int, last: int) -> None:
        for start in range(first, last + 1, _CHUNK):
            end = min(start + _CHUNK - 1, last)
            for host in self._hosts():
                asked = partial(self._market.sequence, host, name, start, end)
                page = await self._in_thread(asked)
                for trade in page.trades.to_pylist():
                    await self._publish(trade, self._currency_of(name), "repair")
                if page.trades.num_rows == end - start + 1:
                    break

    def _hosts(self) -> list[Host]:
        history = self._market.history
        return [self._market.production, *([history] if history else [])]

    def _currency_of(self, name: str) -> str:
        """The currency that the instrument's trades came under, else by its name."""
        base, _, quote = name.partition("-")[0].partition("_")
        return self.publisher.currencies.get(name) or quote or base

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_STATUS)
            self.publisher.poll()
            log.info("%s", self.status())

    def _now(self) -> int:
        return round(self._market.now().timestamp() * 1000)

    async def _in_thread(self, call: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._http, call)


def channels_of(currencies: Sequence[str], kinds: Sequence[str]) -> Iterator[str]:
    """The channels with these trades: `raw` needs an account, so every 100 ms."""
    wanted = {"combo" if kind.endswith("combo") else kind for kind in kinds}
    for currency in currencies:
        for kind in _CHANNELS if "any" in wanted else sorted(wanted):
            yield f"trades.{kind}.{currency}.100ms"

"""Deribit's websocket on loopback: plays a tape to whoever subscribed, with what goes wrong there.

JSON-RPC as Deribit's: `public/subscribe` to `trades.{kind}.{currency}.100ms`,
`public/set_heartbeat`, `public/test`. `play` moves the clock of the HTTP side, too, so that what a
connection missed can be asked for there.
"""

from __future__ import annotations

import json
import random
import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import COMBO

KINDS = ("future", "option", "spot", "combo")


@dataclass(frozen=True)
class Trouble:
    """The share of notifications that a connection loses, gets twice, or gets late."""

    lost: float = 0.0
    twice: float = 0.0
    late: float = 0.0


class LiveDeribit:
    """The server, running inside a `with`, beside an HTTP sandbox with the same tape and clock."""

    def __init__(self, http: Sandbox, trouble: Trouble = Trouble(), seed: int = 1) -> None:
        self.http, self.trouble = http, trouble
        self.tested = self.accepted = 0
        self.is_away = False
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._channels: dict[ServerConnection, set[str]] = {}
        self._held: dict[ServerConnection, list[str]] = {}
        self._at = bisect_left(http.tape.times, http.now())
        self._changed = threading.Condition(self._lock)

    def __enter__(self) -> Self:
        self._server: Server = serve(self._serve, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.hang_up()
        self._server.shutdown()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/ws/api/v2"

    def play(self, until: int, limit: int = 50) -> int:
        """Send every trade before `until` (ms) in notifications of at most `limit`; how many."""
        tape = self.http.tape
        end = bisect_left(tape.times, until)
        count = end - self._at
        while self._at < end:
            numbers = range(self._at, min(self._at + limit, end))
            self.http.fixed = tape.times[numbers[-1]]
            for channel, rows in self._notifications(numbers).items():
                self._send(channel, rows)
            self._at = numbers[-1] + 1
        self.http.fixed = max(until, self.http.now())
        self._deliver_held()
        return count

    def hang_up(self) -> None:
        """End every connection."""
        with self._lock:
            connections = list(self._channels)
        for connection in connections:
            connection.close()

    def request_test(self) -> None:
        """Ask every client whether it lives."""
        message = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
        self._to_all(json.dumps(message))

    def wait_for(self, connections: int) -> None:
        """Until that many have subscribed."""
        self._await(lambda: len(self._channels), connections, "subscribed")

    def wait_for_tests(self, count: int) -> None:
        """Until that many of its requests for a test were answered."""
        self._await(lambda: self.tested, count, "tests answered")

    def _await(self, reached: Callable[[], int], count: int, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: reached() >= count, 60):
                raise TimeoutError(f"{reached()} of {count} {what}")

    def _notifications(self, numbers: Sequence[int]) -> dict[str, list[Any]]:
        kinds = {each.name: each for each in self.http.tape.instruments}
        found: dict[str, list[Any]] = {}
        for number in numbers:
            trade = json.loads(self.http.tape.rows[number])
            each = kinds[trade["instrument_name"]]
            kind = "combo" if each.kind in COMBO else each.kind
            found.setdefault(f"trades.{kind}.{each.currency}.100ms", []).append(trade)
        return found

    def _send(self, channel: str, trades: list[Any]) -> None:
        parameters = {"channel": channel, "data": trades}
        text = json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": parameters})
        with self._lock:
            to = [each for each, channels in self._channels.items() if channel in channels]
        for connection in to:
            held = self._held.setdefault(connection, [])
            luck = self._chance.random()
            if luck < self.trouble.lost:
                continue
            if luck < self.trouble.lost + self.trouble.late:
                held.append(text)
                continue
            twice = self._chance.random() < self.trouble.twice
            for each in [text] * (1 + twice) + held:
                with suppress(ConnectionClosed):
                    connection.send(each)
            held.clear()

    def _deliver_held(self) -> None:
        for connection, held in self._held.items():
            for text in held:
                with suppress(ConnectionClosed):
                    connection.send(text)
            held.clear()

    def _to_all(self, text: str) -> None:
        with self._lock:
            connections = list(self._channels)
        for connection in connections:
            with suppress(ConnectionClosed):
                connection.send(text)

    def _serve(self, connection: ServerConnection) -> None:
        if self.is_away:
            return
        self.accepted += 1
        with suppress(ConnectionClosed):
            for text in connection:
                self._answer(connection, json.loads(text))
        with self._lock:
            self._channels.pop(connection, None)
            self._held.pop(connection, None)

    def _answer(self, connection: ServerConnection, request: dict[str, Any]) -> None:
        method, given = request["method"], request["params"]
        result: Any = "ok"
        if method == "public/test":
            with self._changed:
                self.tested += 1
                self._changed.notify_all()
            result = {"version": "1.2.26"}
        elif method == "public/subscribe":
            result = [each for each in given["channels"] if self._is_channel(each)]
        elif method != "public/set_heartbeat" or given["interval"] < 10:
            error = {"code": -32602, "message": "Invalid params"}
            connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}))
            return
        connection.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}))
        if method == "public/subscribe":
            with self._changed:
                self._channels[connection] = set(result)
                self._changed.notify_all()

    def _is_channel(self, channel: str) -> bool:
        parts = channel.split(".")
        currencies = {each.currency for each in self.http.tape.instruments}
        return (
            len(parts) == 4 and parts[0] == "trades" and parts[1] in KINDS
            and parts[2] in currencies and parts[3] in ("100ms", "agg2")
        )  # fmt: skip

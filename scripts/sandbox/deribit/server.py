"""Deribit's JSON-RPC over HTTP on loopback: a tape, two hosts in one, and what goes wrong there.

http://127.0.0.1:<port>/api/v2/public/…           production: forgets after 24 hours, silently
http://127.0.0.1:<port>/history/api/v2/public/…   history: all of the tape
"""

from __future__ import annotations

import json
import random
import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from scripts.sandbox.deribit.answers import funding, record, volatility
from scripts.sandbox.deribit.tape import DAY, Tape
from scripts.sandbox.http import Handler, LoopbackServer

CURRENCIES = ("BTC", "ETH", "USDC", "USDT", "EURR", "any")
FAULTS = ("10028", "429", "503", "malformed", "duplicated", "repeated", "slow")
Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Faults:
    """Which of FAULTS happen, and how often; the same request fails at most twice in a row."""

    kinds: Sequence[str] = ()
    rate: float = 0.0
    seed: int = 1
    _chance: random.Random = field(init=False)
    _failed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def next(self, request: str) -> str:
        """The fault of this request, or ''."""
        if not self.kinds or self._failed[request] >= 2 or self._chance.random() >= self.rate:
            self._failed[request] = 0
            return ""
        self._failed[request] += 1
        return self._chance.choice(list(self.kinds))


class Sandbox(LoopbackServer):
    """The server, running inside a `with`. `now` is its clock (ms); None is the wall's."""

    def __init__(
        self, tape: Tape, now: int | None = None, faults: Faults | None = None, port: int = 0
    ) -> None:
        self.tape, self.fixed, self.faults = tape, now, faults or Faults()
        self.lags_from: int | None = None  # history has nothing from then on (ms)
        self.lost = range(0)  # history has nothing of these ms, and says so to nobody
        self.calls: Counter[str] = Counter()
        self.seconds = 0.0
        self._lock = threading.Lock()
        self._last: dict[str, Answer] = {}
        super().__init__(_Handler, port)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.address

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which the source finds it."""
        return {
            "SOURCES__DERIBIT__API_URL": f"{self.url}/api/v2",
            "SOURCES__DERIBIT__HISTORY_URL": f"{self.url}/history/api/v2",
            "SOURCES__DERIBIT__BACKOFF_SECONDS": "0.005",
            "SOURCES__DERIBIT__REQUESTS_PER_SECOND": "10000",
        }

    def now(self) -> int:
        """The exchange's clock in milliseconds since 1970: this machine's, unless it is fixed."""
        return round(time.time() * 1000) if self.fixed is None else self.fixed

    def answer(self, path: str) -> Answer:
        """Status, headers and body of one GET."""
        parts = urlsplit(path)
        method = parts.path.rpartition("/")[2]
        history = parts.path.startswith("/history/")
        with self._lock:
            self.calls[method] += 1
            fault = self.faults.next(path) if method.startswith("get_last") else ""
            last = self._last.get(method)
        wrong = _fault(fault, last)
        if wrong:
            return wrong
        started = time.thread_time()
        found = self._answer(method, dict(parse_qsl(parts.query)), history, fault == "repeated")
        with self._lock:
            self.seconds += time.thread_time() - started
            self._last[method] = found
        if fault == "slow":
            time.sleep(0.05)
        return found

    def _answer(self, method: str, asked: dict[str, str], history: bool, repeated: bool) -> Answer:
        if method == "get_time":
            return _result(json.dumps(self.now()).encode())
        if asked.get("currency", "any") not in CURRENCIES:
            told = {"reason": f"must be one of {', '.join(CURRENCIES)}", "param": "currency"}
            return _error(400, -32602, "Invalid params", told)
        if method == "get_instruments":
            return _result(json.dumps(list(self._instruments(asked, history))).encode())
        if method == "get_volatility_index_data":
            return _result(json.dumps(volatility(asked)).encode())
        if method == "get_funding_rate_history":
            return _result(json.dumps(funding(asked)).encode())
        if method.startswith("get_last_trades_by_currency"):
            times, numbers = self.tape.where.get(
                (asked["currency"], asked.get("kind", "any")), ([], [])
            )
            return self._trades(times, numbers, asked, history, repeated)
        if method.startswith("get_last_trades_by_instrument"):
            if asked["instrument_name"] not in self.tape.of:
                return _error(400, 13020, "instrument_not_found")
            seqs, numbers = self.tape.of[asked["instrument_name"]]
            if "start_seq" in asked or "end_seq" in asked:
                low = bisect_left(seqs, int(asked.get("start_seq", 0)))
                high = bisect_right(seqs, int(asked.get("end_seq", 1 << 62)))
                numbers = numbers[low:high]
            times = [self.tape.times[number] for number in numbers]
            return self._trades(times, numbers, asked, history, repeated)
        return _error(404, -32601, "Method not found")

    def _trades(
        self,
        times: list[int],
        numbers: list[int],
        asked: dict[str, str],
        history: bool,
        repeated: bool,
    ) -> Answer:
        start, oldest = int(asked.get("start_timestamp", 0)), self.now() - DAY
        end = min(int(asked.get("end_timestamp", 1 << 62)), self.now())
        if not history:
            if "start_timestamp" in asked and start < oldest:
                return _page([], False)  # the trap: nothing, and no error
            start = max(start, oldest)
        if history:
            times, numbers = self._had(times, numbers)
        low, high = bisect_left(times, start), bisect_right(times, end)
        count = int(asked.get("count", 10))
        more = high - low > count
        if asked.get("sorting") == "asc":
            chosen = numbers[low : min(low + count, high)]
        else:
            chosen = numbers[max(high - count, low) : high][::-1]
        rows = [self.tape.rows[number] for number in chosen]
        return _page(rows[: len(rows) // 3] + rows if repeated else rows, more)

    def _had(self, times: list[int], numbers: list[int]) -> tuple[list[int], list[int]]:
        """What history has of some trades."""
        if self.lags_from is None and not self.lost:
            return times, numbers
        end = 1 << 62 if self.lags_from is None else self.lags_from
        had = [
            (t, n) for t, n in zip(times, numbers, strict=True) if t < end and t not in self.lost
        ]
        return [t for t, _ in had], [n for _, n in had]

    def _instruments(self, asked: dict[str, str], history: bool) -> Any:
        expired = asked.get("expired") == "true"
        for each in self.tape.instruments:
            if asked.get("currency") not in (each.currency, "any"):
                continue
            if asked.get("kind", each.kind) == each.kind and (each.end <= self.now()) == expired:
                yield record(each, thin=history)


def _fault(kind: str, last: Answer | None) -> Answer | None:
    if kind == "10028":
        return _error(400, 10028, "too_many_requests")
    if kind == "429":
        return 429, {"Retry-After": "0"}, b"slow down"
    if kind == "503":
        return 503, {}, b"<html>unavailable</html>"
    if kind == "malformed":
        return 200, {}, b'{"jsonrpc":"2.0","result":{"trades":[{"trade_seq":1'
    return last if kind == "duplicated" else None


def _page(rows: list[bytes], more: bool) -> Answer:
    return _result(
        b'{"trades":[%s],"has_more":%s}' % (b",".join(rows), b"true" if more else b"false")
    )


def _result(body: bytes) -> Answer:
    tail = b',"usIn":1733011300000001,"usOut":1733011300002345,"usDiff":2344,"testnet":false}'
    return 200, {}, b'{"jsonrpc":"2.0","result":' + body + tail


def _error(status: int, code: int, message: str, data: object = None) -> Answer:
    error = {"code": code, "message": message} | ({"data": data} if data else {})
    text = {"jsonrpc": "2.0", "error": error, "testnet": False}
    return status, {}, json.dumps(text).encode()


class _Handler(Handler[Sandbox]):
    def serve(self) -> None:
        status, headers, body = self.owner.answer(self.path)
        lines = [f"HTTP/1.1 {status} .", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
        self.wfile.write(head + body)

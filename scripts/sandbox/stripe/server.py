"""Stripe's API on loopback: lists with real paging, filters, keys, errors, from a made-up ledger.

    python -m scripts.sandbox stripe [--port 9060] [--months 4]

GET /v1/balance_transactions, products, prices, subscriptions, invoices, payouts: newest first,
`limit` (1 to 100, default 10), `starting_after`, `created[gte]` and its like, `has_more`; of
transactions those of an automatic `payout`, too; /v1/balance: what the transactions sum up to.
"""

from __future__ import annotations

import argparse
import json
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from scripts.sandbox.http import Handler, LoopbackServer
from scripts.sandbox.stripe.ledger import Payout, payouts, transactions

KEY = "rk_test_sandbox0123456789"
PATHS = (
    "balance_transactions",
    "products",
    "prices",
    "subscriptions",
    "invoices",
    "payouts",
    "balance",
)


class Objects:
    """The objects of one list, newest first; each is encoded once."""

    def __init__(self, objects: Iterable[Mapping[str, Any]]) -> None:
        ordered = sorted(objects, key=lambda each: (each["created"], each["id"]), reverse=True)
        self._texts = [json.dumps(each) for each in ordered]
        self._ages = [-each["created"] for each in ordered]  # ascending, for bisect
        self._places = {each["id"]: place for place, each in enumerate(ordered)}

    def all(self) -> Iterator[dict[str, Any]]:
        """Every object, newest first."""
        return map(json.loads, self._texts)

    def page(self, path: str, query: Mapping[str, str]) -> tuple[int, str]:
        """Status and body of one request."""
        limit = int(query.get("limit", "10"))
        if not 1 <= limit <= 100:
            return _error(400, "invalid_request_error", "Invalid integer: limit")
        first, last = 0, len(self._ages)
        for name, bound in query.items():
            if name.startswith("created["):
                newest, oldest = self._range(name[8:-1], int(bound))
                first, last = max(first, newest), min(last, oldest)
        if after := query.get("starting_after"):
            if after not in self._places:
                return _error(400, "invalid_request_error", f"No such object: {after}")
            first = max(first, self._places[after] + 1)
        end = max(first, min(first + limit, last))
        data = ",".join(self._texts[first:end])
        more = "true" if end < last else "false"
        return 200, f'{{"object":"list","data":[{data}],"has_more":{more},"url":"/v1/{path}"}}'

    def _range(self, comparison: str, bound: int) -> tuple[int, int]:
        everything = len(self._ages)
        return {
            "gte": (0, bisect_right(self._ages, -bound)),
            "gt": (0, bisect_left(self._ages, -bound)),
            "lte": (bisect_left(self._ages, -bound), everything),
            "lt": (bisect_right(self._ages, -bound), everything),
        }[comparison]


@dataclass
class Fault:
    """An answer that is given instead of the true one, once; `cut` closes the connection."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    body: str | None = None


class StripeServer(LoopbackServer):
    """A server in a thread of its own; `faults` are given to the next requests, in order.

    `hidden` are ids that lists leave out, though the balance has them. `rights` says which lists a
    key may read; `seen` are the requests that came.
    """

    def __init__(self, port: int = 0, key: str = KEY) -> None:
        self.rights: dict[str, tuple[str, ...]] = {key: PATHS}
        self.objects: dict[str, dict[str, Objects]] = {}
        self.paid_out: dict[str, frozenset[str]] = {}
        self.faults: deque[Fault] = deque()
        self.hidden: set[str] = set()
        self.seen: list[str] = []
        self.versions: set[str] = set()
        super().__init__(_Handler, port)

    def offer(self, path: str, objects: Iterable[Mapping[str, Any]], key: str = KEY) -> None:
        """Replace what a list of an account has."""
        self.objects.setdefault(key, {})[path] = Objects(objects)
        self.rights.setdefault(key, PATHS)

    def offer_payouts(self, payouts: Iterable[Payout], key: str = KEY) -> None:
        """Replace the payouts of an account, and which transactions they pay out."""
        found = list(payouts)
        self.offer("payouts", (each.object for each in found), key)
        for each in found:
            self.paid_out[each.object["id"]] = frozenset(each.parts)

    @property
    def url(self) -> str:
        """For sources.stripe.api_base."""
        return self.address

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which the commands find it."""
        key = next(iter(self.rights))
        return {"SOURCES__STRIPE__STRIPE_SECRET_KEY": key, "SOURCES__STRIPE__API_BASE": self.url}

    def answer(self, target: str, key: str) -> tuple[int, str]:
        """Status and body of one request."""
        address = urlsplit(target)
        path = address.path.removeprefix("/v1/")
        if key not in self.rights:
            said = f"Invalid API Key provided: {key[:8]}****{key[-4:]}"
            return _error(401, "invalid_request_error", said)
        if path not in PATHS:
            return _error(404, "invalid_request_error", f"Unrecognized request URL ({path})")
        if path not in self.rights[key]:
            said = f"The provided key '{key[:8]}****{key[-4:]}' does not have the required rights"
            return _error(403, "invalid_request_error", said)
        if path == "balance":
            return 200, json.dumps(self._balance(key))
        found = self.objects.get(key, {}).get(path) or Objects([])
        if self.hidden:
            found = Objects(row for row in found.all() if row["id"] not in self.hidden)
        query = dict(parse_qsl(address.query))
        if payout := query.get("payout"):
            of = self.objects.get(key, {}).get("payouts") or Objects([])
            if not any(each["id"] == payout and each["automatic"] for each in of.all()):
                return _error(400, "invalid_request_error", f"{payout} is not an automatic payout")
            parts = self.paid_out.get(payout, frozenset())
            found = Objects(row for row in found.all() if row["id"] in parts)
        return found.page(path, query)

    def _balance(self, key: str) -> dict[str, Any]:
        """What the ledger sums up to, as Stripe says it."""
        ledger = self.objects.get(key, {}).get("balance_transactions") or Objects([])
        sums: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
        for row in ledger.all():
            of = sums[row["status"]]
            of[row["currency"]] = of.get(row["currency"], 0) + row["net"]
        currencies = sorted({*sums["available"], *sums["pending"]})
        return {"object": "balance", "livemode": False} | {
            kind: [{"amount": of.get(each, 0), "currency": each} for each in currencies]
            for kind, of in sums.items()
        }


class _Handler(Handler[StripeServer]):
    def serve(self) -> None:
        owner = self.owner
        owner.seen.append(self.path)
        owner.versions.add(self.headers.get("Stripe-Version", ""))
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if account := self.headers.get("Stripe-Account"):
            key = f"{key}/{account}"
        fault = None
        with suppress(IndexError):
            fault = owner.faults.popleft()
        if fault is None:
            self._send(*owner.answer(self.path, key), {})
        elif fault.cut:
            self.close_connection = True
        else:
            status, body = _error(fault.status, "api_error", f"The answer {fault.status}")
            self._send(status, body if fault.body is None else fault.body, fault.headers)

    def _send(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        self.send(status, text.encode(), {"Content-Type": "application/json", **headers})


def first_day(until: datetime, months: int) -> date:
    """The first day of the month so many months back."""
    day = until.date().replace(day=1)
    for _ in range(months - 1):
        day = (day - timedelta(days=1)).replace(day=1)
    return day


def serve_ledger(until: datetime, months: int = 4, port: int = 0) -> StripeServer:
    """A server with the example company's ledger up to `until`; start it as a context."""
    server = StripeServer(port)
    first = first_day(until, months)
    server.offer("balance_transactions", transactions(first, until))
    server.offer_payouts(payouts(first, until).values())
    return server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--port", type=int, default=9060)
    parser.add_argument("--months", type=int, default=4)


def main(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    with serve_ledger(datetime.now(UTC), options.months, options.port) as server:
        for name, value in server.environ.items():
            print(f"export {name}={value}")
        server.wait()
    return 0


def _error(status: int, kind: str, message: str) -> tuple[int, str]:
    return status, json.dumps({"error": {"type": kind, "message": message}})

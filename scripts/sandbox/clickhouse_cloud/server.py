"""ClickHouse Cloud's API on loopback: an organisation and its usage cost, with the real limits.

    python -m scripts.sandbox clickhouse_cloud [--port 9070]

GET /v1/organizations, /v1/organizations/{id}, /v1/organizations/{id}/usageCost: HTTP Basic, windows
of at most 31 days, 10 requests in 10 seconds; errors as {"status": 400, "error": "BAD_REQUEST: …"}.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
from collections import deque
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from scripts.sandbox.clickhouse_cloud.usage import ORGANIZATION, Record, records
from scripts.sandbox.http import Handler, LoopbackServer

KEY_ID, KEY_SECRET = "sandboxKeyId", "4b1dSandboxKeySecretOfNobody"
REQUESTS, SECONDS = 10, 10.0
_MOST_DAYS = 30  # between from_date and to_date


class ClickhouseCloudServer(LoopbackServer):
    """A server in a thread of its own. `faults` are statuses given to the next requests, in order;
    `seen` are the requests that came; `changes` are merged into every result.
    """

    def __init__(
        self,
        costs: Iterable[Record],
        port: int = 0,
        created: date = date(2026, 9, 1),
        seconds: float = SECONDS,
    ) -> None:
        """`seconds` is the window of the limit; `created` is when the organisation began."""
        self.costs, self.created, self.seconds = list(costs), created, seconds
        self.key = (KEY_ID, KEY_SECRET)
        self.organization = ORGANIZATION
        self.faults: deque[int] = deque()
        self.changes: dict[str, Any] = {}
        self.seen: list[str] = []
        self._times: deque[float] = deque()
        super().__init__(_Handler, port)

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which the commands find it."""
        return {
            "SOURCES__CLICKHOUSE_CLOUD__KEY_ID": self.key[0],
            "SOURCES__CLICKHOUSE_CLOUD__KEY_SECRET": self.key[1],
            "SOURCES__CLICKHOUSE_CLOUD__API_BASE": self.address,
        }

    def answer(self, target: str, authorization: str) -> tuple[int, Any]:
        """Status and document of one request."""
        self.seen.append(target)
        if self.faults:
            status = self.faults.popleft()
            return status, _error(status, "INTERNAL_ERROR: try again")
        if authorization != _basic(*self.key):
            return 401, _error(401, "UNAUTHORIZED: invalid key")
        if self._is_too_often():
            return 429, _error(429, "TOO_MANY_REQUESTS: 10 requests in 10 seconds")
        address = urlsplit(target)
        own = f"/v1/organizations/{self.organization}"
        about = {"id": self.organization, "name": "Example",
                 "createdAt": f"{self.created}T09:00:00.000Z", "privateEndpoints": []}  # fmt: skip
        if address.path == "/v1/organizations":
            return 200, _result([about])
        if address.path == own:
            return 200, _result(about)
        if address.path == f"{own}/usageCost":
            return self._usage_cost(dict(parse_qsl(address.query)))
        return 404, _error(404, "NOT_FOUND: no such organization")

    def _usage_cost(self, query: dict[str, str]) -> tuple[int, Any]:
        try:
            first, last = (date.fromisoformat(query[name]) for name in ("from_date", "to_date"))
        except (KeyError, ValueError):
            return 400, _error(400, "BAD_REQUEST: from_date and to_date are dates")
        if last < first:
            return 400, _error(400, "BAD_REQUEST: to_date cannot be before from_date")
        if (last - first).days > _MOST_DAYS:
            said = "to_date cannot be more than 30 days after from_date"
            return 400, _error(400, f"BAD_REQUEST: {said}")
        costs = [each for each in self.costs if f"{first}" <= each["date"] <= f"{last}"]
        total = sum((Decimal(each["totalCHC"]) for each in costs), Decimal(0))
        return 200, _result({"grandTotalCHC": total, "costs": costs} | self.changes)

    def _is_too_often(self) -> bool:
        now = time.monotonic()
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        if len(self._times) == REQUESTS:
            return True
        self._times.append(now)
        return False


class _Handler(Handler[ClickhouseCloudServer]):
    def serve(self) -> None:
        status, document = self.owner.answer(self.path, self.headers.get("Authorization", ""))
        body = json.dumps(document, default=float).encode()
        self.send(status, body, {"Content-Type": "application/json"})


def _basic(key: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()


def _result(result: Any) -> dict[str, Any]:
    return {"status": 200, "requestId": "0b7e3c0a-0000-4000-8000-00000000000a", "result": result}


def _error(status: int, text: str) -> dict[str, Any]:
    return {"status": status, "error": text}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--port", type=int, default=9070)


def main(options: argparse.Namespace) -> int:
    """Serve until interrupted."""
    today = datetime.now(UTC).date()
    costs = records(date(2026, 9, 1), today, today)
    with ClickhouseCloudServer(costs, options.port) as server:
        for name, value in server.environ.items():
            print(f"export {name}={value}")
        server.wait()
    return 0

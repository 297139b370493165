"""What Deribit is asked, on which of its hosts: production for the last hours, history before.

Production answers a start older than 24 hours with an empty page and no error. So it is never asked
for what is older than `RECENT`, by its own clock, and an empty range is asked for twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pipelines.core.partition import PartitionError
from pipelines.providers.deribit.client import Host, Malformed, envelope
from pipelines.providers.deribit.pages import Asked, Page, parse
from pipelines.providers.deribit.settings import DeribitSettings

Picked = TypeVar("Picked")
RECENT = timedelta(hours=23)
"""Production keeps 24 hours; the last one is a margin for slow answers and clocks."""


@dataclass(frozen=True)
class Span:
    """A span of time in milliseconds since 1970, both ends included."""

    start: int
    end: int

    def __contains__(self, moment: int) -> bool:
        return self.start <= moment <= self.end


class Market:
    """Production and history, asked at the pace of configuration."""

    def __init__(self, settings: DeribitSettings) -> None:
        production, history = settings.urls()
        self.production = Host(production, settings)
        self.history = Host(history, settings) if history else None
        self._page_size = settings.page_size
        server = self.production.result("get_time")
        self._ahead = int(server) / 1000 - time.time()

    def now(self) -> datetime:
        """The time by Deribit's clock, not ours."""
        return datetime.fromtimestamp(time.time() + self._ahead, UTC)

    @property
    def calls(self) -> int:
        """Number of requests to all hosts so far."""
        return self.production.calls + (self.history.calls if self.history else 0)

    @property
    def bytes(self) -> int:
        """What came back, as it was sent but unpacked."""
        return self.production.bytes + (self.history.bytes if self.history else 0)

    def parts(self, span: Span) -> Iterator[tuple[Host, Span]]:
        """Which host has which part of a span. Raises PartitionError for what none has."""
        border = self.border()
        if span.start < border:
            if self.history is None:
                raise PartitionError(
                    "Deribit's test network keeps the last 24 hours only. Load days from "
                    f"{(self.now() - RECENT):%Y-%m-%d} on, or set sources.deribit.test_network = "
                    "false."
                )
            yield self.history, Span(span.start, min(span.end, border - 1))
        if span.end >= border:
            yield self.production, Span(max(span.start, border), span.end)

    def hosts(self, span: Span) -> list[Host]:
        """Who may have trades of a span or around it, the likelier first."""
        if self.history is None:
            return [self.production]
        if span.end < self.border():
            return [self.history, self.production]
        return [self.production, self.history]

    def border(self) -> int:
        """The first millisecond that production is asked for now."""
        return milliseconds(self.now() - RECENT)

    def window(
        self,
        host: Host,
        currency: str,
        kind: str,
        span: Span,
        sorting: str = "asc",
        begins: bool = False,
    ) -> Page:
        """A page of a currency's trades in a span; `begins`: it is known to begin with one."""
        parameters = {
            "currency": currency,
            "kind": kind,
            "start_timestamp": span.start,
            "end_timestamp": span.end,
            "count": self._page_size,
            "sorting": sorting,
        }
        asked = Asked(start=span.start, end=span.end, begins=begins, kind=kind)
        return host.ask(
            "get_last_trades_by_currency_and_time", parameters, lambda body: parse(body, asked)
        )

    def moment(self, host: Host, instrument: str, span: Span, sorting: str = "asc") -> Page:
        """A page of one instrument's trades in a span."""
        parameters = {
            "instrument_name": instrument,
            "start_timestamp": span.start,
            "end_timestamp": span.end,
            "count": self._page_size,
            "sorting": sorting,
        }
        asked = Asked(start=span.start, end=span.end, instrument=instrument)
        return host.ask(
            "get_last_trades_by_instrument_and_time", parameters, lambda body: parse(body, asked)
        )

    def sequence(
        self,
        host: Host,
        instrument: str,
        first: int | None,
        last: int | None,
        count: int = 0,
        sorting: str = "asc",
    ) -> Page:
        """A page of one instrument's trades by sequence number, bounds inclusive or None."""
        parameters: dict[str, Any] = {"instrument_name": instrument}
        if first is not None:
            parameters["start_seq"] = first
        if last is not None:
            parameters["end_seq"] = last
        parameters |= {"count": count or self._page_size, "sorting": sorting}
        asked = Asked(instrument=instrument, first=first, last=last)
        return host.ask(
            "get_last_trades_by_instrument", parameters, lambda body: parse(body, asked)
        )

    def instruments(self, currency: str, kind: str, expired: bool) -> list[dict[str, Any]]:
        """The inventory: expired ones as history has them, the others as production has."""
        host = self.history if expired and self.history else self.production
        parameters = {"currency": currency, "expired": "true" if expired else "false"}
        if kind != "any":
            parameters["kind"] = kind
        return host.ask("get_instruments", parameters, _records)

    def result(
        self, method: str, parameters: dict[str, Any], pick: Callable[[Any], Picked]
    ) -> Picked:
        """The `result` of any other production method, passed through `pick`.

        `pick` raises Malformed for a bad shape.
        """
        return self.production.ask(method, parameters, lambda body: pick(envelope(body)["result"]))


def milliseconds(moment: datetime) -> int:
    """A moment in milliseconds since 1970 (UTC)."""
    return round(moment.timestamp() * 1000)


def _records(body: bytes) -> list[dict[str, Any]]:
    result = envelope(body)["result"]
    if not isinstance(result, list) or not all(
        isinstance(each, dict) and isinstance(each.get("instrument_name"), str) for each in result
    ):
        raise Malformed("a list of instruments in which one has no name")
    return result

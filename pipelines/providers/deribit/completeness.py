"""The proof that a day is complete: sequence numbers without holes, up to both neighbours.

Deribit numbers each instrument's trades from 1. Inside a day every missing number is asked for by
`start_seq`/`end_seq`. Before the day's first and after its last, the nearest trade that exists must
lie outside the day; a trade that may or may not be of the day leaves it open. A missing number is
recorded on the trade that follows it, so that it is published with the day and by the same step.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.partition import PartitionError
from pipelines.providers.deribit.client import Host, UnknownInstrument
from pipelines.providers.deribit.market import Market, Span, milliseconds
from pipelines.providers.deribit.names import parse
from pipelines.providers.deribit.pages import HELD, numbers

Numbers = npt.NDArray[np.int64]
log = logging.getLogger(__name__)

HOLE_TRIES = 3
_CHUNK = 1000
_MOST = 10 * _CHUNK
"""Missing numbers that are asked for one by one; of more, a host lags."""


@dataclass(frozen=True)
class Hole:
    """Missing numbers: `missing` of them just before `before`."""

    instrument: str
    before: int
    missing: int
    tries: int


@dataclass
class Proof:
    """What the proof of one instrument brought: trades that the sweep had not, holes, and doubts,
    which are why it is not proven."""

    trades: list[pa.Table] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    last: int = 0


class Prover:
    """Proves the instruments of one day. `known` are the last numbers of the days before it, when
    those were read by the same run."""

    def __init__(
        self,
        market: Market,
        span: Span,
        known: Mapping[str, int],
        backoff: float,
        rest: Callable[[], bool],
    ) -> None:
        self._market, self._span, self._known, self._border = market, span, known, market.border()
        self._hosts = market.hosts(span)
        # the trade before the day may be old, whatever the day is
        self._back = [*([market.history] if market.history else []), market.production]
        self._backoff, self._rest = backoff, rest

    def prove(self, found: Mapping[str, Numbers], threads: int) -> dict[str, Proof]:
        """The proof of each instrument, by its sorted numbers."""
        with ThreadPoolExecutor(threads, "prove") as pool:
            proofs = pool.map(lambda item: self._prove(*item), found.items())
            return dict(zip(found, proofs, strict=True))

    def _prove(self, name: str, seqs: Numbers) -> Proof:
        proof = Proof()
        if self._rest():
            return proof
        gaps = np.flatnonzero(np.diff(seqs) > 1)
        for at in gaps:
            self._fill(proof, name, int(seqs[at]) + 1, int(seqs[at + 1]) - 1)
        self._head(proof, name, int(seqs[0]))
        proof.last = self._tail(proof, name, int(seqs[-1]))
        return proof

    def _head(self, proof: Proof, name: str, first: int) -> None:
        """Back to a trade before the day, or to number 1."""
        while first > 1:
            if name in self._known:
                before, moment = self._known[name], self._span.start - 1
            else:
                found = self._nearest(proof, name, first, back=True)
                if found is None:
                    if self._market.history:
                        self._hole(proof, name, 1, first - 1)
                    return
                before, moment = found
                if moment >= self._span.start:
                    self._keep(proof, name, before)
            if before < first - 1:
                self._fill(proof, name, before + 1, first - 1)
            if moment < self._span.start:
                return
            first = before

    def _tail(self, proof: Proof, name: str, last: int) -> int:
        """On to a trade after the day, or to the newest that there is; the day's last number."""
        while (found := self._nearest(proof, name, last, back=False)) is not None:
            after, moment = found
            if moment > self._span.end:
                if after > last + 1:  # numbers before the next day's first: they may be of this day
                    last = self._fill_end(proof, name, last, after)
                return last
            self._keep(proof, name, after)
            if after > last + 1:
                self._fill(proof, name, last + 1, after - 1)
            last = after
        return last

    def _fill_end(self, proof: Proof, name: str, last: int, after: int) -> int:
        """Fill the gap up to the next day's first trade; that day records a hole that remains."""
        found = self.between(name, last, after)
        proof.trades += found.trades
        proof.doubts += found.doubts
        own = [int(numbers(t, "trade_seq").max()) for t in found.trades if t.num_rows]
        reached = max([last, *own])
        proof.holes += [hole for hole in found.holes if hole.before <= reached]
        return reached

    def between(self, name: str, before: int, after: int) -> Proof:
        """The day's trades between two numbers, at least one of them of another day."""
        found = Proof()
        self._fill(found, name, before + 1, min(after - 1, before + _MOST))
        if after - before - 1 > _MOST or found.holes:
            found.doubts.append(
                f"{name}: some of the numbers {before + 1} to {after - 1} are not available"
            )
        return found

    def is_clear(self, proof: Proof, name: str, number: int, back: bool) -> None:
        """Whether an instrument that was not seen in the day lacks none of it, by a number after
        (`back`) or before the day; what there is all the same is taken."""
        found = self._nearest(proof, name, number, back)
        if found is None:
            if back and number > 1:
                proof.doubts.append(f"{name}: no number before {number} is available")
            return
        near, moment = found
        if moment in self._span:
            proof.doubts.append(
                f"{name}: trade {near} is of the day, but the sweep did not return it"
            )
            low, high = (near - _CHUNK + 1, near) if back else (near, near + _CHUNK - 1)
            self._ask(proof, name, max(low, 1), high)
        elif abs(number - near) > 1 and (moment < self._span.start) == back:
            gap = self.between(name, min(near, number), max(near, number))
            proof.trades += gap.trades
            proof.doubts += gap.doubts

    def _nearest(self, proof: Proof, name: str, number: int, back: bool) -> tuple[int, int] | None:
        """The nearest existing trade before or after a number: its number and its time.

        "No such trade" is accepted only if the instrument's newest (or oldest) trade confirms it.
        """
        best: tuple[int, int] | None = None
        bounds = (None, number - 1) if back else (number + 1, None)
        way, hosts = "desc" if back else "asc", self._asked(name, back)
        for host in hosts:
            best = _nearer(best, self._first(host, name, bounds, way), back)
            if best is not None and abs(best[0] - number) == 1:
                break
        if best is None and self._end(name, back) != number:
            for host in hosts:  # one of both answers was wrong
                best = _nearer(best, self._first(host, name, bounds, way), back)
            if best is None and not back:
                proof.doubts.append(f"{name}: no host has {number} as its newest trade")
        return best

    def _asked(self, name: str, back: bool) -> list[Host]:
        """Hosts that may have an instrument: production none that has expired before its window."""
        hosts, expiry = self._back if back else self._hosts, parse(name).expiry
        if self._market.history and expiry and milliseconds(expiry) < self._border:
            return [self._market.history]
        return hosts

    def _end(self, name: str, back: bool) -> int | None:
        """The oldest or the newest number of an instrument."""
        hosts = self._asked(name, back)
        ends = [self._first(host, name, (None, None), "asc" if back else "desc") for host in hosts]
        found = [each[0] for each in ends if each]
        return (min(found) if back else max(found)) if found else None

    def _first(
        self, host: Host, name: str, bounds: tuple[int | None, int | None], way: str
    ) -> tuple[int, int] | None:
        trades = self._by_number(host, name, *bounds, 1, way)
        if not trades.num_rows:
            return None
        return int(numbers(trades, "trade_seq")[0]), int(numbers(trades, "timestamp")[0])

    def _by_number(
        self, host: Host, name: str, first: int | None, last: int | None, count: int, way: str
    ) -> pa.Table:
        """None of an instrument that a host does not know: production forgets the expired ones."""
        try:
            return self._market.sequence(host, name, first, last, count, way).trades
        except UnknownInstrument:
            return HELD.empty_table()

    def _keep(self, proof: Proof, name: str, number: int) -> None:
        self._fill(proof, name, number, number)

    def _fill(self, proof: Proof, name: str, first: int, last: int) -> None:
        """Ask for numbers until they are had, or for good; what is not of this day is not kept."""
        missing = [(first, last)]
        for attempt in range(1, HOLE_TRIES + 1):
            for low, high in list(missing):
                missing.remove((low, high))
                missing += self._ask(proof, name, low, high)
            if not missing:
                return
            if attempt < HOLE_TRIES:
                time.sleep(self._backoff * attempt)
        for low, high in missing:
            self._hole(proof, name, low, high)

    def _ask(self, proof: Proof, name: str, first: int, last: int) -> list[tuple[int, int]]:
        """One round over a range; what it did not bring, as ranges."""
        lacking: list[tuple[int, int]] = []
        for low in range(first, last + 1, _CHUNK):
            high = min(low + _CHUNK - 1, last)
            ranges = [(low, high)]
            for host in self._asked(name, back=False):
                for one in list(ranges):
                    ranges.remove(one)
                    table = self._by_number(host, name, *one, _CHUNK, "asc")
                    self._take(proof, name, table)
                    ranges += _without(one, numbers(table, "trade_seq").tolist())
                if not ranges:
                    break
            lacking += ranges
        return _joined(lacking)

    def _take(self, proof: Proof, name: str, table: pa.Table) -> None:
        moments = numbers(table, "timestamp")
        if name in self._known and len(moments) and int(moments.min()) < self._span.start:
            old = [s for s in numbers(table, "trade_seq").tolist() if s > self._known[name]]
            if old:
                raise PartitionError(
                    f"{name}: trade {old[0]} is of an earlier day, and was not available when that "
                    "day was read. Load that day again with --force, then this one."
                )
        inside = pc.and_(
            pc.greater_equal(table["timestamp"], self._span.start),
            pc.less_equal(table["timestamp"], self._span.end),
        )
        own = table.filter(inside)
        if own.num_rows:
            proof.trades.append(own)

    def _hole(self, proof: Proof, name: str, first: int, last: int) -> None:
        log.warning(
            "deribit: %s trades %d to %d are not available; known_holes lists them",
            name,
            first,
            last,
        )
        proof.holes.append(Hole(name, last + 1, last - first + 1, HOLE_TRIES))


def _nearer(
    one: tuple[int, int] | None, other: tuple[int, int] | None, back: bool
) -> tuple[int, int] | None:
    if one is None or other is None:
        return one or other
    return max(one, other) if back else min(one, other)


def _without(asked: tuple[int, int], got: list[int]) -> list[tuple[int, int]]:
    edges = [asked[0] - 1, *sorted(set(got)), asked[1] + 1]
    return [(low + 1, high - 1) for low, high in pairwise(edges) if high - low > 1]


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges with adjacent ones merged."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and found[-1][1] + 1 == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found

"""One day of one currency: swept in parallel, proven, in the order of instrument and number."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.partition import PartitionError
from pipelines.providers.deribit.client import Host
from pipelines.providers.deribit.completeness import Hole, Numbers, Prover
from pipelines.providers.deribit.market import Market, Span
from pipelines.providers.deribit.neighbours import Asking, prove_borders
from pipelines.providers.deribit.pages import HELD, TRADE, drop_repeated, numbers
from pipelines.providers.deribit.settings import DeribitSettings
from pipelines.providers.deribit.sweep import sweep, windows

log = logging.getLogger(__name__)

RAW = pa.schema([*TRADE, ("x_missing_before", pa.int64()), ("x_missing_tries", pa.int64())])
"""The landed columns: Deribit's fields, and how many numbers before this one are missing."""
_SLICE = 100_000
_SMALL = 60_000  # milliseconds: a span that is not worth cutting


@dataclass
class Day:
    """Every trade of the day, in no order; `order` sorts it by instrument and number."""

    trades: pa.Table
    order: Numbers
    holes: list[Hole]
    last: Mapping[str, int]
    read_at: datetime
    doubts: list[str]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing and nothing is in doubt."""
        return not self.holes and not self.doubts

    @property
    def rows(self) -> int:
        """Number of trades."""
        return int(self.trades.num_rows)

    def slices(self) -> Iterator[pa.Table]:
        """The trades in order, with the holes noted on those that follow them."""
        noted = {(hole.instrument, hole.before): hole for hole in self.holes}
        by_row = self._noted_rows(noted) if noted else {}
        for at in range(0, self.rows, _SLICE):
            rows = self.order[at : at + _SLICE]
            missing = np.zeros(len(rows), np.int64)
            tries = np.zeros(len(rows), np.int64)
            for place in range(len(rows)) if by_row else ():
                hole = by_row.get(int(rows[place]))
                if hole:
                    missing[place], tries[place] = hole.missing, hole.tries
            table = self.trades.take(pa.array(rows)).cast(TRADE)
            table = table.append_column("x_missing_before", pa.array(missing))
            yield table.append_column("x_missing_tries", pa.array(tries)).cast(RAW)

    def _noted_rows(self, noted: Mapping[tuple[str, int], Hole]) -> dict[int, Hole]:
        names = self.trades["instrument_name"].to_pylist()
        seqs = numbers(self.trades, "trade_seq")
        wanted = np.flatnonzero(np.isin(seqs, [number for _, number in noted]))
        pairs = ((int(at), (names[at], int(seqs[at]))) for at in wanted)
        return {at: noted[key] for at, key in pairs if key in noted}


class Digest:
    """Of rows in order, however they are cut into tables: 28 hex digits."""

    def __init__(self) -> None:
        self._columns = [hashlib.sha256() for _ in RAW]

    def of(self, table: pa.Table) -> pa.Table:
        """The same table, taken note of."""
        for made, column in zip(self._columns, table.columns, strict=True):
            array = pa.concat_arrays(column.chunks) if column.num_chunks else column
            made.update(np.asarray(array.is_null()).tobytes())
            if pa.types.is_string(array.type):
                made.update(np.asarray(pc.binary_length(array).fill_null(0)).tobytes())
                made.update(_text_of(array))
            else:
                made.update(np.asarray(array.fill_null(0)).tobytes())
        return table

    def text(self) -> str:
        """Of everything so far. Columns apart, since a day may be cut anywhere."""
        together = hashlib.sha256(b"".join(made.digest() for made in self._columns))
        return together.hexdigest()[:28]


def _text_of(array: pa.StringArray) -> memoryview:
    """The bytes of all its texts, one after the other."""
    whole = pa.concat_arrays([pc.fill_null(array, "")])
    _, offsets, data = whole.buffers()
    if data is None:
        return memoryview(b"")
    ends = np.frombuffer(offsets, np.int32)[whole.offset : whole.offset + len(whole) + 1]
    return memoryview(data)[int(ends[0]) : int(ends[-1])]


def read_day(
    market: Market,
    settings: DeribitSettings,
    currency: str,
    span: Span,
    read_at: datetime,
    known: Mapping[str, int],
    advance: Callable[[int], None],
    stopped: Callable[[], bool] = lambda: False,
    is_over: bool = False,
) -> Day:
    """Sweep and prove one day, to its borders when it `is_over`.

    Raises PartitionError when what there is of it cannot be read.
    """
    failed = threading.Event()

    def rest() -> bool:
        return failed.is_set() or stopped()

    parts = list(market.parts(span))
    trades = _swept(market, settings, currency, parts, advance, rest, failed)
    prover = Prover(market, span, known, settings.backoff_seconds, rest)
    found = _by_instrument(trades)
    proofs = prover.prove(found, settings.parallel)
    last = {name: proof.last for name, proof in proofs.items()}
    proven = [*proofs.values()]
    if is_over and not rest():
        asked = Asking(market, currency, settings.kinds, parts)
        proven.append(prove_borders(asked, prover, found, settings.parallel))
    if rest():
        raise PartitionError(f"deribit {currency}: stopped while it was read. Run again.")
    more = [table for proof in proven for table in proof.trades]
    if more:
        trades = _one_table([trades, *more])
        log.info(
            "deribit: %d trades requested by number, which the sweep did not return",
            sum(t.num_rows for t in more),
        )
    holes = [hole for proof in proven for hole in proof.holes]
    doubts = [doubt for proof in proven for doubt in proof.doubts]
    trades, order = _ordered(trades)
    return Day(trades, order, holes, last, read_at, doubts)


def _swept(
    market: Market,
    settings: DeribitSettings,
    currency: str,
    parts: list[tuple[Host, Span]],
    advance: Callable[[int], None],
    rest: Callable[[], bool],
    failed: threading.Event,
) -> pa.Table:
    """Every trade that the hosts show of a span's parts; `failed` stops the others."""

    def one(host: Host, kind: str, window: Span) -> list[pa.Table]:
        tables = []
        try:
            for table in sweep(market, host, currency, kind, window, rest):
                tables.append(table)
                advance(table.num_rows)
        except BaseException:
            failed.set()
            raise
        return tables

    jobs = [
        (host, kind, window)
        for host, part in parts
        for kind in settings.kinds
        for window in _cut(part, settings.parallel)
    ]
    with ThreadPoolExecutor(settings.parallel, "sweep") as pool:
        return _one_table(
            [table for tables in pool.map(lambda job: one(*job), jobs) for table in tables]
        )


def _cut(span: Span, parts: int) -> list[Span]:
    return windows(span, parts) if span.end - span.start > _SMALL else [span]


def _one_table(tables: list[pa.Table]) -> pa.Table:
    if not tables:
        return HELD.empty_table()
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def _ordered(trades: pa.Table) -> tuple[pa.Table, Numbers]:
    """Each trade id once, and the rows by instrument and number: the same for the same trades.

    A trade comes twice from two answers that overlap, or by number when it was swept after all.
    """
    codes, seqs, order = _by_number(trades)
    ahead, behind = order[1:], order[:-1]
    if not ((codes[ahead] == codes[behind]) & (seqs[ahead] == seqs[behind])).any():
        return trades, order
    trades = drop_repeated(trades)
    return trades, _by_number(trades)[2]


def _by_number(trades: pa.Table) -> tuple[Numbers, Numbers, Numbers]:
    """Instruments by rank, numbers, and the order by both."""
    codes, names = _codes(trades)
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(np.array(names, object), kind="stable")] = np.arange(len(names))
    seqs = numbers(trades, "trade_seq")
    ranks = rank[codes] if len(names) else codes
    return ranks, seqs, np.lexsort((seqs, ranks))


def _by_instrument(trades: pa.Table) -> dict[str, Numbers]:
    """Each instrument's numbers, ascending, each once."""
    codes, names = _codes(trades)
    seqs = numbers(trades, "trade_seq")
    order = np.lexsort((seqs, codes))
    codes, seqs = codes[order], seqs[order]
    edges = np.searchsorted(codes, np.arange(len(names) + 1))
    found = {}
    for code, name in enumerate(names):
        own = np.unique(seqs[edges[code] : edges[code + 1]])
        if len(own):
            found[name] = own
    return found


def _codes(trades: pa.Table) -> tuple[Numbers, list[str]]:
    column = trades["instrument_name"].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], HELD.field(2).type)
    return column.indices.to_numpy().astype(np.int64), column.dictionary.to_pylist()

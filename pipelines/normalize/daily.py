"""The daily rows of a partition's cost lines, made in the pass that normalises them.

Twin: `select_of` in tables/daily.py. Lines come batch by batch, in any order, and are summed in
rounds, in a thread of its own. Where the rounds have too many rows, they are laid aside on disk,
split by days (and by resources where a day has many lines), and put together at the end: memory
does not grow with the partition. Lines that have little in common are laid aside as they are. Lines
are grouped by the codes of their dictionary-encoded text: a database's hash aggregation over as
many columns takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.ahead import ahead
from pipelines.normalize.aside import Aside
from pipelines.normalize.groups import grouped
from pipelines.normalize.writing import file_schema, writer
from pipelines.tables.daily import SPANS_DAYS, SUMS, daily_columns, key_names
from pipelines.tables.schema import arrow_of

ROUND = 1 << 17
"""Lines of the first two rounds; twice as many of each later one where lines have days in common:
a quarter less time for summing up."""
ROUNDS = 3
"""So many first rounds' lines may the rows be that stay in memory."""
WORTH_GROUPING = 0.8
"""Where a round has more rows than this for each line, the lines of later rounds are kept apart."""
_ONE_DAY = pa.scalar(86_400_000_000, pa.duration("us"))


class Daily:
    """Collects cost lines, then writes their daily rows to one parquet file at `target`.

    As many lines as `expected` are of a month, more or less: memory does not grow with them.

    Unless `write` succeeds, there is no file at `target` afterwards.
    """

    def __init__(
        self, target: Path, tag_columns: Sequence[str], expected: int = 0, round_rows: int = ROUND
    ) -> None:
        self._target, self._most = target, ROUNDS * round_rows
        self._first_lines = self._lines = round_rows
        self._keys = key_names(tag_columns)
        self._schema = file_schema(arrow_of(daily_columns(tag_columns)))
        self._waiting: list[pa.Table] = []
        self._rounds: list[pa.Table] = []
        self._are_apart = False
        self._aside = Aside(target.parent, expected, round_rows // 2)
        self._undo = ExitStack()
        self._thread = ThreadPoolExecutor(1, "daily")
        self._round: Future[None] | None = None

    def __enter__(self) -> Daily:
        self._undo.callback(self._target.unlink, missing_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown()
        self._aside.close()
        self._undo.close()

    def add(self, lines: pa.Table) -> None:
        """Normalised cost lines in the schema of their file."""
        if not lines.num_rows:
            return
        if self._waiting and _rows(self._waiting) + lines.num_rows > self._lines:
            self._end_round()
        self._waiting.append(_needed(lines, self._keys))

    def write(self, metadata: Mapping[str, str]) -> None:
        """All daily rows, with `metadata` in the footer."""
        if self._waiting:
            self._end_round()
        self._wait()
        with writer(self._target, self._schema) as file:
            with closing(ahead(self._finished(), "daily")) as tables:
                for rows in tables:
                    file.write_table(rows.select(self._schema.names).cast(self._schema))
            file.add_key_value_metadata(dict(metadata))
        self._undo.pop_all()

    def _finished(self) -> Iterator[pa.Table]:
        if self._aside:
            self._lay_aside()
            for parts in self._aside.by_days():
                yield grouped(parts, self._keys)
        elif self._rounds:
            is_one = len(self._rounds) == 1
            yield self._rounds[0] if is_one else grouped(self._rounds, self._keys)

    def _end_round(self) -> None:
        """Begin to sum up what waits, once the round before is done."""
        self._wait()
        if self._round:  # here, so that the same lines are always the same rounds
            self._lines = self._first_lines * (1 if self._are_apart else 2)
        lines, self._waiting = self._waiting, []
        self._round = self._thread.submit(self._sum_up, lines)

    def _wait(self) -> None:
        if self._round:
            self._round.result()

    def _sum_up(self, lines: list[pa.Table]) -> None:
        if self._are_apart:
            self._aside.put(lines)
            return
        count = _rows(lines)
        self._rounds.append(grouped(lines, self._keys))
        self._are_apart = self._rounds[-1].num_rows > WORTH_GROUPING * count
        if self._are_apart:
            self._lay_aside()
        elif _rows(self._rounds) > self._most:
            self._rounds = [grouped(self._rounds, self._keys)]
            if _rows(self._rounds) > self._most / 2:
                self._lay_aside()

    def _lay_aside(self) -> None:
        for rows in self._rounds:
            self._aside.put([rows])
        self._rounds = []


def _rows(tables: Sequence[pa.Table]) -> int:
    return sum(table.num_rows for table in tables)


def _needed(lines: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The columns of lines that count for their day."""
    length = pc.subtract(lines["charge_period_end"], lines["charge_period_start"])
    spans = pc.fill_null(pc.greater(length, _ONE_DAY), False)
    return lines.append_column(SPANS_DAYS, spans).select([*keys, *SUMS])

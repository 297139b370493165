"""How results look to people: tables that fit the terminal. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.box import HEAVY_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipelines.core.text import money

_LONG = 32
"""A word of more characters than this may be broken where it does not fit: an ARN, a path."""


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> FittedTable:
    """A table; columns in `right`, and those of numbers alone, are right-aligned.

    What is in `right` or `whole` is never broken over lines, nor is any word that is not long.
    Brackets in values are not markup.
    """
    known = [list(row) for row in rows]
    numbers = frozenset(
        name for at, name in enumerate(columns) if _are_numbers([row[at] for row in known])
    )
    cells = [[cell(value) for value in row] for row in known]
    aligned = numbers.union(right)
    return FittedTable(title, tuple(columns), cells, aligned, aligned.union(whole))


@dataclass(frozen=True)
class FittedTable:
    """A table with as much around its cells as the terminal has room for.

    With lines between columns; where that is too wide without them; where that is too wide, too,
    a row's values below each other.
    """

    title: str
    columns: tuple[str, ...]
    cells: Sequence[Sequence[str]]
    right: frozenset[str]
    whole: frozenset[str]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """What rich prints for it."""
        count = len(self.columns)
        if widths := self._fit(options.max_width - 3 * count - 1):
            yield self._drawn(Table(box=HEAVY_HEAD), widths)
        elif widths := self._fit(options.max_width - 2 * (count - 1)):
            yield self._drawn(Table(box=None, padding=(0, 2, 0, 0), pad_edge=False), widths)
        else:
            yield from self._records()

    def _fit(self, width: int) -> list[int]:
        """A width for each column, together at most `width`; none where words would break."""
        natural = [max(map(cell_len, texts)) for texts in self._texts()]
        widths = [self._least(name, texts) for name, texts in self._named_texts()]
        left = width - sum(widths)
        if left < 0:
            return []
        for at in sorted(range(len(widths)), key=lambda at: natural[at] - widths[at]):
            more = min(natural[at] - widths[at], left)
            widths[at] += more
            left -= more
        return widths

    def _texts(self) -> list[list[str]]:
        return [[name, *(row[at] for row in self.cells)] for at, name in enumerate(self.columns)]

    def _named_texts(self) -> Iterator[tuple[str, list[str]]]:
        return zip(self.columns, self._texts(), strict=True)

    def _least(self, name: str, texts: Sequence[str]) -> int:
        """What a column needs at least: its longest word, and values that are kept whole."""
        words = [word for text in texts for word in text.split()]
        least = max((min(cell_len(word), _LONG) for word in words), default=1)
        if name in self.whole:
            least = max(least, *map(cell_len, texts[1:]), 1)
        return least

    def _drawn(self, made: Table, widths: Sequence[int]) -> Table:
        made.title, made.title_justify = escape(self.title) or None, "left"
        made.header_style = "bold"
        for name, width in zip(self.columns, widths, strict=True):
            justify: JustifyMethod = "right" if name in self.right else "left"
            made.add_column(escape(name), justify=justify, overflow="fold", width=width)
        for row in self.cells:
            made.add_row(*map(escape, row))
        return made

    def _records(self) -> Iterator[RenderableType]:
        if self.title:
            yield Text(self.title, style="italic")
        for row in self.cells:
            record = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
            record.add_column(style="bold", no_wrap=True)
            record.add_column(overflow="fold")
            for name, text in zip(self.columns, row, strict=True):
                record.add_row(escape(name), escape(text))
            yield record
            yield ""


def _are_numbers(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in known
    )


def cell(value: object) -> str:
    """One value for people: thousands separated, money with cents, times in UTC, None empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return money(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)

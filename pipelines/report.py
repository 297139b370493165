"""How results look to people: rich tables and progress bars. Nothing here decides anything."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)
from rich.table import Table

from pipelines.partitions import Progress, UserError, now

log = logging.getLogger("pipelines")


class LogProgress(Progress):
    """One log line per partition: what a machine's log wants."""

    def done(self, word: str, partition: str, line: str) -> None:
        """The line, as it is."""
        log.info("%s", line)

    def failed(self, word: str, partition: str, error: UserError) -> None:
        """The error, as one line; where it happened with --debug."""
        log.error("%s", error, exc_info=error if log.isEnabledFor(logging.DEBUG) else None)


class BarProgress(LogProgress):
    """A bar for the partition at hand, and a line for each that is done."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bars.add_task("", visible=False)

    def __enter__(self) -> BarProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def start(self, word: str, partition: str, size: int) -> None:
        """A new bar; it moves as bytes or rows are done."""
        self._bars.reset(
            self._task, total=max(size, 1), description=f"{word} {partition}", visible=True
        )

    def advance(self, amount: int) -> None:
        """Move the bar."""
        self._bars.advance(self._task, amount)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()
) -> Table:
    """A table whose columns in `right` are numbers. A bracket in a value is a bracket."""
    made = Table(title=escape(title) or None, title_justify="left", header_style="bold")
    for name in columns:
        made.add_column(
            name, justify="right" if name in right else "left", overflow="fold", no_wrap=False
        )
    for row in rows:
        made.add_row(*(escape(cell(value)) for value in row))
    return made


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


def money(value: float) -> str:
    """12,345.67; what would read as 0.00 but is not keeps its digits."""
    return f"{value:,.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.2e}"


def age(moment: datetime | None) -> str:
    """How long ago, in the largest unit that fits: 3 h."""
    if moment is None:
        return ""
    passed: timedelta = now() - moment
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed.total_seconds() >= seconds:
            return f"{passed.total_seconds() / seconds:.0f} {unit}"
    return "now"

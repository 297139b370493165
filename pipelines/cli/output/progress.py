"""How a run's progress looks: a bar on a terminal, a line per partition in a log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)
from rich.text import Text

from pipelines.core.partition import Progress, UserError
from pipelines.core.text import size

log = logging.getLogger("pipelines")


class LogProgress(Progress):
    """One log line per partition: what a machine's log wants."""

    def done(self, source_name: str, partition: str, line: str) -> None:
        """Log the line of a finished partition."""
        log.info("%s", line, extra=_fields(source_name, partition))

    def failed(self, source_name: str, partition: str, error: UserError) -> None:
        """The error, as one line; where it happened with --debug."""
        log.error(
            "%s",
            error,
            exc_info=error if log.isEnabledFor(logging.DEBUG) else None,
            extra=_fields(source_name, partition),
        )


def _fields(source_name: str, partition: str) -> dict[str, dict[str, str]]:
    """For logs that are read by machines."""
    return {"fields": {"source": source_name, "partition": partition}}


class BarProgress(LogProgress):
    """A bar for the run, one for the partition at hand, and a line for each that is done."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            _Share(),
            _Tail(),
            console=console,
            transient=True,
            get_time=clock,
        )
        self._clock, self._lock = clock, threading.Lock()
        self._run = self._bars.add_task("", visible=False, tail="")
        self._task = self._bars.add_task("", visible=False)
        self.plan("", 0, "")

    def __enter__(self) -> BarProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def plan(self, source_name: str, count: int, unit: str) -> None:
        """The bar of the run; it moves as partitions end. One partition needs none."""
        self._count, self._done, self._amount, self._unit = count, 0, 0, unit
        self._began = self._clock()
        self._bars.reset(self._run, total=max(count, 1), description=source_name, visible=count > 1)
        self._show()

    def ended(self) -> None:
        """Move the bar of partitions by one."""
        self._done += 1
        self._bars.advance(self._run)
        self._show()

    def start(self, source_name: str, partition: str, size: int) -> None:
        """A new bar; it moves as bytes or rows are done, or only shows that something happens."""
        with self._lock:  # a bar without a total can only be created again
            self._bars.remove_task(self._task)
            self._task = self._bars.add_task(f"{source_name} {partition}", total=size or None)

    def advance(self, amount: int) -> None:
        """Move the bar of the current partition by an amount of its unit."""
        with self._lock:
            self._amount += amount
            self._bars.advance(self._task, amount)
        self._show()

    def _show(self) -> None:
        passed = self._clock() - self._began
        self._bars.update(self._run, tail=self.tail(passed))

    def tail(self, passed: float) -> str:
        """What the run has done after `passed` seconds, its speed, and the time that remains.

        3 of 20, 1,204,331 trades, 21,004/s, 0:12:30 left. What is not known yet is not said.
        """
        told = [f"{self._done:,} of {self._count:,}"]
        if self._amount and passed > 0:
            rate, is_bytes = self._amount / passed, self._unit == "bytes"
            told.append(size(self._amount) if is_bytes else f"{self._amount:,} {self._unit}")
            told.append(f"{size(round(rate))}/s" if is_bytes else f"{rate:,.0f}/s")
        if self._done:
            seconds = passed / self._done * (self._count - self._done)
            told.append(f"{timedelta(seconds=round(seconds))} left")
        return ", ".join(told)


class _Share(ProgressColumn):
    """How much is done, in percent; nothing where nobody knows how much there is."""

    def render(self, task: Task) -> Text:
        """The text of one column of the bar."""
        return Text("" if task.total is None else f"{task.percentage:>3.0f} %")


class _Tail(TimeRemainingColumn):
    """The text of the run's bar; of a partition's the time that is left, once it is known."""

    def render(self, task: Task) -> Text:
        """The text of one column of the bar."""
        if "tail" in task.fields:
            return Text(task.fields["tail"])
        return super().render(task) if task.time_remaining is not None else Text("")

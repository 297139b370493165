"""The commands' two streams, their log, and how an error reads there."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.clickhouse.server.settings import label
from pipelines.core.findings import Finding, exit_status, shown
from pipelines.core.partition import ConfigurationError, Progress, UserError
from pipelines.core.text import describe

if TYPE_CHECKING:
    from pipelines.cli.output.progress import BarProgress

Fields = Callable[[], Mapping[str, str]]
LOG_WIDTH = 240  # without a terminal, tables get the room that they need
out = Console(
    highlight=False,
    soft_wrap=not sys.stdout.isatty(),
    width=None if sys.stdout.isatty() else LOG_WIDTH,
)
err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def tell(findings: Iterable[Finding]) -> int:
    """Print each as it comes; the exit status that they make together."""
    told = []
    for finding in findings:
        out.print(shown(finding))
        told.append(finding)
    return exit_status(told)


def say(line: str) -> None:
    """Print one line of a command's result to standard output."""
    out.print(line, markup=False)


def progress() -> nullcontext[Progress] | BarProgress:
    """A bar on a terminal, a line per partition in a log."""
    from pipelines.cli.output.progress import BarProgress, LogProgress  # `status` shows none

    return BarProgress(err) if err.is_terminal else nullcontext(LogProgress())


def fail(error: Exception, code: int, debug: bool, cause: Exception | None = None) -> int:
    """Tell an error and return the exit status that it means."""
    if debug:
        traceback.print_exception(cause or error)
    err.print(f"error: {describe(error)}", markup=False)
    return code


def fail_unhandled(error: Exception, debug: bool) -> int:
    """Tell an error that a command did not handle; 2 for a wrong configuration, else 1."""
    if isinstance(error, UserError):
        return fail(error, 2 if isinstance(error, ConfigurationError) else 1, debug)
    from botocore.exceptions import BotoCoreError
    from dlt.common.configuration.exceptions import ConfigurationException

    if isinstance(error, ConfigurationException):
        return fail(error, 2, debug)
    if isinstance(error, OSError | BotoCoreError):  # a source's are UserErrors by now
        fix = "`python -m pipelines doctor` examines the destination."
        return fail(UserError(f"{error}. {fix}"), 1, debug, error)
    if debug:
        raise error
    text = f"{type(error).__name__}: {error}"
    return fail(UserError(f"Unexpected: {text}\nRun again with --debug to see where."), 1, False)


def set_up_logging(debug: bool, log_format: str = "") -> None:
    """Our log lines to stderr, as LOG_FORMAT says; dlt's own errors only with --debug.

    Raises ConfigurationError for a format that there is not.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format, label))
    ours = logging.getLogger("pipelines")
    ours.handlers[:] = [handler]
    ours.setLevel(logging.DEBUG if debug else logging.INFO)
    ours.propagate = False
    logging.getLogger("dlt").removeFilter(_told_otherwise)
    if not debug:
        logging.getLogger("dlt").addFilter(_told_otherwise)


def _told_otherwise(record: logging.LogRecord) -> bool:
    """dlt logs each failed job with its traceback; the command names the failure itself."""
    return not (record.exc_info or record.module == "load" or "Traceback" in record.getMessage())


def formatter(log_format: str, fields: Fields) -> logging.Formatter:
    """What LOG_FORMAT names: '' the message alone, `text` with time and level, `json`.

    `fields` are what the moment is about, such as source and partition. Raises ConfigurationError.
    """
    if log_format not in ("", "text", "json"):
        raise ConfigurationError(
            f"LOG_FORMAT is {log_format!r}. Set it to text (with time and level) or json, or leave "
            "it out for bare lines"
        )
    return (
        _JsonFormatter(fields) if log_format == "json" else _TextFormatter(timed=bool(log_format))
    )


class _TextFormatter(logging.Formatter):
    def __init__(self, *, timed: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s" if timed else "%(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 (logging's name)
        """UTC, to the millisecond."""
        return _time(record)


class _JsonFormatter(logging.Formatter):
    """One object per line: time, level, logger, message, and what it is about."""

    def __init__(self, fields: Fields) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """A record as one line of JSON: time, level, logger, message and its fields."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""How our own log lines look: bare, with time and level, or as JSON for a machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pipelines.core.partition import ConfigurationError

Fields = Callable[[], Mapping[str, str]]


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
        """The line."""
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

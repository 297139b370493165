"""Ctrl-C ends a program with one line, whenever it comes: while importing, too."""

from __future__ import annotations

import sys
from types import TracebackType

STOPPED = "error: Stopped. Published data stays as it is; run the command again."


def stop_without_traceback(message: str = STOPPED) -> None:
    """From now on a KeyboardInterrupt that nobody catches is told in one line on stderr."""
    usual = sys.excepthook

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print(message, file=sys.stderr)
        else:
            usual(kind, error, trace)

    sys.excepthook = tell

"""How sizes, amounts, ages and errors read to people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.core.partition import UserError, now

if TYPE_CHECKING:
    from dlt.common.configuration.exceptions import ConfigFieldMissingException, LookupTrace


def size(count: int) -> str:
    """A number of bytes for people, such as 212 MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:,.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:,.1f} {unit}"


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


def describe(error: Exception) -> str:
    """An error as a person is to read it."""
    if isinstance(error, UserError):
        return str(error).strip()
    from dlt.common.configuration.exceptions import ConfigFieldMissingException

    return _missing(error) if isinstance(error, ConfigFieldMissingException) else str(error).strip()


def _missing(error: ConfigFieldMissingException) -> str:
    """Which keys are missing, and per provider of configuration the first name that it accepts."""
    first: dict[str, str] = {}
    for trace in _lookups(error):
        first.setdefault(trace.provider, trace.key)
    where = " or ".join(f"{key} ({provider})" for provider, key in first.items())
    return f"Missing configuration: {', '.join(error.fields)}. Set {where}."


def _lookups(error: ConfigFieldMissingException) -> Iterator[LookupTrace]:
    """Every name that dlt looked up, in its order, including embedded configurations."""
    from dlt.common.configuration.exceptions import LookupTraces

    waiting = [trace for traces in error.traces.values() for trace in traces]
    while waiting:
        trace = waiting.pop(0)
        if isinstance(trace, LookupTraces):
            waiting[:0] = [inner for traces in trace.traces.values() for inner in traces]
        else:
            yield trace

"""How sizes, amounts, ages and errors read to people."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from dlt.common.configuration.exceptions import ConfigFieldMissingException

from pipelines.core.partition import now


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


def size(count: int) -> str:
    """Bytes for people: 212 MB."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:,.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:,.1f} {unit}"


def told(error: Exception) -> str:
    """An error as a person is to read it."""
    return _missing(error) if isinstance(error, ConfigFieldMissingException) else str(error).strip()


def _missing(error: ConfigFieldMissingException) -> str:
    """dlt's list of the places that it looked in, without what it says about itself."""
    places = re.findall(r"^ *\((.+), (\S+)\)$", str(error), re.MULTILINE)
    first = dict(reversed(places))
    where = " or ".join(f"{key} ({provider})" for provider, key in first.items())
    return f"Missing configuration: {', '.join(error.fields)}. Set {where}."

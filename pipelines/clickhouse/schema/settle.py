"""Which day of cost a delivery has had time to complete, as an expression of sql/marts.

A provider goes on adding lines to a day that is over, for `settle_hours` after its end. The default
is in each source's source.toml; `[sources.<name>] settle_hours` replaces it.
"""

from __future__ import annotations

import dlt

from pipelines.core.partition import ConfigurationError
from pipelines.tables.sources import COST_SOURCES, SOURCES


def settled_day() -> str:
    """The last day that is complete in a delivery, by the columns `source` and `delivered_at`."""
    cases = " ".join(
        f"when source = '{name}' "
        f"then cast(delivered_at - interval {round(settle_hours(name) * 60)} minute as date) - 1"
        for name in COST_SOURCES
    )
    return f"case {cases} else cast(delivered_at - interval 24 hour as date) - 1 end"


def settle_hours(source_name: str) -> float:
    """How many hours after its end a source's day is complete. Raises ConfigurationError."""
    given: object = dlt.config.get(f"sources.{source_name}.settle_hours")
    try:
        hours = float(str(SOURCES[source_name].settle_hours if given is None else given))
    except (TypeError, ValueError):
        hours = -1.0
    if not 0 <= hours <= 31 * 24:
        raise ConfigurationError(
            f"sources.{source_name}.settle_hours is {given!r}. Set it to a number of hours from 0 "
            f"to 744; the default is {SOURCES[source_name].settle_hours}."
        )
    return hours

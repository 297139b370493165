"""What a provider no longer has stays published: no load empties a partition without being asked.

Providers restate a little. A partition that would lose more than a share of its rows, or all of
them, is rather a wrong manifest, an expired table or a host that lags behind.
"""

from __future__ import annotations

from collections.abc import Mapping

import dlt

from pipelines.core.partition import ConfigurationError, Delivery, Kept
from pipelines.tables.raw_tables import RawTable

MAX_SHRINK = 0.5
"""The share of its rows that a partition may lose, unless `max_shrink` says otherwise."""


def refuse_shrunk(raw_table: RawTable, delivery: Delivery, published: Mapping[str, int]) -> None:
    """Raises Kept when a landed partition has far fewer rows than the published one, or none.

    A list of what a provider has now may shrink.
    """
    before = published.get(delivery.partition, 0)
    if raw_table.column == "listing" or before == 0:
        return
    if delivery.rows < before * (1 - max_shrink(raw_table.dataset, raw_table.source_name)):
        raise Kept(
            f"{raw_table.source_name} {delivery.partition}: {before:,} rows are published, and the "
            f"provider now has {delivery.rows:,}. The published rows stay. "
            f"{how_to_accept(delivery)}",
            delivery,
        )


def how_to_accept(delivery: Delivery) -> str:
    """What to do when fewer rows are right."""
    source_name, key = delivery.source_name, delivery.partition
    return (
        "If fewer are right, take them: python -m pipelines load "
        f"{source_name} --from {key} --to {key} --accept-shrunk"
    )


def max_shrink(*sections: str) -> float:
    """`max_shrink` of `[sources.<source>]`, else of `[sources]`: 0.5 is half, 1 takes anything."""
    keys = [*(f"sources.{section}.max_shrink" for section in sections), "sources.max_shrink"]
    key = next((key for key in keys if dlt.config.get(key) is not None), "")
    share = float(dlt.config.get(key, float)) if key else MAX_SHRINK
    if not 0 <= share <= 1:
        raise ConfigurationError(f"{key} is {share}. Set it to a share between 0 and 1.")
    return share

"""Every raw table by its source: where it is, and by which column its partitions are replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A word's tables: raw dataset and table, the partition column.

    `raw_only`: rows that are read as they are, without a normalised table.
    """

    word: str
    dataset: str
    table: str
    column: str
    raw_only: bool = False

    @property
    def raw_table(self) -> str:
        """The raw table's name in ClickHouse."""
        return f"{self.dataset}__{self.table}"

    @property
    def normalized_table(self) -> str:
        """The normalised table's name in ClickHouse."""
        return f"normalized_{self.word}"

    @property
    def read_table(self) -> tuple[str, str]:
        """The table that readers read in ClickHouse, and its partition column."""
        if self.raw_only:
            return self.raw_table, self.column
        return self.normalized_table, "x_partition"


def _raw_list(dataset: str, table: str, column: str) -> Place:
    return Place(f"{dataset}_{table}", dataset, table, column, raw_only=True)


_PLACES = (
    Place("aws", "aws_costs", "cur", "billing_period"),
    Place("gcp", "gcp_costs", "billing_export", "export_date"),
    _raw_list("gcp", "month_totals", "listing"),
    Place("stripe", "stripe", "balance_transactions", "created_month"),
    _raw_list("stripe", "balances", "read_date"),
    _raw_list("stripe", "products", "listing"),
    _raw_list("stripe", "prices", "listing"),
    _raw_list("stripe", "subscriptions", "listing"),
    _raw_list("stripe", "invoices", "listing"),
    Place("fx", "fx", "ecb_rates", "rate_year"),
    Place("deribit", "deribit", "trades", "trade_date"),
    _raw_list("deribit", "instruments", "listing"),
    _raw_list("deribit", "volatility_index", "month"),
    _raw_list("deribit", "funding_rates", "month"),
    _raw_list("deribit", "newest_numbers", "listing"),
)
PLACES: Mapping[str, Place] = {place.word: place for place in _PLACES}
"""By word, in the order in which they are loaded."""


def lists_of(dataset: str) -> Iterator[Place]:
    """The raw lists of a source, which are loaded after its own table."""
    return (place for place in _PLACES if place.raw_only and place.dataset == dataset)


def published_partitions(count: str) -> str:
    """A select of every partition and delivery that readers read; `count` counts rows."""
    return "\nunion all\n".join(_published(place, count) for place in _PLACES)


def raw_partitions() -> str:
    """A select of every loaded raw partition and delivery, for ClickHouse."""
    return "\nunion all\n".join(
        f'select \'{place.word}\' as word, "{place.column}" as "partition", '
        'x_fingerprint as fingerprint, toInt64(count()) as "rows", '
        "max(x_delivered_at) as delivered_at, max(x_dlt_load_id) as load_id "
        f'from {place.raw_table} group by "{place.column}", x_fingerprint'
        for place in _PLACES
    )


def _published(place: Place, count: str) -> str:
    table, column = place.read_table
    word, keys = ("x_source", "x_source, ") if not place.raw_only else (f"'{place.word}'", "")
    return (
        f'select {word} as word, "{column}" as "partition", x_fingerprint as fingerprint, '
        f'{count} as "rows" from {table} group by {keys}"{column}", x_fingerprint'
    )

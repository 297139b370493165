"""Exchange rates: the ECB's daily reference rates, one row per business day and currency, by year.

The whole history is one small file (0.6 MB). It is read in every run, and a year is published
again when its rates are not those that are published: of old years that is never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.extract import DltResource

from pipelines.core.digests import hex_digest
from pipelines.core.landing import delivered, write_rows
from pipelines.core.partition import ALL, Partition, Selection, carried
from pipelines.providers.fx.ecb import SCHEMA, Row, download, years

__all__ = ["CHECKED", "FxSettings", "Rates", "configuration", "connect", "source"]

CHECKED = SCHEMA
URL = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip"
_PUBLISHED_AT = time(15, 0, tzinfo=UTC)  # 16:00 CET


@configspec
class FxSettings(BaseConfiguration):
    """`[sources.fx]`: where the file lies, and the first year that is wanted."""

    url: str = URL
    first_year: int = 2015


def configuration() -> FxSettings:
    """What dlt finds under `sources.fx`; every key has a default."""
    return resolve_configuration(FxSettings(), sections=("sources", "fx"))


class Rates:
    """The ECB's file as it is now."""

    def __init__(self, settings: FxSettings) -> None:
        self._settings = settings

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every year from `first_year` or `--from`, oldest first, from one download."""
        url = self._settings.url
        first = selection.first[:4] if selection.first else str(self._settings.first_year)
        found = years(download(url), url)
        return [
            Partition(
                key=year,
                fingerprint=fingerprint(rows),
                delivered_at=datetime.combine(rows[-1][0], _PUBLISHED_AT),
                files=1,
                bytes=0,
                detail=rows,
            )
            for year, rows in found.items()
            if year >= first
        ]


def connect() -> Rates:
    """The configured file."""
    return Rates(configuration())


@dlt.source(name="fx", max_table_nesting=0)
def source(
    rates: Rates, partition: Partition, folder: Path, advance: Callable[[int], None]
) -> DltResource:
    """Land one year in `folder` and carry its delivery to the destination."""
    return deliveries(rates, partition, folder, advance)


@dlt.resource(
    name="ecb_rates_deliveries",
    write_disposition="append",
    columns={"recipe": {"data_type": "json"}},
)
def deliveries(
    rates: Rates, partition: Partition, folder: Path, advance: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    """One row: what was landed. The plan has downloaded it already."""
    rows: list[Row] = partition.detail
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    path = folder / "rows.parquet"
    write_rows(path, SCHEMA, [pa.Table.from_arrays(arrays, schema=SCHEMA)], advance)
    delivery = delivered(
        "fx",
        partition.key,
        partition.fingerprint,
        [path],
        delivered_at=partition.delivered_at,
        form="ECB reference rates",
    )
    yield carried(delivery, folder)


def fingerprint(rows: list[Row]) -> str:
    """32 hex digits over the rates."""
    return hex_digest("\t".join(map(str, row)) + "\n" for row in rows)

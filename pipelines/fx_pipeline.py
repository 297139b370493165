"""Exchange rates: the ECB's daily reference rates, one row per business day and currency, by year.

The whole history is one small file (0.6 MB). It is read in every run, and a year is published
again when its rates are not those that are published: of old years that is never.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from types import MappingProxyType
from typing import Any

if not __package__:  # run as a script: Python looks here first, where stripe/ is ours
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dlt
import pyarrow as pa
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.extract import DltResource

from pipelines.core.digests import hex_digest
from pipelines.core.landing import (
    CONTRACT,
    REPLACED,
    Landing,
    Plan,
    delivered,
    everything,
    write_rows,
)
from pipelines.core.partition import ALL, Delivery, Partition, Selection
from pipelines.providers.fx.ecb import SCHEMA, Row, download, years

__all__ = ["CHECKED", "FxSettings", "Rates", "configuration", "connect", "fx"]

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
    """The ECB's file at `sources.fx.url`, ready to plan."""
    return Rates(configuration())


@dlt.source(name="fx", section="fx", spec=FxSettings, max_table_nesting=0)
def fx(
    url: str = URL,
    first_year: int = 2015,
    first: str | None = None,
    last: str | None = None,
    plan: Plan[Rates] | None = None,
) -> DltResource:
    """Every year from `first` to `last`, whole: a later load replaces it.

    `plan` is the loader's: the one year that it wants.
    """
    return ecb_rates(plan or everything(Rates(FxSettings(url, first_year)), first, last))


@dlt.resource(
    name="ecb_rates", file_format="parquet", write_disposition=REPLACED, schema_contract=CONTRACT
)
def ecb_rates(plan: Plan[Rates]) -> Iterator[Any]:
    """The rates of a year. Planning has downloaded them already."""
    for landing in plan.landings:
        yield from landing.data(_land(landing), "rate_year")


def _land(landing: Landing) -> Delivery:
    partition = landing.partition
    rows: list[Row] = partition.detail
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    path = landing.folder / "rows.parquet"
    write_rows(path, SCHEMA, [pa.Table.from_arrays(arrays, schema=SCHEMA)], landing.advance)
    return delivered(
        "fx",
        partition.key,
        partition.fingerprint,
        [path],
        delivered_at=partition.delivered_at,
        layout="ECB reference rates",
    )


def fingerprint(rows: list[Row]) -> str:
    """32 hex digits over the rates."""
    return hex_digest("\t".join(map(str, row)) + "\n" for row in rows)


if __name__ == "__main__":  # python pipelines/fx_pipeline.py [options of `load`]
    sys.argv[1:] = ["load", "fx", *sys.argv[1:]]
    runpy.run_module("pipelines", run_name="__main__")

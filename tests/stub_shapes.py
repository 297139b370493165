"""Published tables of sources that may not be part of the project yet, with their columns' types.

A table that `published_tables` knows is taken from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from pipelines.normalize.schema import Column, Type, arrow_of
from pipelines.normalize.shapes import published_tables

_STUBS: dict[str, str] = {
    "revenue": """transaction_id:text source_id:text account:text created_at:timestamp
        activity_date:date available_date:date status:text class:text reporting_category:text
        type:text currency:text gross:decimal fee:decimal net:decimal reporting_currency:text
        gross_reporting:decimal fee_reporting:decimal net_reporting:decimal rate:decimal
        rate_date:date rate_source:text x_source:text x_partition:text x_fingerprint:text
        x_dlt_load_id:text""",
    "margin_daily": """date:date reporting_currency:text revenue_gross:decimal
        revenue_contra:decimal disputes:decimal fees:decimal taxes:decimal revenue_net:decimal
        cost_billed:number cost_effective:number cost_billed_aws:number cost_effective_aws:number
        cost_billed_gcp:number cost_effective_gcp:number margin:number margin_ratio:number
        cost_per_revenue:number""",
    "trades": """trade_id:text trade_seq:integer instrument_name:text kind:text
        currency:text base_currency:text quote_currency:text traded_at:timestamp trade_date:date
        direction:text price:number price_usd:number amount:number notional_usd:number
        mark_price:number index_price:number iv:number liquidation:text underlying:text
        expiry:timestamp strike:number option_type:text moneyness:number x_source:text
        x_partition:text x_fingerprint:text x_dlt_load_id:text""",
    "trades_daily": """trade_date:date currency:text level:text instrument_name:text
        underlying:text expiry:timestamp kind:text open:number high:number low:number close:number
        vwap:number volume:number notional_usd:number trades:integer call_volume:number
        put_volume:number put_call_ratio:number iv_vwap:number x_partition:text""",
}


def tables(tag_columns: Sequence[str]) -> dict[str, pa.Schema]:
    """Every table that a dashboard reads, by its name in ClickHouse."""
    known: Mapping[str, Sequence[Column]] = published_tables(tag_columns)
    return {name: arrow_of(_stub(text)) for name, text in _STUBS.items()} | {
        name: arrow_of(columns) for name, columns in known.items()
    }


def _stub(text: str) -> list[Column]:
    kinds: dict[str, Type] = {k: k for k in Type.__args__}  # type: ignore[attr-defined]  # a Literal
    return [Column(n, kinds[t], True, ".") for n, t in (word.split(":") for word in text.split())]

"""The tables that the sink of live trades writes, as far as checks read them.

They exist in ClickHouse alone (sql/23_deribit_live.sql): on local parquet they are empty.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

LIVE_TABLES: Mapping[str, pa.Schema] = {
    "deribit__live_trades": pa.schema(
        [
            ("instrument_name", pa.string()),
            ("trade_seq", pa.int64()),
            ("timestamp", pa.int64()),
            ("currency", pa.string()),
            ("price", pa.float64()),
            ("amount", pa.float64()),
            ("received_at", pa.int64()),
            ("written_at", pa.timestamp("ms", "UTC")),
            ("trade_date", pa.string()),
        ]
    ),
    "deribit__live_dead_letters": pa.schema(
        [
            ("kafka_topic", pa.string()),
            ("kafka_partition", pa.int32()),
            ("kafka_offset", pa.int64()),
            ("reason", pa.string()),
            ("failed_at", pa.timestamp("ms", "UTC")),
        ]
    ),
}

"""Trades of Deribit in a ClickHouse of one's own, which goes when it is left."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.core.landing import delivered, write_rows
from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.providers.deribit import calendar
from pipelines.providers.deribit.calendar import DayFingerprint
from pipelines.providers.deribit.days import RAW, Day, Digest
from scripts.bench.servers.clickhouse import Server

DATABASE = "deribit_local"
TABLES = ("deribit__trades", "normalized_deribit")


@contextmanager
def warehouse(server: ClickHouseConfig | None = None) -> Iterator[ClickHouseConfig]:
    """An empty database with all tables: of `server`, or of one that is started for it."""
    if server is not None:
        migrate(server, ())
        yield server
        return
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "server") as started:
        config = ClickHouseConfig(
            host=started.ready["host"],
            port=started.ready["port"],
            http_port=started.ready["http_port"],
            database=DATABASE,
            user=started.ready["user"],
            password=started.password,
            secure=False,
        )
        migrate(config, ())
        yield config


def publish(config: ClickHouseConfig, found: Day, currency: str, day: date) -> int:
    """Publish trades as that day's partition; bytes of them as parquet."""
    with tempfile.TemporaryDirectory() as name:
        folder, digest = Path(name), Digest()
        path = folder / "trades.parquet"
        write_rows(path, RAW, map(digest.of, found.slices()))
        size = path.stat().st_size
        delivery = delivered(
            "deribit",
            calendar.key(currency, day),
            DayFingerprint("closed", digest.text(), found.rows, found.read_at.date()).text,
            [path],
            delivered_at=calendar.delivered_at(found.read_at, day),
            layout="trades",
        )
        with Warehouse(config) as target:
            target.publish(SOURCES["deribit"].raw_table, folder, delivery.loaded_by("local"))
    return size


def bytes_of(config: ClickHouseConfig) -> dict[str, int]:
    """What the tables take on disk, merged."""
    found = {}
    with connect(config) as client:
        for table in TABLES:
            client.command(f"optimize table {table} final")
            sql = "select sum(bytes_on_disk) from system.parts where active and database = "
            found[table] = int(
                client.query(f"{sql}currentDatabase() and table = '{table}'").result_rows[0][0]
            )
    return found

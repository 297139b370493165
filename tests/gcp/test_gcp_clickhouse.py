"""GCP on ClickHouse: loaded there, or normalised here and ingested, it is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.support.commands import Commands
from tests.support.providers.gcp_days import billed, environ, put, rows, table_of
from tests.support.providers.raw_gcp import TABLE, credit, labels
from tests.support.published_clickhouse import environ as clickhouse_environ
from tests.support.published_clickhouse import query

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

OF_A_RUN = "x_dlt_load_id, x_fingerprint"


def costs(config: ClickHouseConfig) -> list[tuple[Any, ...]]:
    """The mart's rows, without what tells one run from another."""
    return sorted(query(config, f"select * except ({OF_A_RUN}) from costs"), key=repr)


@pytest.mark.thorough
def test_days_are_replaced_whole_and_ingesting_gives_the_same(
    bigquery_server: BigQueryServer, clickhouse: ClickHouseConfig, commands: Commands
) -> None:
    commands.set(environ(bigquery_server))
    warehouse = clickhouse_environ(clickhouse, commands.data)
    del warehouse["SOURCES__AWS__BUCKET_URL"]
    commands.set(warehouse)

    put(bigquery_server, {"2026-10-29": [1.0, 2.0], "2026-10-30": [4.0, 4.0], "2026-10-31": [8.0]})
    commands.well("load")
    more = [credit(-0.5, "PROMOTION"), credit(-0.25, "FREE_TIER")]
    newest = [
        *rows({"2026-10-29": [1.0], "2026-10-30": [4.0, 4.0]}),
        *rows({"2026-10-31": [8.5], "2026-11-01": [16.0]}, credits=more, labels=labels(team="a")),
    ]
    bigquery_server.load(TABLE, table_of(newest))
    ran = commands("load")
    assert (ran.status, ran.out) == (0, "gcp: 3 loaded, 1 unchanged, 0 failed\n")
    sql = "select x_partition, groupArray(billed_cost) from costs group by 1 order by 1"
    by_day = [
        ("2026-10-29", [1.0]),
        ("2026-10-30", [4.0, 4.0]),
        ("2026-10-31", [7.75]),
        ("2026-11-01", [15.25]),
    ]
    assert query(clickhouse, sql) == by_day
    assert commands("load").out == "gcp: 0 loaded, 4 unchanged, 0 failed\n"
    loaded = costs(clickhouse)

    commands.set({"DLT_DESTINATION": "filesystem"})
    commands.well("load", "normalize")
    assert list(billed(commands.data).items()) == by_day
    for table in ("normalized_gcp", "gcp_costs__billing_export", "deliveries"):
        query(clickhouse, f"truncate table {table}")
    ran = commands("ingest", "gcp")
    assert (ran.status, ran.out) == (0, "gcp: 4 ingested, 0 unchanged, 0 failed\n")
    assert costs(clickhouse) == loaded


@pytest.mark.thorough
def test_a_day_that_the_table_no_longer_has_stays_published(
    bigquery_server: BigQueryServer, clickhouse: ClickHouseConfig, commands: Commands
) -> None:
    commands.set(environ(bigquery_server))
    warehouse = clickhouse_environ(clickhouse, commands.data)
    del warehouse["SOURCES__AWS__BUCKET_URL"]
    commands.set(warehouse)
    put(bigquery_server, {"2026-10-29": [1.0], "2026-10-30": [4.0], "2026-10-31": [8.0]})
    commands.well("load")
    put(bigquery_server, {"2026-10-29": [1.0], "2026-10-31": [8.0]})
    for options in ((), ("--force",)):
        assert commands("load", *options).status == 0
        assert query(clickhouse, "select x_partition from costs order by 1") == [
            ("2026-10-29",),
            ("2026-10-30",),
            ("2026-10-31",),
        ]
    assert commands("load").out == "gcp: 0 loaded, 2 unchanged, 0 failed\n"

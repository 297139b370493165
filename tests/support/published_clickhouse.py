"""What readers of a ClickHouse destination see, without what differs between two equal runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.clickhouse.schema.marts import COMPUTED, NOT_COMPUTED
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.marts import stored
from pipelines.normalize.run import tag_columns
from tests.support.clickhouse.server import Server
from tests.support.clickhouse.users import add_users
from tests.support.published import OF_THE_WORK

RAW, NORMALISED = "aws_costs__cur", "normalized_aws"
#: Names that begin so are nobody's to read: staging, leases, scratch tables of migrate.
PRIVATE = ("_stage_", "_lock_", "_new_", "_probe_", "_mart_")


def environ(config: ClickHouseConfig, bucket: Path) -> dict[str, str]:
    """The variables by which the commands find a server and a bucket."""
    return {
        "DLT_DESTINATION": "clickhouse",
        "SOURCES__AWS__BUCKET_URL": bucket.as_uri(),
        "CLICKHOUSE_MODE": "local",
        "CLICKHOUSE_HOST": config.host,
        "CLICKHOUSE_PORT": str(config.port),
        "CLICKHOUSE_HTTP_PORT": str(config.http_port),
        "CLICKHOUSE_USER": config.user,
        "CLICKHOUSE_PASSWORD": str(config.password),
        "CLICKHOUSE_DATABASE": config.database,
        "CLICKHOUSE_SECURE": "1" if config.secure else "0",
    }


def query(config: ClickHouseConfig, sql: str) -> list[tuple[Any, ...]]:
    """The rows of one statement, on a connection of its own."""
    with ClickHouseManager(config) as manager:
        return manager.execute(sql)


def published(
    config: ClickHouseConfig,
    raw: str = RAW,
    normalised: str = NORMALISED,
    mart: str = "costs",
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """Raw, normalised, history and what the provider has: equal when two states are the same.

    `without` names further columns that differ between two runs.
    """
    with ClickHouseManager(config) as manager:

        def rows(table: str, of_a_run: str) -> list[tuple[Any, ...]]:
            final = " final" if table == "provider_partitions" else ""
            left_out = ", ".join((of_a_run, *without))
            found = manager.execute(f"select * except ({left_out}) from {table}{final}")
            return sorted(found, key=repr)

        return {
            "raw": rows(raw, "x_dlt_load_id"),
            "normalised": rows(normalised, "x_dlt_load_id"),
            "costs": rows(mart, "x_dlt_load_id"),
            "days": _days(manager),
            "history": rows("deliveries", ", ".join(("published_at", *OF_THE_WORK))),
            "provider": rows("provider_partitions", "seen_at"),
            "loaded": rows("raw_partitions", "loaded_at"),
        }


def _days(manager: ClickHouseManager) -> list[tuple[Any, ...]]:
    """`costs_daily`; a sum's last digits depend on the order in which the server adds up."""
    found = manager.execute("select * except (x_dlt_load_id) from costs_daily")
    rounded = [tuple(round(v, 9) if isinstance(v, float) else v for v in row) for row in found]
    return sorted(rounded, key=repr)


def schema(config: ClickHouseConfig) -> dict[str, Any]:
    """Every table and view of ours with its columns, as the server describes them."""
    where = f"database = '{config.database}'"
    tables = query(
        config,
        "select name, engine, partition_key, sorting_key, comment, "
        f"replaceAll(as_select, '{config.database}.', '') from system.tables where {where}",
    )
    columns = query(
        config,
        "select table, name, type, default_kind, default_expression, comment "
        f"from system.columns where {where} order by table, position",
    )
    return {
        name: (
            [COMPUTED.sub(NOT_COMPUTED, text) for text in rest],
            [column[1:] for column in columns if column[0] == name],
        )
        for name, *rest in tables
        if "__dlt_" not in name and name != "_schema_version" and not name.startswith(PRIVATE)
    }


def totals(config: ClickHouseConfig) -> dict[str, float]:
    """Billed cost by partition, as one who reads `costs`; nothing while there is no `costs`."""
    if query(config, "exists view costs") == [(0,)]:
        return {}
    sql = "select x_partition, round(sum(billed_cost), 6) from costs group by 1"
    return dict(query(config, sql))


def fingerprints(config: ClickHouseConfig) -> dict[str, list[tuple[str, str]]]:
    """The distinct (partition, fingerprint) of raw and of normalised: one each, and the same."""
    return {
        table: sorted(query(config, f"select distinct {column}, x_fingerprint from {table}"))
        for table, column in ((RAW, "billing_period"), (NORMALISED, "x_partition"))
    }


def leftovers(config: ClickHouseConfig) -> list[str]:
    """Tables that no reader looks at and no run needs any more."""
    names = sorted(name for (name,) in query(config, "show tables"))
    return [name for name in names if name.startswith(PRIVATE)]


def add_user(server: Server, name: str, grants: Sequence[str]) -> ClickHouseConfig:
    """Start a server of one's own again with another user, who may what `grants` say."""
    password = f"{name}-Pa55/word"
    add_users(server, password, {name: [f"grant {grant}" for grant in grants]})
    return replace(server.config(), user=name, password=password)


def compute_marts(config: ClickHouseConfig) -> None:
    """The stored marts, whatever a test has changed behind the project's back."""
    with ClickHouseManager(config) as manager:
        for (name,) in manager.execute(
            "select name from system.tables where database = currentDatabase() "
            "and engine = 'MergeTree' and comment like 'Computed by %'"
        ):
            manager.execute(f"alter table {name} modify comment ''")
    stored.compute(config, tag_columns())

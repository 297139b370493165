"""The databases that tests hand on: nothing of one test reaches the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.support.clickhouse.databases import Databases, Template
from tests.support.published_clickhouse import query


@pytest.fixture
def lent(
    clickhouse_template: Template, clickhouse_server: ClickHouseConfig
) -> Iterator[tuple[Databases, ClickHouseConfig]]:
    """A database that was taken, in a stock of its own."""
    databases = Databases(clickhouse_template)
    config = clickhouse_server.with_database(databases.take())
    yield databases, config
    query(clickhouse_server, f"drop database if exists {config.database} sync")


def exported(config: ClickHouseConfig) -> list[tuple[str, str, int | None]]:
    """Everything in a database, how it is created, and how many rows it has."""
    sql = "select name, create_table_query, total_rows from system.tables where database = '{}'"
    return sorted(query(config, sql.format(config.database)), key=lambda row: str(row[0]))


def test_rows_tables_and_columns_of_one_test_do_not_reach_the_next(
    lent: tuple[Databases, ClickHouseConfig],
) -> None:
    databases, config = lent
    before = exported(config)
    for sql in (
        "insert into aws_costs__cur (billing_period, bill_invoice_id) values ('2026-10', 'a')",
        "alter table aws_costs__cur add column my_text String, add column my_number Int64",
        "create table mine (x Int32) engine = MergeTree order by x",
        "create view mine_too as select x from mine",
    ):
        query(config, sql)
    assert query(config, "select count() from costs") == [(1,)]
    databases.give_back(config.database)
    assert databases.take() == config.database
    assert exported(config) == before


@pytest.mark.quick("comment", "view")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param("alter table _schema_version modify comment 'older'", id="comment"),
        pytest.param("create or replace view costs as select 1 as one", id="view"),
        pytest.param("drop table deliveries sync", id="table"),
        pytest.param("alter table deliveries drop column billed", id="column"),
    ],
)
def test_a_database_that_is_not_as_it_was_is_not_used_again(
    lent: tuple[Databases, ClickHouseConfig], change: str
) -> None:
    databases, config = lent
    query(config, change)
    databases.give_back(config.database)
    sql = f"select count() from system.databases where name = '{config.database}'"
    assert query(config.with_database("default"), sql) == [(0,)]

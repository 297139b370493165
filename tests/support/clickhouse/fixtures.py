"""Fixtures for whatever talks to ClickHouse: one server per run, one clean database per test.

`clickhouse` is a database as `migrate` leaves it; `empty_clickhouse` is one that nobody migrated.

TEST_CLICKHOUSE_HOST names a server to use instead, with _PORT, _HTTP_PORT, _USER, _PASSWORD,
_SECURE (default: 0) and _CLUSTER (one of its system.clusters, on which everything is then made).
A test that stops its server always starts one of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from tests.support.clickhouse.databases import TAGS, Databases, Template
from tests.support.clickhouse.server import Server


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseConfig]:
    """A running server, and its database `default`."""
    if host := os.environ.get("TEST_CLICKHOUSE_HOST"):
        yield _named_server(host)
        return
    with Server(tmp_path_factory.mktemp("clickhouse") / "server") as server:
        yield server.config()


@pytest.fixture(scope="session")
def clickhouse_template(clickhouse_server: ClickHouseConfig) -> Iterator[Template]:
    """What databases are restored from."""
    name = f"template_{secrets.token_hex(6)}"
    if clickhouse_server.cluster:
        with ClickHouseManager(clickhouse_server) as manager:
            yield Template(manager, "")
        return
    migrate(clickhouse_server.with_database(name), TAGS)
    with ClickHouseManager(clickhouse_server) as manager:
        manager.execute(f"backup database {name} to Memory('{name}')")
        manager.execute(f"drop database {name} sync")
        yield Template(manager, name)


@pytest.fixture(scope="session")
def clickhouse_databases(clickhouse_template: Template) -> Databases:
    """Where `clickhouse` takes a database from."""
    return Databases(clickhouse_template)


@pytest.fixture
def clickhouse(
    clickhouse_server: ClickHouseConfig, clickhouse_databases: Databases
) -> Iterator[ClickHouseConfig]:
    """The running server with a migrated database that no other test sees, without a row."""
    name = clickhouse_databases.take()
    yield clickhouse_server.with_database(name)
    clickhouse_databases.give_back(name)


@pytest.fixture
def empty_clickhouse(clickhouse_server: ClickHouseConfig) -> Iterator[ClickHouseConfig]:
    """The running server with a database of this test alone in which there is no table."""
    with _a_database(clickhouse_server) as config, ClickHouseManager(clickhouse_server) as manager:
        manager.execute(f"create database {config.database}")
        yield config


@contextmanager
def _a_database(server: ClickHouseConfig) -> Iterator[ClickHouseConfig]:
    """The name of a new database, which is dropped afterwards."""
    config = server.with_database(f"test_{secrets.token_hex(6)}")
    yield config
    with ClickHouseManager(server) as manager:
        manager.execute(f"drop database if exists {config.database} sync")


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("own") / "server") as server:
        yield server


@pytest.fixture
def own_server(module_server: Server) -> Server:
    """A server that the test may stop, kill and start; it runs when the test begins."""
    if not module_server.is_running:
        module_server.start()
    return module_server


def _named_server(host: str) -> ClickHouseConfig:
    def given(name: str, default: str) -> str:
        return os.environ.get(f"TEST_CLICKHOUSE_{name}") or default

    secure = given("SECURE", "0") == "1"
    return ClickHouseConfig(
        host=host,
        port=int(given("PORT", "9440" if secure else "9000")),
        http_port=int(given("HTTP_PORT", "8443" if secure else "8123")),
        database="default",
        user=given("USER", "default"),
        password=given("PASSWORD", ""),
        secure=secure,
        cluster=given("CLUSTER", ""),
    )

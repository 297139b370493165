"""Fixtures for whatever talks to ClickHouse: one server per run, one fresh database per test.

`clickhouse` is a database as `migrate` leaves it; `empty_clickhouse` is one that nobody migrated.

TEST_CLICKHOUSE_HOST names a server to use instead, with _PORT, _HTTP_PORT, _USER, _PASSWORD and
_SECURE (default: 0). A test that stops its server always starts one of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from pipelines.clickhouse.schema.migrate import migrate, version
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.quoting import quoted
from tests.support.clickhouse.server import Server

#: As the project's configuration says, of which every test has a copy.
TAGS = ("Environment", "Team", "Application")


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseConfig]:
    """A running server, and its database `default`."""
    if host := os.environ.get("TEST_CLICKHOUSE_HOST"):
        yield _named_server(host)
        return
    with Server(tmp_path_factory.mktemp("clickhouse") / "server") as server:
        yield server.config()


@dataclass(frozen=True)
class Template:
    """A migrated database, which takes half as long to restore as to migrate.

    It is a backup in the server's memory, which lasts as long as the connection that made it.
    """

    manager: ClickHouseManager
    database: str

    def restore(self, database: str) -> None:
        """Create a database that a load finds migrated."""
        sql = f"restore database {self.database} as {database} from Memory('{self.database}')"
        self.manager.execute(sql)
        mark = quoted(version(database, TAGS))
        self.manager.execute(f"alter table {database}._schema_version modify comment {mark}")


@pytest.fixture(scope="session")
def clickhouse_template(clickhouse_server: ClickHouseConfig) -> Iterator[Template]:
    """What `clickhouse` is restored from."""
    name = f"template_{secrets.token_hex(6)}"
    migrate(clickhouse_server.with_database(name), TAGS)
    with ClickHouseManager(clickhouse_server) as manager:
        manager.execute(f"backup database {name} to Memory('{name}')")
        manager.execute(f"drop database {name} sync")
        yield Template(manager, name)


@pytest.fixture
def clickhouse(
    clickhouse_server: ClickHouseConfig, clickhouse_template: Template
) -> Iterator[ClickHouseConfig]:
    """The running server with a migrated database of this test alone, removed afterwards."""
    with _a_database(clickhouse_server) as config:
        clickhouse_template.restore(config.database)
        yield config


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
    )

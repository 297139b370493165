"""Fixtures for whatever talks to ClickHouse: one server per run, one fresh database per test.

TEST_CLICKHOUSE_HOST names a server to use instead, with _PORT, _HTTP_PORT, _USER, _PASSWORD and
_SECURE (default: 0). A test that stops its server always starts one of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from tests.support.clickhouse.server import Server


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseConfig]:
    """A running server, and its database `default`."""
    if host := os.environ.get("TEST_CLICKHOUSE_HOST"):
        yield _named_server(host)
        return
    with Server(tmp_path_factory.mktemp("clickhouse") / "server") as server:
        yield server.config()


@pytest.fixture
def clickhouse(clickhouse_server: ClickHouseConfig) -> Iterator[ClickHouseConfig]:
    """The running server with an empty database of this test alone, removed afterwards."""
    database = f"test_{secrets.token_hex(6)}"
    with ClickHouseManager(clickhouse_server) as manager:
        manager.execute(f"create database {database}")
    yield clickhouse_server.with_database(database)
    with ClickHouseManager(clickhouse_server) as manager:
        manager.execute(f"drop database if exists {database} sync")


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

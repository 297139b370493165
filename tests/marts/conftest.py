"""The engine that computes the marts of a test."""

from __future__ import annotations

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig


@pytest.fixture(params=["filesystem", "clickhouse"])
def config(request: pytest.FixtureRequest) -> ClickHouseConfig | None:
    """A server, or None for DuckDB."""
    if request.param == "filesystem":
        return None
    found: ClickHouseConfig = request.getfixturevalue("clickhouse_server")
    return found

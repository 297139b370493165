"""The demo's AWS bills on both destinations, loaded once, for tests that only read them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from scripts.sandbox.aws import months
from tests.support.published_clickhouse import environ

TAGS = ("Environment", "Team", "Application")
BUDGETS = "from_month:date,amount_usd:number\n2026-08,31000\n2026-10,26500.5\n"


@dataclass(frozen=True)
class Estate:
    """Parquet in `data`, the same in the database of `clickhouse`; 2026-09 was restated."""

    folder: Path
    clickhouse: ClickHouseConfig

    @property
    def data(self) -> Path:
        """The filesystem destination."""
        return self.folder / "data"

    @property
    def environ(self) -> dict[str, str]:
        """What a person would have configured."""
        return environ(self.clickhouse, self.folder / "bucket") | {
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(self.data),
            "DLT_DATA_DIR": str(self.folder / "dlt"),
            "DLT_PROJECT_DIR": str(self.folder / "project"),
            "NORMALIZE__TAG_COLUMNS": '["Environment", "Team", "Application"]',
            "NORMALIZE__BUDGETS": str(self.folder / "budgets.csv"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }


@pytest.fixture(scope="session")
def estate(
    tmp_path_factory: pytest.TempPathFactory, clickhouse_server: ClickHouseConfig
) -> Iterator[Estate]:
    """Both destinations with 2026-09 and 2026-10, as two loads left them."""
    folder = tmp_path_factory.mktemp("estate")
    config = clickhouse_server.with_database(f"estate_{secrets.token_hex(6)}")
    made = Estate(folder, config)
    (folder / "project" / ".dlt").mkdir(parents=True)
    (folder / "budgets.csv").write_text(BUDGETS, encoding="utf-8")
    months.build(folder / "bucket", since="2026-09")
    load = "load --from 2026-09 --destination"
    with configured(made.environ):
        run(f"{load} filesystem", "normalize --no-marts", f"{load} clickhouse --no-marts")
        months.build(folder / "bucket", restated=True)
        run(f"{load} filesystem", "normalize", f"{load} clickhouse")
    yield made
    with ClickHouseManager(clickhouse_server) as manager:
        manager.execute(f"drop database {config.database} sync")


@contextmanager
def configured(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables, in this process, for as long as it takes."""
    before = dict(os.environ)
    os.environ.update(variables)
    Container()[PluggableRunContext].reload(variables["DLT_PROJECT_DIR"])
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        if project := before.get("DLT_PROJECT_DIR"):
            Container()[PluggableRunContext].reload(project)


def run(*commands: str) -> None:
    """Commands that have to end well."""
    from pipelines.cli.main import main

    for command in commands:
        assert main(command.split()) == 0, command

"""What the commands do on ClickHouse. Imported only when they do: its clients take a while."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence

from pipelines.cli.output import tables
from pipelines.cli.output.console import out, progress, say
from pipelines.clickhouse.schema import compare
from pipelines.clickhouse.schema import migrate as migrations
from pipelines.clickhouse.server.config import (
    NOT_CONFIGURED,
    ClickHouseConfig,
    ClickHouseConfigError,
    is_configured,
)
from pipelines.clickhouse.server.http_client import connect
from pipelines.core.partition import Busy, ConfigurationError
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.marts import checks, stored
from pipelines.normalize.run import tag_columns

log = logging.getLogger(__name__)


def configured(environ: Mapping[str, str]) -> ClickHouseConfig:
    """The configured server. Raises ConfigurationError, with two lines when none is configured."""
    if not is_configured(environ):
        raise ConfigurationError(NOT_CONFIGURED)
    try:
        return ClickHouseConfig.from_env(environ)
    except ClickHouseConfigError as error:
        raise ConfigurationError(str(error)) from error


def warehouse(environ: Mapping[str, str], *, migrated: bool = False) -> Warehouse:
    """The configured database; `migrated` brings it to what sql/ says first."""
    config = configured(environ)
    keys = tag_columns()
    if migrated and not migrations.is_current(config, keys):
        try:
            with progress() as watcher:
                migrations.migrate(config, keys, log.info, progress=watcher)
        except Busy as error:  # a source whose tables are not ready yet refuses its partitions
            log.warning("%s Meanwhile sources are loaded whose tables are ready.", error)
    return Warehouse(config)


def compute_marts(environ: Mapping[str, str]) -> None:
    """Bring the stored marts up to date, as a run does that changes what is published."""
    stored.compute(configured(environ), tag_columns())


def run_checks(config: ClickHouseConfig, names: Sequence[str]) -> list[checks.Result]:
    """These of sql/checks over the tables."""
    with connect(config) as client:
        return checks.run(checks.ClickHouseConnection(client, config), names)


def migrate(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """`migrate`, with `--validate` and `--align` a comparison instead."""
    config = configured(environ)
    if options.align:
        local = ClickHouseConfig.from_env(_without_server(environ) | {"CLICKHOUSE_MODE": "local"})
        title = f"{_place(local)} and {_place(config)}"
        return _tell(title, compare.align(local, config, tag_columns()))
    if options.validate:
        title = f"sql/ and {_place(config)}"
        return _tell(title, compare.validate(config, tag_columns()))
    with progress() as watcher:
        migrations.migrate(config, tag_columns(), say, progress=watcher)
    if options.marts:
        stored.compute(config, tag_columns())
    say(f"{_place(config)} matches sql/")
    return 0


def _place(config: ClickHouseConfig) -> str:
    return f"{config.database} on {config.host}:{config.port}"


def _tell(title: str, found: Sequence[compare.Difference]) -> int:
    if found:
        rows = [(each.where, each.expected, each.found) for each in found]
        out.print(tables.table(f"{title} differ", ("where", "first", "second"), rows))
    say(f"{title}: {len(found)} differences")
    return 1 if found else 0


def _without_server(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without any word on ClickHouse: what `make clickhouse-up` started is left."""
    ours = ("CLICKHOUSE_", "DESTINATION__CLICKHOUSE__")
    return {name: value for name, value in environ.items() if not name.startswith(ours)}

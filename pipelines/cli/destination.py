"""Which destination a command works on: `--destination`, else DLT_DESTINATION."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.cli.options import DESTINATIONS
from pipelines.core.partition import ConfigurationError

if TYPE_CHECKING:
    from pipelines.destinations.clickhouse.warehouse import Warehouse
    from pipelines.destinations.filesystem.store import Store


def destination_name(options: argparse.Namespace, environ: Mapping[str, str]) -> str:
    """`--destination`, else DLT_DESTINATION, else the filesystem. Raises ConfigurationError."""
    name = options.destination or environ.get("DLT_DESTINATION") or "filesystem"
    if name not in DESTINATIONS:
        raise ConfigurationError(
            f"DLT_DESTINATION is {name!r}. Set it to one of: {', '.join(DESTINATIONS)}."
        )
    return str(name)


def open_destination(
    options: argparse.Namespace, environ: Mapping[str, str], *, migrated: bool = False
) -> Store | Warehouse:
    """The configured destination; `migrated` first brings ClickHouse to what sql/ says."""
    if destination_name(options, environ) == "filesystem":
        from pipelines.destinations.filesystem import destination

        return destination.configured_store()
    from pipelines.cli import clickhouse  # its clients take a while to import

    return clickhouse.warehouse(environ, migrated=migrated)

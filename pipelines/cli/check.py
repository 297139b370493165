"""`check`: sql/checks over what is published."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from pipelines.cli.destination import open_destination
from pipelines.cli.output import tables
from pipelines.cli.output.console import out, say
from pipelines.destinations.filesystem.store import Store
from pipelines.marts import checks

_PUBLISHED = "select count(*) from published_partitions"


def check(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the rows that offend; 1 when there are any."""
    destination = open_destination(options, environ)
    names = checks.list_checks(options.without)
    if isinstance(destination, Store):
        from pipelines.marts.catalogue import local_connection

        connection = local_connection(destination)
        results = checks.run(connection, names)
        ((published,),) = connection.query(_PUBLISHED)[1]
    else:
        from pipelines.cli import clickhouse

        results = clickhouse.run_checks(destination.config, names)
        ((published,),) = destination.manager.execute(_PUBLISHED)
    for result in results:
        if result.rows:
            out.print(tables.table(f"{result.name}: {result.meaning}", result.columns, result.rows))
    if not published:
        say("nothing is published yet: `make run-etl` loads what is configured")
    bad = [result.name for result in results if result.rows]
    say(f"{len(results)} checks, {len(bad)} failed" + (f": {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0

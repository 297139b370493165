"""`anonymize`: the copy, and the report of what was done with every column."""

from __future__ import annotations

import argparse

import dlt

from pipelines.anonymize.copy import copy
from pipelines.anonymize.values import Secrets
from pipelines.cli.output import tables
from pipelines.cli.output.console import out, say
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.store import Store
from pipelines.normalize.run import tag_columns


def run(options: argparse.Namespace, source: Store | Warehouse) -> int:
    """Make the copy and tell; a missing key is dlt's own error, which names its places."""
    key = str(dlt.secrets["anonymize.key"])
    copied = copy(source, options.to, Secrets(key, options.shift_years, tag_columns()))
    lines = [line for each in copied for line in each.lines()]
    out.print(tables.table("What was done", ("table", "column", "in the copy"), lines))
    for each in copied:
        say(f"{each.table}: {each.rows:,} rows copied")
    say(f"{options.to} contains none of your ids, names, tag values or descriptions.")
    return 0

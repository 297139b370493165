"""The commands. `python -m pipelines --help` says what there is.

The one place that reads os.environ or turns an error into an exit status:
0 done, 1 something failed (each failure named), 2 wrong usage or configuration, 130 Ctrl-C.
A command's imports are in its function: `--help` waits for none of them, `status` not for pandas.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from pipelines import __version__
from pipelines.cli import options as flags
from pipelines.cli.options import Commands, build_parser
from pipelines.cli.output.stopping import STOPPED


def parser() -> argparse.ArgumentParser:
    """Every command and option; the tests hold the documentation against it."""
    return build_parser(COMMANDS, __doc__.split("\n")[0], f"pipelines {__version__}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = parser().parse_args(arguments)
    try:
        from pipelines.cli.output import console
        from pipelines.clickhouse.server.settings import label_process

        label_process(command=options.command)
        console.set_up_logging(options.debug, os.environ.get("LOG_FORMAT", ""))
        status: int = options.function(options)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return 128 + signal.SIGINT  # as a shell has it
    except Exception as error:  # noqa: BLE001 (the last resort: console tells each kind apart)
        return console.fail_unhandled(error, options.debug)
    return status


def _load(options: argparse.Namespace) -> int:
    from pipelines.cli.load import load

    return load(options, os.environ)


def _ingest(options: argparse.Namespace) -> int:
    from pipelines.cli.load import ingest

    return ingest(options, os.environ)


def _normalize(options: argparse.Namespace) -> int:
    from pipelines.cli.normalize import normalize

    return normalize(options)


def _prune(options: argparse.Namespace) -> int:
    from pipelines.cli import retention

    return retention.run(options, os.environ)


def _anonymize(options: argparse.Namespace) -> int:
    from pipelines.cli import anonymize
    from pipelines.cli.destination import open_destination

    return anonymize.run(options, open_destination(options, os.environ))


def _focus(options: argparse.Namespace) -> int:
    from pipelines.cli import focus
    from pipelines.cli.destination import open_destination

    return focus.run(options, open_destination(options, os.environ))


def _check(options: argparse.Namespace) -> int:
    from pipelines.cli.check import check

    return check(options, os.environ)


def _alert(options: argparse.Namespace) -> int:
    from pipelines.cli.alert import alert

    return alert(options, os.environ)


def _status(options: argparse.Namespace) -> int:
    from pipelines.cli.status import show_status

    return show_status(options, os.environ)


def _doctor(options: argparse.Namespace) -> int:
    from pipelines.cli.destination import destination_name
    from pipelines.cli.output.console import tell
    from pipelines.core import registry
    from pipelines.doctor import examine

    destination = destination_name(options, os.environ)
    source_names = registry.source_names(options.sources)
    return tell(examine.examine(source_names, destination, os.environ))


def _migrate(options: argparse.Namespace) -> int:
    from pipelines.cli import clickhouse

    return clickhouse.migrate(options, os.environ)


def _collect(options: argparse.Namespace) -> int:
    from pipelines.cli.live import commands  # Kafka's client loads a C library

    return commands.collect(options, os.environ)


def _sink(options: argparse.Namespace) -> int:
    from pipelines.cli.live import commands

    return commands.sink(options, os.environ)


COMMANDS: Commands = {
    "load": (
        _load,
        "Load every changed partition.",
        (
            flags.add_sources,
            flags.add_selection,
            flags.add_accept_shrunk,
            flags.add_no_marts,
            flags.add_destination,
        ),
    ),
    "normalize": (
        _normalize,
        "Normalise every partition with changed raw data, and compute the marts (filesystem).",
        (flags.add_sources, flags.add_selection, flags.add_no_marts),
    ),
    "ingest": (
        _ingest,
        "Load the normalised parquet files into ClickHouse instead of raw.",
        (flags.add_sources, flags.add_selection, flags.add_no_marts),
    ),
    "migrate": (
        _migrate,
        "Create and update the tables in ClickHouse from sql/; safe to repeat.",
        (flags.add_comparison, flags.add_no_marts),
    ),
    "check": (
        _check,
        "Run sql/checks; print the offending rows.",
        (flags.add_destination, flags.add_without),
    ),
    "alert": (
        _alert,
        "Tell people once of unusual cost, budgets, late sources, failed checks, restatements.",
        (flags.add_alert, flags.add_destination),
    ),
    "status": (
        _status,
        "Show what is published and how old it is.",
        (flags.add_sources, flags.add_destination, flags.add_status),
    ),
    "prune": (
        _prune,
        "Remove partitions older than N months. Lists them only, unless --yes is given.",
        (flags.add_sources, flags.add_keep, flags.add_destination),
    ),
    "collect": (
        _collect,
        "Read live trades from a websocket and write them to Kafka, until stopped.",
        (flags.add_stream,),
    ),
    "sink": (
        _sink,
        "Write live trades from Kafka into ClickHouse, each exactly once, until stopped.",
        (flags.add_stream, flags.add_until_idle),
    ),
    "anonymize": (
        _anonymize,
        "Make a public copy of the published tables: pseudonyms, scaled amounts.",
        (flags.add_copy, flags.add_destination),
    ),
    "focus": (
        _focus,
        "Write the cost lines as a FOCUS dataset: parquet by billing period, only what changed.",
        (flags.add_dataset, flags.add_destination),
    ),
    "doctor": (
        _doctor,
        "Check configuration and connections, and name each fix.",
        (flags.add_sources, flags.add_destination),
    ),
}

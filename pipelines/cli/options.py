"""The commands' options, and what they mean."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping

from pipelines.core.partition import ConfigurationError, Selection

_PARTITION = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(@[\w.-]+|-\d{2}(\.\w+)?)?)?")
# 2026-01@payers.eu, 2026-01-31.BTC
DESTINATIONS = ("filesystem", "clickhouse")
FOCUS_VERSIONS = ("1.2", "1.3")

Option = Callable[[argparse.ArgumentParser], None]
Commands = Mapping[str, tuple[Callable[[argparse.Namespace], int], str, tuple[Option, ...]]]
"""By name: what runs it, its help, its options."""


def build_parser(commands: Commands, description: str, version: str) -> argparse.ArgumentParser:
    """The parser of every command and option."""
    made = argparse.ArgumentParser(prog="python -m pipelines", description=description)
    made.add_argument("--version", action="version", version=version)
    subparsers = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (function, help_text, options) in commands.items():
        command = subparsers.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(function=function)
        for option in options:
            option(command)
        command.add_argument("--debug", action="store_true", help="show tracebacks, and dlt's log")
    return made


def add_sources(command: argparse.ArgumentParser) -> None:
    """The sources that a command is about."""
    command.add_argument(
        "sources", nargs="*", metavar="SOURCE", help="aws, gcp, …; default: all that are configured"
    )


def add_selection(command: argparse.ArgumentParser) -> None:
    """The partitions that it is about."""
    command.add_argument(
        "--from", dest="first", metavar="PARTITION", help="first partition, such as 2026-01"
    )
    command.add_argument("--to", dest="last", metavar="PARTITION", help="last partition, inclusive")
    command.add_argument("--force", action="store_true", help="process unchanged partitions, too")
    command.add_argument("--dry-run", action="store_true", help="only show what would be done")


def add_accept_shrunk(command: argparse.ArgumentParser) -> None:
    """Whether fewer rows may replace more."""
    command.add_argument(
        "--accept-shrunk",
        action="store_true",
        help="publish partitions that became empty or lost many rows, too",
    )


def add_no_marts(command: argparse.ArgumentParser) -> None:
    """Whether the marts are computed as well."""
    command.add_argument(
        "--no-marts",
        dest="marts",
        action="store_false",
        help="leave the computed marts to the next run, when more sources follow",
    )


def add_keep(command: argparse.ArgumentParser) -> None:
    """Add `--keep` and `--yes` for prune."""
    command.add_argument(
        "--keep",
        nargs="+",
        required=True,
        metavar="MONTHS",
        help="13 or 13 months: this month and the 12 before it",
    )
    command.add_argument(
        "--yes", action="store_true", help="remove them; without it they are only listed"
    )


def add_copy(command: argparse.ArgumentParser) -> None:
    """Add `--to` and `--shift-years` for anonymize."""
    command.add_argument(
        "--to",
        required=True,
        metavar="DIR|DATABASE",
        help="a folder (filesystem) or another database (clickhouse); never the source",
    )
    command.add_argument(
        "--shift-years",
        type=int,
        default=0,
        metavar="YEARS",
        help="a multiple of 4, may be negative",
    )


def add_dataset(command: argparse.ArgumentParser) -> None:
    """Add `--to`, `--version` and `--check` for focus."""
    command.add_argument(
        "--to", required=True, metavar="DIR", help="a folder of its own for the dataset"
    )
    command.add_argument(
        "--version",
        choices=FOCUS_VERSIONS,
        default=FOCUS_VERSIONS[0],
        help=f"of the specification; default: {FOCUS_VERSIONS[0]}",
    )
    command.add_argument(
        "--check", action="store_true", help="hold the dataset to pipelines/focus/rules.csv"
    )


def add_comparison(command: argparse.ArgumentParser) -> None:
    """Add `--validate` and `--align`, which compare instead of migrating."""
    either = command.add_mutually_exclusive_group()
    either.add_argument(
        "--validate",
        action="store_true",
        help="compare the live server with sql/ and change nothing",
    )
    either.add_argument(
        "--align",
        action="store_true",
        help="compare the local server (make clickhouse-up) with the configured one",
    )


def add_stream(command: argparse.ArgumentParser) -> None:
    """The source whose stream it is."""
    command.add_argument("source", metavar="SOURCE", help="a source with a stream: deribit")


def add_until_idle(command: argparse.ArgumentParser) -> None:
    """Add `--until-idle`, which ends a sink that has caught up."""
    command.add_argument(
        "--until-idle",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="end when no record came for so long; default: never",
    )


def add_without(command: argparse.ArgumentParser) -> None:
    """Add `--without`, which leaves out checks."""
    command.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="CHECK",
        help="leave out a check, such as freshness; can be repeated",
    )


def add_alert(command: argparse.ArgumentParser) -> None:
    """Add `--dry-run` and `--failed` for alert."""
    command.add_argument("--dry-run", action="store_true", help="only show what would be told")
    command.add_argument(
        "--failed",
        nargs="+",
        default=[],
        metavar="STEP",
        help="steps of a nightly run that failed, to be told as well",
    )


def add_destination(command: argparse.ArgumentParser) -> None:
    """Add `--destination`, which overrides DLT_DESTINATION."""
    command.add_argument(
        "--destination", choices=DESTINATIONS, help="default: DLT_DESTINATION, else filesystem"
    )


def add_status(command: argparse.ArgumentParser) -> None:
    """For whom it is, and what it is of."""
    command.add_argument(
        "--all", action="store_true", help="every partition instead of the newest ones"
    )
    command.add_argument(
        "--json", action="store_true", help="one JSON object per partition and line, for machines"
    )
    command.add_argument(
        "--cost",
        action="store_true",
        help="what the loads of the last 7 days took on ClickHouse, by source, partition and step",
    )


def read_selection(options: argparse.Namespace) -> Selection:
    """The selection by the options. Raises ConfigurationError for an invalid partition."""
    for value in (options.first, options.last):
        if value is not None and not _PARTITION.fullmatch(value):
            raise ConfigurationError(
                f"{value!r} is not a valid partition. Use 2026-01 for a month, 2026-01-31 for a "
                "day."
            )
    if options.first and options.last and options.first > options.last:
        raise ConfigurationError(f"--from {options.first} is after --to {options.last}.")
    accept = getattr(options, "accept_shrunk", False)  # an option of load alone
    return Selection(options.first, options.last, options.force, accept)

"""The commands. `python -m pipelines --help` says what there is.

The only place that prints, reads os.environ or turns an error into an exit status:
0 done, 1 something failed (each failure named), 2 wrong usage or configuration.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
)
from rich.console import Console

from pipelines import checks, doctor, report, status
from pipelines import load as loading
from pipelines.clickhouse import migrate as migrations
from pipelines.clickhouse.config import (
    NOT_CONFIGURED,
    ClickHouseConfig,
    ClickHouseConfigError,
    is_configured,
)
from pipelines.destinations import filesystem
from pipelines.destinations.store import Store
from pipelines.destinations.warehouse import Warehouse
from pipelines.normalize import run as normalizing
from pipelines.partitions import ConfigurationError, Progress, Selection, UserError

log = logging.getLogger("pipelines")
out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
err = Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

DESTINATIONS = ("filesystem", "clickhouse")


def parser() -> argparse.ArgumentParser:
    """Every command and option; the tests hold the documentation against it."""
    made = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__.split("\n")[0])
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (function, help_text, options) in COMMANDS.items():
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(function=function)
        for option in options:
            option(command)
        command.add_argument("--debug", action="store_true", help="show tracebacks and dlt's log")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = parser().parse_args(arguments)
    _set_up_logging(options.debug)
    try:
        status_code: int = options.function(options)
    except (ConfigurationError, ConfigurationException) as error:
        return _fail(error, 2, options.debug)
    except UserError as error:
        return _fail(error, 1, options.debug)
    except KeyboardInterrupt:
        return _fail(UserError("Stopped. What was published stays; run again."), 1, False)
    except Exception as error:
        if options.debug:
            raise
        text = f"{type(error).__name__}: {error}"
        return _fail(
            UserError(f"Unexpected: {text}\nRun again with --debug to see where."), 1, False
        )
    return status_code


def _load(options: argparse.Namespace) -> int:
    words, selection = loading.words(options.words), _selection(options)
    destination = _destination_of(options)
    if options.dry_run:
        return _show_plans(words, destination, selection)
    if isinstance(destination, Warehouse):
        _migrate_if_needed(destination.config)
    failed = 0
    for word in words:
        with _progress() as progress:
            outcome = loading.load(word, destination, selection, progress)
        left = len(outcome.planned) - len(outcome.loaded) - len(outcome.failed)
        _say(
            f"{word}: {len(outcome.loaded)} loaded, {left} unchanged, {len(outcome.failed)} failed"
        )
        failed += len(outcome.failed)
    return 1 if failed else 0


def _show_plans(
    words: Sequence[str], destination: loading.Destination, selection: Selection
) -> int:
    for word in words:
        planned = loading.plan(word, destination, selection, loading.SOURCES[word].connect())
        rows = [
            (
                p.partition.key,
                p.reason,
                p.partition.files,
                loading.size(p.partition.bytes),
                p.partition.delivered_at,
            )
            for p in planned
        ]
        columns = ("partition", "would load", "files", "size", "delivered at (UTC)")
        out.print(report.table(f"{word}: nothing is changed", columns, rows, ("files", "size")))
    return 0


def _normalize(options: argparse.Namespace) -> int:
    store = filesystem.configured_store()
    failed = 0
    for word in loading.words(options.words):
        place = loading.SOURCES[word].place
        with store.locked(word), _progress() as progress:
            outcome = normalizing.normalize(
                place, store, _selection(options), progress, options.dry_run
            )
        if options.dry_run:
            _say(f"{word}: would normalise {', '.join(outcome.stale) or 'nothing'}")
            continue
        _say(f"{word}: {len(outcome.normalized)} normalised, {len(outcome.failed)} failed")
        failed += len(outcome.failed)
    return 1 if failed else 0


def _check(options: argparse.Namespace) -> int:
    results = checks.run(checks.local_connection(filesystem.configured_store()))
    for result in results:
        if result.rows:
            out.print(report.table(f"{result.name}: {result.meaning}", result.columns, result.rows))
    bad = [result.name for result in results if result.rows]
    _say(f"{len(results)} checks, {len(bad)} failed" + (f": {', '.join(bad)}" if bad else ""))
    return 1 if bad else 0


def _status(options: argparse.Namespace) -> int:
    store = filesystem.configured_store()
    for word in loading.words(options.words):
        rows = status.rows(loading.SOURCES[word].place, store)
        out.print(report.table(word, status.COLUMNS, [r.cells() for r in rows], status.RIGHT))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    findings = doctor.examine(loading.words(options.words))
    for finding in findings:
        mark = "[green]ok  [/]" if finding.good else "[red]BAD [/]"
        out.print(f"{mark} {finding.subject}: ", end="")
        out.print(finding.detail, markup=False)
        if finding.fix:
            out.print(f"     fix: {finding.fix}", markup=False)
    return 0 if all(finding.good for finding in findings) else 1


def _destination_of(options: argparse.Namespace) -> Store | Warehouse:
    """`--destination`, else DLT_DESTINATION, else the filesystem."""
    name = options.destination or os.environ.get("DLT_DESTINATION") or "filesystem"
    if name == "filesystem":
        return filesystem.configured_store()
    if name == "clickhouse":
        return Warehouse(_clickhouse())
    raise ConfigurationError(
        f"DLT_DESTINATION is {name!r}. Set it to one of: {', '.join(DESTINATIONS)}."
    )


def _clickhouse() -> ClickHouseConfig:
    if not is_configured(os.environ):
        raise ConfigurationError(NOT_CONFIGURED)
    try:
        return ClickHouseConfig.from_env(os.environ)
    except ClickHouseConfigError as error:
        raise ConfigurationError(str(error)) from error


def _migrate_if_needed(config: ClickHouseConfig) -> None:
    keys = normalizing.tag_columns()
    if not migrations.is_current(config, keys):
        migrations.migrate(config, keys, log.info)


def _migrate(options: argparse.Namespace) -> int:
    config = _clickhouse()
    migrations.migrate(config, normalizing.tag_columns(), _say)
    _say(f"{config.database} on {config.host}:{config.port} is as sql/ says")
    return 0


def _words(command: argparse.ArgumentParser) -> None:
    command.add_argument("words", nargs="*", metavar="WORD", help="aws, …; all when none is given")


def _selecting(command: argparse.ArgumentParser) -> None:
    command.add_argument("--from", dest="first", metavar="PARTITION", help="first, as 2026-01")
    command.add_argument("--to", dest="last", metavar="PARTITION", help="last, inclusive")
    command.add_argument("--force", action="store_true", help="also what has not changed")
    command.add_argument("--dry-run", action="store_true", help="say what would be done")


def _destination(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--destination", choices=DESTINATIONS, help="default: DLT_DESTINATION, else filesystem"
    )


Option = Callable[[argparse.ArgumentParser], None]
COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str, tuple[Option, ...]]] = {
    "load": (_load, "Load every changed partition.", (_words, _selecting, _destination)),
    "normalize": (
        _normalize,
        "Normalise every partition whose raw changed (filesystem).",
        (_words, _selecting),
    ),
    "migrate": (_migrate, "ClickHouse: every statement of sql/, safe to repeat.", ()),
    "check": (_check, "Run sql/checks; print the offending rows.", (_destination,)),
    "status": (_status, "What is published, and how old it is.", (_words, _destination)),
    "doctor": (_doctor, "Configuration and connections, with fixes.", (_words, _destination)),
}


def _selection(options: argparse.Namespace) -> Selection:
    for value in (options.first, options.last):
        if value is not None and not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", value):
            raise ConfigurationError(f"{value!r} is no partition. Write a month as 2026-01.")
    return Selection(options.first, options.last, options.force)


def _progress() -> nullcontext[Progress] | report.BarProgress:
    return report.BarProgress(err) if err.is_terminal else nullcontext(report.LogProgress())


def _say(line: str) -> None:
    out.print(line, markup=False)


def _fail(error: Exception, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    text = _missing(error) if isinstance(error, ConfigFieldMissingException) else str(error).strip()
    err.print(f"error: {text}", markup=False)
    return code


def _missing(error: ConfigFieldMissingException) -> str:
    """dlt's list of the places that it looked in, without what it says about itself."""
    places = re.findall(r"^ *\((.+), (\S+)\)$", str(error), re.MULTILINE)
    first = dict(reversed(places))
    where = " or ".join(f"{key} ({provider})" for provider, key in first.items())
    return f"Missing configuration: {', '.join(error.fields)}. Set {where}."


def _set_up_logging(debug: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    ours = logging.getLogger("pipelines")
    ours.handlers[:] = [handler]
    ours.setLevel(logging.DEBUG if debug else logging.INFO)
    ours.propagate = False
    if debug:
        os.environ["RUNTIME__LOG_LEVEL"] = "INFO"
    else:
        logging.getLogger("dlt").addFilter(_told_otherwise)


def _told_otherwise(record: logging.LogRecord) -> bool:
    """dlt logs each failed job with its traceback; the command names the failure itself."""
    return not (record.exc_info or record.module == "load" or "Traceback" in record.getMessage())


if __name__ == "__main__":
    sys.exit(main())

"""`make serve` and `make serve-clickhouse`: the dashboards in Rill, once it has validated them.

    python -m scripts.serve [--environment dev|prod] [--validate] [-- options of `rill start`]

dev reads the parquet files of `[destination.filesystem]`, prod the configured ClickHouse. What Rill
has to know of it goes into viz_rill/.prod.env, readable by its owner alone, and is removed when
Rill ends: a password on a command line would be everybody's to read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dlt.common.configuration.exceptions import ConfigurationException

from pipelines.core.partition import ConfigurationError, UserError
from scripts.docs import rill_columns

ROOT = Path(__file__).resolve().parent.parent

PROJECT = ROOT / "viz_rill"
ENV_FILE = PROJECT / ".prod.env"
NO_RILL = """Rill is not installed: no program `rill` is on PATH. To install it (macOS, Linux, WSL):

    curl https://rill.sh | sh

Then run this again. Without it, `make report` writes the overview as one HTML page."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Rill's exit status; 1 when it is missing or finds an error, 2 for a wrong configuration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", choices=("dev", "prod"), default="dev")
    parser.add_argument("--validate", action="store_true", help="validate, and start nothing")
    parser.add_argument("rest", nargs="*", metavar="OPTION", help="options of `rill start`")
    options = parser.parse_args(arguments)
    rill = shutil.which("rill")
    if rill is None:
        print(f"error: {NO_RILL}", file=sys.stderr)
        return 1
    try:
        with environment(options.environment, os.environ) as given:
            rest = None if options.validate else options.rest
            return serve(rill, options.environment, given, rest)
    except (ConfigurationError, ConfigurationException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def serve(rill: str, name: str, given: Sequence[str], rest: Sequence[str] | None) -> int:
    """Validate, and start when that went well; the exit status of what ran last. Without options
    for the start, only validate."""
    common = [str(PROJECT), "--environment", name, "--pull-env=false", *given]
    status = subprocess.run([rill, "validate", *common], check=False).returncode
    if status:
        print("error: rill validate found the errors above; nothing was started.", file=sys.stderr)
        return 1
    if rest is None:
        return 0
    return subprocess.run([rill, "start", *common, *rest], check=False).returncode


@contextmanager
def environment(name: str, environ: Mapping[str, str]) -> Iterator[list[str]]:
    """What `rill` is told beside the environment's name, for as long as it runs.

    Raises ConfigurationError for a destination that Rill cannot read.
    """
    if name == "dev":
        yield parquet()
        return
    text = "".join(f"{key}={_quoted(value)}\n" for key, value in clickhouse(environ).items())
    ENV_FILE.unlink(missing_ok=True)
    with os.fdopen(os.open(ENV_FILE, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    try:
        yield []
    finally:
        ENV_FILE.unlink(missing_ok=True)


def parquet() -> list[str]:
    """Options for the folder that the filesystem destination writes into."""
    from pipelines.destinations.filesystem.destination import configured_store
    from pipelines.destinations.filesystem.store import LocalStore

    store = configured_store()
    if not isinstance(store, LocalStore):
        raise ConfigurationError(
            f"The parquet files are at {store.root}, and dev reads a folder. Serve them from "
            "ClickHouse (make serve-clickhouse), or copy them to viz_rill/data."
        )
    folder = Path(store.root).resolve()
    if folder.parent == PROJECT.resolve():
        return []  # the default, *, is every folder beside rill.yaml
    for path in rill_columns.EMPTY.rglob("*.parquet"):
        # a table that was never loaded is empty; a file without rows changes no other
        target = folder / path.relative_to(rill_columns.EMPTY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return ["--env", f"data={folder}"]


def clickhouse(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of rill.yaml for the configured server.

    Rill's own user and database are taken from RILL_USER, RILL_PASSWORD and RILL_DATABASE; without
    them the user is the loader's, as on a server of `make clickhouse-up`, and the database `rill`.
    """
    from pipelines.cli import clickhouse as commands_clickhouse

    config = commands_clickhouse.configured(environ)
    database = environ.get("RILL_DATABASE") or "rill"
    if database == config.database:
        raise ConfigurationError(
            f"RILL_DATABASE is {database}, which is where the data is. Rill replaces tables of the "
            "same name: give it a database of its own."
        )
    user = environ.get("RILL_USER")
    if not user:
        from pipelines.clickhouse.server.manager import ClickHouseManager

        with ClickHouseManager(config.with_database("default")) as manager:
            manager.execute(f"create database if not exists `{database}`")
    return {
        "clickhouse_host": config.host,
        "clickhouse_port": str(config.port),
        "clickhouse_ssl": "true" if config.secure else "false",
        "clickhouse_user": user or config.user,
        "clickhouse_password": environ.get("RILL_PASSWORD", "") if user else str(config.password),
        "source_database": config.database,
        "rill_database": database,
    }


def _quoted(value: str) -> str:
    """A value of a .env file, whatever its characters."""
    return "'" + value + "'" if "'" not in value else '"' + value.replace('"', '\\"') + '"'


if __name__ == "__main__":
    sys.exit(main())

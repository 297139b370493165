"""`focus`: the dataset as parquet, a file per billing period, each put in place in one step.

A file's footer holds what it was made of: the partitions, by version. A run writes the periods of
partitions that changed and leaves the other files untouched, so it may be killed anywhere and run
again. metadata.json comes last; it is made of the footers.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.clickhouse.focus import DUCKDB, cost_and_usage
from pipelines.core.digests import hex_digest
from pipelines.core.lock import held
from pipelines.core.partition import ConfigurationError, PartitionError
from pipelines.destinations.filesystem.store import LocalStore
from pipelines.focus.lines import PERIOD, Lines, Part
from pipelines.focus.metadata import FOOTER, METADATA, Written, write_metadata
from pipelines.focus.supporting import STAGING, moment, put, read_written, write_supporting
from pipelines.tables.focus_dataset.columns import COST_AND_USAGE, arrow_dataset

log = logging.getLogger(__name__)

_ROWS = 100_000
_LOCK = ".lock"


@dataclass(frozen=True)
class Exported:
    """What a run did: the periods of the dataset, those written and those removed."""

    periods: list[str]
    written: dict[str, int]
    removed: list[str]


def check_folder(to: str, destination: object, version: str) -> Path:
    """Where the dataset goes. Raises ConfigurationError for a place that it would harm."""
    if "://" in to:
        raise ConfigurationError(f"--to {to}: the dataset must be a folder on this machine.")
    folder = Path(to).resolve()
    if isinstance(destination, LocalStore):
        source = Path(destination.root).resolve()
        if source == folder or source in folder.parents or folder in source.parents:
            raise ConfigurationError(
                f"--to {to} and the data at {destination.root} overlap. Name a folder outside it."
            )
    mark = folder / METADATA
    if mark.is_file():
        have = json.loads(mark.read_text(encoding="utf-8")).get("FocusVersion")
        if have != version:
            raise ConfigurationError(
                f"--to {to} holds a dataset of FOCUS {have}. Name another folder for {version}."
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(
            f"--to {to} exists and is not a FOCUS dataset. Name another folder, or remove it "
            "yourself: nothing was changed."
        )
    return folder


def export(lines: Lines, folder: Path, version: str) -> Exported:
    """Bring the dataset in `folder` up to date. Raises Busy when another run does so."""
    if not folder.is_dir() or not any(folder.iterdir()):
        write_metadata(folder, version, {})  # from now on the folder is known to be a dataset
    with held(folder / _LOCK, f"the dataset in {folder}"):
        shutil.rmtree(folder / STAGING, ignore_errors=True)  # what a killed run left
        (folder / STAGING).mkdir(parents=True)
        done = _Export(lines, folder, version).run()
        shutil.rmtree(folder / STAGING)
        return done


class _Export:
    def __init__(self, lines: Lines, folder: Path, version: str) -> None:
        self.lines, self.folder, self.version = lines, folder, version
        self.select = cost_and_usage(version, DUCKDB)
        self.schema = arrow_dataset(COST_AND_USAGE, version)

    def run(self) -> Exported:
        """Write what changed, remove what is no longer published, then the metadata."""
        files = {path.stem: path for path in self._path("").parent.glob("*.parquet")}
        found = {period: read_written(path) for period, path in files.items()}
        wanted = self._wanted(found)
        rules = hex_digest([self.select, str(self.schema)])
        written = {}
        for period, parts in sorted(wanted.items()):
            have = found.get(period)
            if have is None or (have.parts, have.rules) != (_as_text(parts), rules):
                made = found[period] = self._write(period, parts, rules)
                written[period] = made.rows
        removed = sorted(found.keys() - wanted.keys())
        for period in removed:
            self._path(period).unlink()
            del found[period]
        complete = self._complete(wanted)
        write_supporting(self.folder, self.version, found, complete)
        write_metadata(self.folder, self.version, found, complete)
        return Exported(sorted(wanted), written, removed)

    def _wanted(self, have: Mapping[str, Written | None]) -> dict[str, dict[Part, str]]:
        """The periods of what is published, each with the partitions that it is made of.

        Of a partition that is in the files as it is now they say the periods themselves.
        """
        versions = self.lines.versions()
        if have and not versions:
            raise PartitionError(
                f"No cost lines are published, and {self.folder} holds {len(have)} billing periods."
                " They stay. Name the destination that they come from, or remove the folder"
            )
        known: dict[Part, list[str]] = {}
        for period, each in have.items():
            for part, version in versions.items():
                if each and each.parts.get("/".join(part)) == version:
                    known.setdefault(part, []).append(period)
        known |= self.lines.periods(versions.keys() - known.keys())
        wanted: dict[str, dict[Part, str]] = {}
        for part, periods in known.items():
            for period in periods:
                wanted.setdefault(period, {})[part] = versions[part]
        return wanted

    def _write(self, period: str, parts: Mapping[Part, str], rules: str) -> Written:
        """The file of a period, in batches; visible when it is whole."""
        target, rows = self.folder / STAGING / f"{uuid4().hex}.parquet", 0
        month = PERIOD.format('"BillingPeriodStart"')
        with self.lines.opened(parts) as connection:
            made = connection.duck.sql(
                f"select * from ({self.select}) as made where {month} = '{period}'"
            ).to_arrow_reader(_ROWS)
            with pq.ParquetWriter(target, self.schema, compression="zstd") as writer:
                for batch in made:
                    writer.write_table(pa.Table.from_batches([batch]).cast(self.schema))
                    rows += batch.num_rows
                written = Written(rows, _as_text(parts), rules, moment())
                footer = written.to_json(COST_AND_USAGE, self.version)
                writer.add_key_value_metadata({FOOTER: footer})
        put(target, self._path(period))
        log.info("focus %s: %s rows", period, f"{rows:,}")
        return written

    def _complete(self, wanted: Mapping[str, Mapping[Part, str]]) -> list[str]:
        """The periods whose last day every source in them has whole."""
        if self.version < "1.3":
            return []
        through = self.lines.complete_through()
        return [
            period
            for period, parts in wanted.items()
            if all(str(through.get(name, ""))[:7] > period or _is_last(through.get(name), period)
                   for name, _ in parts)
        ]  # fmt: skip

    def _path(self, period: str) -> Path:
        return self.folder / COST_AND_USAGE / f"{period}.parquet"


def _is_last(day: date | None, period: str) -> bool:
    """Whether it is the last day of the month."""
    return day is not None and f"{day:%Y-%m}" == period < f"{day + timedelta(days=1):%Y-%m}"


def _as_text(parts: Mapping[Part, str]) -> dict[str, str]:
    return {"/".join(part): version for part, version in sorted(parts.items())}

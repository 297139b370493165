"""A copy of the published tables that may be shown to anybody; the source is only read.

On the filesystem the copy is a folder of parquet files, laid out as the source and put in place by
one rename; on ClickHouse it is a database of plain tables, each put in place whole. Raw rows are
never copied. Whatever is at the target must be an earlier copy, and says so.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
from clickhouse_connect.driver.exceptions import Error as ConnectError

from pipelines.anonymize.rules import MEANING, rules_of
from pipelines.anonymize.values import Secrets, anonymous
from pipelines.clickhouse.server.errors import ClickHouseError
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.problems import explain, redacted
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import ConfigurationError
from pipelines.core.registry import SOURCES
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.store import LocalStore, Store
from pipelines.destinations.filesystem.swap import swap_folder
from pipelines.tables.privacy import Privacy
from pipelines.tables.schema import arrow_of
from pipelines.tables.shapes import published_tables

MARK = "_anonymized.json"
COMMENT = "An anonymised copy, by python -m pipelines anonymize."
_ROWS = 100_000
_ARROW = {
    "output_format_arrow_low_cardinality_as_dictionary": 0,
    "output_format_arrow_string_as_string": 1,
}


@dataclass(frozen=True)
class Copied:
    """One table of the copy: its rows, and what was done with each column."""

    table: str
    rows: int
    rules: dict[str, Privacy]

    def lines(self) -> list[tuple[str, str, str]]:
        """Table, column, what was done: the report."""
        return [(self.table, name, _done(rule)) for name, rule in self.rules.items()]


def copy(source: Store | Warehouse, to: str, secrets: Secrets) -> list[Copied]:
    """Make the copy; what was done. Raises ConfigurationError for a target that it would harm."""
    shapes = {
        name: (arrow_of(columns), rules_of(name, columns))
        for name, columns in published_tables(secrets.tag_columns).items()
    }
    if isinstance(source, Warehouse):
        return _Database(source, to, secrets).copy(shapes)
    return _Folder(source, to, secrets).copy(shapes)


Shapes = dict[str, tuple[pa.Schema, dict[str, Privacy]]]


class _Folder:
    """A copy as parquet files in a folder, which is exchanged once it is complete."""

    def __init__(self, store: Store, to: str, secrets: Secrets) -> None:
        self.store, self.secrets = store, secrets
        self.target = _folder(store, to)

    def copy(self, shapes: Shapes) -> list[Copied]:
        made = self.target.with_name(f".{self.target.name}.partial")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        copied = [
            Copied(name, self._table(name, schema, rules, made), rules)
            for name, (schema, rules) in shapes.items()
        ]
        report = [dict(zip(("table", "column", "done"), x, strict=True)) for c in copied
                  for x in c.lines()]  # fmt: skip
        (made / MARK).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        swap_folder(made, self.target)
        shutil.rmtree(made, ignore_errors=True)
        return copied

    def _table(self, name: str, schema: pa.Schema, rules: dict[str, Privacy], made: Path) -> int:
        rows = 0
        for path in self._files(name):
            target = made / self._named(path.removeprefix(self.store.root).lstrip("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            with (
                self.store.open(path) as file,
                pq.ParquetWriter(target, schema, compression="zstd") as writer,
            ):
                for batch in pq.ParquetFile(file).iter_batches(_ROWS):
                    table = _shaped(pa.Table.from_batches([batch]), schema)
                    writer.write_table(anonymous(table, rules, self.secrets))
                    rows += batch.num_rows
        return rows

    def _files(self, name: str) -> list[str]:
        """A normalised table's, the history's or a mart's."""
        raw_tables = {each.raw_table.normalized_table: each.raw_table for each in SOURCES.values()}
        if name in raw_tables:
            return self.store.glob(self.store.normalized(raw_tables[name], "*"))
        if name == "deliveries":
            return self.store.glob(self.store.history("*", "*"))
        if name == "runs":
            return self.store.glob(self.store.runs("*"))
        return self.store.glob(self.store.computed(name, "*"))

    def _named(self, path: str) -> Path:
        """The same place; a partition in a name moves with the dates."""
        *folders, file = PurePosixPath(path).parts
        stem, dot, suffix = file.rpartition(".")
        names = [self.secrets.shifted(part) for part in (*folders, stem)]
        return Path(*names[:-1], names[-1] + dot + suffix)


class _Database:
    """Plain tables in another database of the same server."""

    def __init__(self, warehouse: Warehouse, to: str, secrets: Secrets) -> None:
        self.config, self.secrets, self.database = warehouse.config, secrets, to
        if not re.fullmatch(r"[A-Za-z_]\w*", to):
            raise ConfigurationError(f"--to {to} is not a valid name of a ClickHouse database.")
        if to == self.config.database:
            raise ConfigurationError(
                f"--to {to} is the database that is copied. Name another one: it is only read."
            )

    def copy(self, shapes: Shapes) -> list[Copied]:
        with ClickHouseManager(self.config) as manager:
            there = self._earlier_copy(manager)
            manager.execute(f"create database if not exists {self.database}")
            copied = []
            for name, (schema, rules) in shapes.items():
                rows = self._table(manager, name, schema, rules)
                copied.append(Copied(name, rows, rules))
            for name in sorted(there - shapes.keys()):
                manager.execute(f"drop table if exists {self.database}.`{name}` sync")
        return copied

    def _earlier_copy(self, manager: ClickHouseManager) -> set[str]:
        """The tables at the target. Raises ConfigurationError when one is not of a copy."""
        sql = "select name, comment from system.tables where database = %(database)s"
        rows = manager.execute(sql, {"database": self.database})
        if foreign := sorted(name for name, comment in rows if comment != COMMENT):
            raise ConfigurationError(
                f"The database {self.database} holds {', '.join(foreign[:3])}: it is not an "
                "anonymised copy. Name another one, or drop it yourself: nothing was changed."
            )
        return {name for name, _ in rows}

    def _table(
        self, manager: ClickHouseManager, name: str, schema: pa.Schema, rules: dict[str, Privacy]
    ) -> int:
        """Fill a new table, then exchange it with the one of an earlier copy."""
        columns = ", ".join(f"`{column}`" for column in schema.names)
        new, final = f"{self.database}._new_{name}", f"{self.database}.`{name}`"
        select = f"select {columns} from {self.config.database}.`{name}`"
        manager.execute(f"drop table if exists {new} sync")
        manager.execute(
            f"create table {new} engine = MergeTree order by tuple() "
            f"comment {quoted(COMMENT)} empty as {select}"
        )
        rows = 0
        try:
            with (
                connect(self.config) as reader,
                connect(self.config) as writer,
                reader.query_arrow_stream(select, settings=_ARROW) as stream,
            ):
                for block in stream:
                    table = _shaped(_as_table(block), schema)
                    writer.insert_arrow(new, anonymous(table, rules, self.secrets))
                    rows += table.num_rows
        except ConnectError as error:
            raise ClickHouseError(explain(error, self.config)) from redacted(error, self.config)
        manager.execute(f"create table if not exists {final} as {new}")
        manager.execute(f"exchange tables {new} and {final}")
        manager.execute(f"drop table if exists {new} sync")
        return rows


def _folder(store: Store, to: str) -> Path:
    """Where the copy goes. Raises ConfigurationError when it is the source, or not a copy."""
    if "://" in to:
        raise ConfigurationError(f"--to {to}: the copy must be a folder on this machine.")
    target = Path(to).resolve()
    if isinstance(store, LocalStore):
        source = Path(store.root).resolve()
        if source == target or source in target.parents or target in source.parents:
            raise ConfigurationError(
                f"--to {to} and the data at {store.root} overlap. Name a folder outside it."
            )
    if (
        target.exists()
        and not (target / MARK).is_file()
        and (not target.is_dir() or any(target.iterdir()))
    ):
        raise ConfigurationError(
            f"--to {to} exists and is not an anonymised copy. Name another folder, or remove it "
            "yourself: nothing was changed."
        )
    return target


def _as_table(block: pa.Table | pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([block]) if isinstance(block, pa.RecordBatch) else block


def _shaped(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The published columns in their order; typed NULLs where an older file does not have them."""
    have = set(rows.column_names)
    columns = [
        rows[f.name].cast(f.type) if f.name in have else pa.nulls(rows.num_rows, f.type)
        for f in schema
    ]
    return pa.table(columns, schema=schema)


def _done(rule: Privacy) -> str:
    kept = f", unless {rule.unless[0]} is {rule.unless[1]}" if rule.unless else ""
    kind = f" ({rule.kind}-…)" if rule.kind else ""
    return MEANING[rule.action] + kind + kept

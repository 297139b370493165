"""The registry: every source by its name, made of what it declares (tables/sources.py).

A source's module is imported when it is asked for: a run of one source does not wait for the
clients of the others. Each offers `connect()`, its dlt source and `CHECKED` (the raw
columns that sql/checks reads).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import dlt
import pyarrow as pa
from dlt.extract import DltSource

from pipelines import ingest_normalized_pipeline
from pipelines.core.finality import Calendar
from pipelines.core.landing import Plan, Provider
from pipelines.core.partition import ConfigurationError, Partition
from pipelines.destinations.filesystem.store import Store
from pipelines.ingest_normalized_pipeline import NormalizedFiles
from pipelines.tables import sources
from pipelines.tables.raw_tables import RAW_TABLES, RawTable
from pipelines.tables.sources import ListDeclaration, SourceDeclaration


@runtime_checkable
class Estimates(Protocol):
    """A provider that can say what reading costs before it does."""

    def estimate(self, partitions: Iterable[Partition]) -> str:
        """One line for people: what loading these partitions would scan and cost."""


Read = Callable[[Plan[Any]], DltSource]
"""A dlt source by the partitions that it is to land."""


@dataclass(frozen=True)
class Source:
    """One source: where its tables lie, how to see what it has, how to land a partition.

    `more` are further raw tables of the same source, loaded after it. `needs` are keys of its
    section of the configuration; it is in use when one of them is set, or when it needs none.
    `looked_up`: a reference table (such as exchange rates) that rows of every month join; `prune`
    never removes it.
    `unit`: what the progress bar counts, `bytes` or a name for the rows.
    `chosen_by` is a key of the configuration: it is loaded when that list names the table, or the
    table that it is `chosen_with`. What is `of_source` is planned by the source's own partitions.
    `finality` says of a published fingerprint whether it is final, or since when it is open.
    `calendar` says it of the moment of a partition's last reading, without asking the provider;
    `scope_column` of the raw table names the member of the scope, such as the account.
    """

    raw_table: RawTable
    connect: Callable[[], Provider]
    source: Read
    checked: Callable[[], pa.Schema] = lambda: pa.schema([])
    published: Callable[[Any, RawTable], Mapping[str, str]] = lambda d, table: d.published(table)
    listed: bool = True  # whether `connect` lists the provider, and not our own files
    more: tuple[Source, ...] = ()
    needs: tuple[str, ...] = ()
    looked_up: bool = False
    unit: str = "rows"
    chosen_by: str = ""
    chosen_with: str = ""
    of_source: bool = False
    finality: Callable[[str, str], str] = lambda fingerprint, partition: ""
    calendar: Callable[[], Calendar | None] = lambda: None
    scope_column: str = ""


def _list_noted(destination: Any, raw_table: RawTable) -> Mapping[str, str]:
    """What is published, and with '' what a listing showed that is not: it is to be planned too."""
    noted = {row["partition"]: "" for row in destination.provider(raw_table)}
    return noted | dict(destination.published(raw_table))


def _build_source(
    load_module: Callable[[], Any], name: str, raw_table: RawTable, *more: Source, **options: Any
) -> Source:
    """`load_module` imports (or makes) what offers it; `name` is its dlt source."""

    def source(plan: Plan[Any]) -> DltSource:
        found: DltSource = getattr(load_module(), name)(
            plan=plan, **getattr(plan.provider, "arguments", {})
        )
        return found

    checked = {"checked": lambda: load_module().CHECKED}
    return Source(
        raw_table=raw_table,
        connect=lambda: load_module().connect(),
        source=source,
        more=more,
        **(checked | options),
    )


def _build_declared(source: SourceDeclaration) -> Source:
    options: dict[str, Any] = {
        "needs": source.needs,
        "looked_up": source.looked_up,
        "unit": source.unit,
        "scope_column": source.scope_column,
    }
    if source.plans_noted:
        options["published"] = _list_noted
    if source.finality:
        options["finality"] = _finality(f"pipelines.providers.{source.name}.{source.finality}")
    if source.calendar:
        options["calendar"] = _calendar(f"pipelines.providers.{source.name}.{source.calendar}")
    return _build_source(
        lambda: import_module(f"pipelines.{source.module}"),
        source.name,
        RAW_TABLES[source.name],
        *(_build_list(source, each) for each in source.lists),
        **options,
    )


def _build_list(source: SourceDeclaration, declared: ListDeclaration) -> Source:
    """A further raw table; a class of its module makes what offers it, by the table's name."""
    module, _, maker = declared.reader.partition(":")

    def load_module() -> Any:
        found = import_module(f"pipelines.providers.{source.name}.{module}")
        return getattr(found, maker)(declared.table) if maker else found

    options: dict[str, Any] = {
        "looked_up": declared.looked_up,
        "chosen_with": declared.chosen_with,
        "of_source": declared.of_source,
    }
    if declared.of_source:
        options["published"] = lambda destination, _: destination.published(RAW_TABLES[source.name])
    elif source.lists_chosen_by:
        options["chosen_by"] = f"sources.{source.name}.{source.lists_chosen_by}"
    if maker:
        options["checked"] = lambda: load_module().schema
    return _build_source(
        load_module, "source", RAW_TABLES[f"{source.name}_{declared.table}"], **options
    )


def _finality(module: str) -> Callable[[str, str], str]:
    return lambda fingerprint, partition: str(
        import_module(module).finality(fingerprint, partition)
    )


def _calendar(module: str) -> Callable[[], Calendar]:
    def calendar() -> Calendar:
        found: Calendar = import_module(module).calendar()
        return found

    return calendar


SOURCES: Mapping[str, Source] = {
    source_name: _build_declared(source) for source_name, source in sources.SOURCES.items()
}


def normalizer(source_name: str) -> Any:
    """The module that turns a source's raw rows into its published shape; it imports pandas."""
    return import_module(f"pipelines.providers.{source_name}.normalize")


def examiner(source_name: str) -> Any:
    """The module that examines a source for `doctor`."""
    return import_module(f"pipelines.providers.{source_name}.doctor")


def source_names(names: Iterable[str]) -> list[str]:
    """The sources that a command is about: the given ones, or all. Raises ConfigurationError."""
    wanted = list(dict.fromkeys(names)) or list(SOURCES)
    if unknown := [source_name for source_name in wanted if source_name not in SOURCES]:
        raise ConfigurationError(
            f"Unknown source {', '.join(unknown)}. Known: {', '.join(SOURCES)}."
        )
    return wanted


def in_use(names: Iterable[str]) -> list[str]:
    """The given sources, or all that are configured."""
    given = list(names)
    return [
        source_name for source_name in source_names(given) if given or is_configured(source_name)
    ]


def to_load(names: Iterable[str]) -> list[str]:
    """The configured sources. Raises ConfigurationError when there are none."""
    if found := in_use(names):
        return found
    ways = "; ".join(
        f"{how_to_configure(source_name)} for {source_name}" for source_name in SOURCES
    )
    raise ConfigurationError(f"No source is configured. Set {ways}. See .dlt/config.toml.")


def is_configured(source_name: str) -> bool:
    """Whether any key that the source needs is set."""
    needs = [f"sources.{source_name}.{key}" for key in SOURCES[source_name].needs]
    accessors: tuple[Any, ...] = (dlt.config, dlt.secrets)
    return not needs or any(each.get(key) for each in accessors for key in needs)


def how_to_configure(source_name: str) -> str:
    """Which variables put a source to use."""
    return " or ".join(
        f"SOURCES__{source_name.upper()}__{key.upper()}" for key in SOURCES[source_name].needs
    )


def tables() -> list[Source]:
    """Every raw table of every source."""
    return [each for source in SOURCES.values() for each in (source, *source.more)]


def to_read(source_name: str) -> list[Source]:
    """The raw tables of a source that a load reads: its own, and of the others those chosen."""
    entry = SOURCES[source_name]
    return [entry, *(each for each in entry.more if _is_chosen(each))]


def _is_chosen(entry: Source) -> bool:
    if not entry.chosen_by:
        return True
    names = dlt.config.get(entry.chosen_by, list) or []
    more = SOURCES[entry.chosen_by.split(".")[1]].more
    known = [each.raw_table.table for each in more if each.chosen_by and not each.chosen_with]
    if unknown := [str(name) for name in names if name not in known]:
        raise ConfigurationError(
            f"{entry.chosen_by}: unknown table {', '.join(unknown)}. Known: {', '.join(known)}."
        )
    return (entry.chosen_with or entry.raw_table.table) in names


def ingestion(source_name: str, store: Store) -> Source:
    """A source's entry that loads its normalised files on `store` instead of raw data."""
    raw_table = SOURCES[source_name].raw_table
    return Source(
        raw_table=raw_table,
        connect=lambda: NormalizedFiles(store, raw_table),
        source=lambda plan: ingest_normalized_pipeline.normalized(plan),
        published=lambda destination, raw_table: destination.ingested(raw_table),
        listed=False,
    )

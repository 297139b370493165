"""The registry: every source by its word, made of what it declares (tables/sources.py).

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
from pipelines.tables.places import PLACES, Place
from pipelines.tables.sources import RawTable, Source


@runtime_checkable
class Estimates(Protocol):
    """A provider that can say what reading costs before it does."""

    def estimate(self, partitions: Iterable[Partition]) -> str:
        """One line for people: what loading these partitions would scan and cost."""


Read = Callable[[Plan[Any]], DltSource]
"""A dlt source by the partitions that it is to land."""


@dataclass(frozen=True)
class Word:
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

    place: Place
    connect: Callable[[], Provider]
    source: Read
    checked: Callable[[], pa.Schema] = lambda: pa.schema([])
    published: Callable[[Any, Place], Mapping[str, str]] = lambda d, place: d.published(place)
    listed: bool = True  # whether `connect` lists the provider, and not our own files
    more: tuple[Word, ...] = ()
    needs: tuple[str, ...] = ()
    looked_up: bool = False
    unit: str = "rows"
    chosen_by: str = ""
    chosen_with: str = ""
    of_source: bool = False
    finality: Callable[[str, str], str] = lambda fingerprint, partition: ""
    calendar: Callable[[], Calendar | None] = lambda: None
    scope_column: str = ""


def _noted(destination: Any, place: Place) -> Mapping[str, str]:
    """What is published, and with '' what a listing showed that is not: it is to be planned too."""
    noted = {row["partition"]: "" for row in destination.provider(place)}
    return noted | dict(destination.published(place))


def _word(its: Callable[[], Any], name: str, place: Place, *more: Word, **options: Any) -> Word:
    """`its` imports the module (or makes the object) that offers it; `name` is its dlt source."""

    def source(plan: Plan[Any]) -> DltSource:
        found: DltSource = getattr(its(), name)(
            plan=plan, **getattr(plan.provider, "arguments", {})
        )
        return found

    checked = {"checked": lambda: its().CHECKED}
    return Word(
        place=place,
        connect=lambda: its().connect(),
        source=source,
        more=more,
        **(checked | options),
    )


def _source(source: Source) -> Word:
    options: dict[str, Any] = {
        "needs": source.needs,
        "looked_up": source.looked_up,
        "unit": source.unit,
        "scope_column": source.scope_column,
    }
    if source.plans_noted:
        options["published"] = _noted
    if source.finality:
        options["finality"] = _finality(f"pipelines.providers.{source.word}.{source.finality}")
    if source.calendar:
        options["calendar"] = _calendar(f"pipelines.providers.{source.word}.{source.calendar}")
    return _word(
        lambda: import_module(f"pipelines.{source.module}"),
        source.word,
        PLACES[source.word],
        *(_list(source, each) for each in source.lists),
        **options,
    )


def _list(source: Source, declared: RawTable) -> Word:
    """A further raw table; a class of its module makes what offers it, by the table's name."""
    module, _, maker = declared.reader.partition(":")

    def its() -> Any:
        found = import_module(f"pipelines.providers.{source.word}.{module}")
        return getattr(found, maker)(declared.table) if maker else found

    options: dict[str, Any] = {
        "looked_up": declared.looked_up,
        "chosen_with": declared.chosen_with,
        "of_source": declared.of_source,
    }
    if declared.of_source:
        options["published"] = lambda destination, _: destination.published(PLACES[source.word])
    elif source.lists_chosen_by:
        options["chosen_by"] = f"sources.{source.word}.{source.lists_chosen_by}"
    if maker:
        options["checked"] = lambda: its().schema
    return _word(its, "source", PLACES[f"{source.word}_{declared.table}"], **options)


def _finality(module: str) -> Callable[[str, str], str]:
    return lambda fingerprint, partition: str(
        import_module(module).finality(fingerprint, partition)
    )


def _calendar(module: str) -> Callable[[], Calendar]:
    def calendar() -> Calendar:
        found: Calendar = import_module(module).calendar()
        return found

    return calendar


SOURCES: Mapping[str, Word] = {word: _source(source) for word, source in sources.SOURCES.items()}


def normalizer(word: str) -> Any:
    """The module that turns a source's raw rows into its published shape; it imports pandas."""
    return import_module(f"pipelines.providers.{word}.normalize")


def examiner(word: str) -> Any:
    """The module that examines a source for `doctor`."""
    return import_module(f"pipelines.providers.{word}.doctor")


def words(names: Iterable[str]) -> list[str]:
    """The words that a command is about: the given ones, or all. Raises ConfigurationError."""
    wanted = list(dict.fromkeys(names)) or list(SOURCES)
    if unknown := [word for word in wanted if word not in SOURCES]:
        raise ConfigurationError(
            f"Unknown source {', '.join(unknown)}. Known: {', '.join(SOURCES)}."
        )
    return wanted


def in_use(names: Iterable[str]) -> list[str]:
    """The given words, or all that are configured."""
    given = list(names)
    return [word for word in words(given) if given or is_configured(word)]


def to_load(names: Iterable[str]) -> list[str]:
    """The configured sources. Raises ConfigurationError when there are none."""
    if found := in_use(names):
        return found
    ways = "; ".join(f"{how_to_configure(word)} for {word}" for word in SOURCES)
    raise ConfigurationError(f"No source is configured. Set {ways}. See .dlt/config.toml.")


def is_configured(word: str) -> bool:
    """Whether any key that the source needs is set."""
    needs = [f"sources.{word}.{key}" for key in SOURCES[word].needs]
    places: tuple[Any, ...] = (dlt.config, dlt.secrets)
    return not needs or any(place.get(key) for place in places for key in needs)


def how_to_configure(word: str) -> str:
    """Which variables put a source to use."""
    return " or ".join(f"SOURCES__{word.upper()}__{key.upper()}" for key in SOURCES[word].needs)


def tables() -> list[Word]:
    """Every raw table of every source."""
    return [each for word in SOURCES.values() for each in (word, *word.more)]


def to_read(word: str) -> list[Word]:
    """The raw tables of a word that a load reads: its own, and of the others those chosen."""
    entry = SOURCES[word]
    return [entry, *(each for each in entry.more if _is_chosen(each))]


def _is_chosen(entry: Word) -> bool:
    if not entry.chosen_by:
        return True
    names = dlt.config.get(entry.chosen_by, list) or []
    more = SOURCES[entry.chosen_by.split(".")[1]].more
    known = [each.place.table for each in more if each.chosen_by and not each.chosen_with]
    if unknown := [str(name) for name in names if name not in known]:
        raise ConfigurationError(
            f"{entry.chosen_by}: unknown table {', '.join(unknown)}. Known: {', '.join(known)}."
        )
    return (entry.chosen_with or entry.place.table) in names


def ingestion(word: str, store: Store) -> Word:
    """A source's entry that loads its normalised files on `store` instead of raw data."""
    place = SOURCES[word].place
    return Word(
        place=place,
        connect=lambda: NormalizedFiles(store, place),
        source=lambda plan: ingest_normalized_pipeline.normalized(plan),
        published=lambda destination, place: destination.ingested(place),
        listed=False,
    )

"""The registry: every source by its word. A new source is one line in SOURCES.

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
from pipelines.tables.places import PLACES, Place, lists_of


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
    `looked_up`: rows of any month read it, as those of exchange rates, so `prune` leaves it.
    `unit`: what landing counts for the bar of progress: bytes, or what one calls its rows.
    `chosen_by` is a key of the configuration: it is loaded when that list names the table.
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
    finality: Callable[[str], str] = lambda fingerprint: ""
    calendar: Callable[[], Calendar | None] = lambda: None
    scope_column: str = ""


def _noted(destination: Any, place: Place) -> Mapping[str, str]:
    """What is published, and with '' what a listing showed that is not: it is to be planned too."""
    noted = {row["partition"]: "" for row in destination.provider(place)}
    return noted | dict(destination.published(place))


def _word(module: str, name: str, place: Place, *more: Word, **options: Any) -> Word:
    """`name` is the dlt source in the module."""

    def its() -> Any:
        return import_module(f"pipelines.{module}")

    def source(plan: Plan[Any]) -> DltSource:
        found: DltSource = getattr(its(), name)(
            plan=plan, **getattr(plan.provider, "arguments", {})
        )
        return found

    return Word(
        place=place,
        connect=lambda: its().connect(),
        source=source,
        checked=lambda: its().CHECKED,
        more=more,
        **options,
    )


def _by_calendar(word: str) -> Callable[[str], str]:
    """A source whose calendar reads its fingerprints."""

    def finality(fingerprint: str) -> str:
        found = import_module(f"pipelines.providers.{word}.calendar").finality(fingerprint)
        return str(found)

    return finality


def _stripe_calendar() -> Calendar:
    found: Calendar = import_module("pipelines.providers.stripe.months").calendar()
    return found


def _stripe_list(place: Place) -> Word:
    """A list of Stripe's objects; providers/stripe/objects.py has the columns of each."""
    options: dict[str, Any] = {
        "chosen_by": "sources.stripe.objects",
        "looked_up": place.column == "listing",
    }
    if place.table == "balances":
        return _word("providers.stripe.balance", "source", place, **options)

    def listing() -> Any:
        return import_module("pipelines.providers.stripe.objects").Listing(place.table)

    return Word(
        place=place,
        connect=lambda: listing().connect(),
        source=lambda plan: listing().source(plan),
        checked=lambda: listing().schema,
        **options,
    )


SOURCES: Mapping[str, Word] = {
    "aws": _word(
        "aws_pipeline",
        "aws",
        PLACES["aws"],
        needs=("bucket_url",),
        unit="bytes",
    ),
    "gcp": _word(
        "google_bq_incremental_pipeline",
        "gcp",
        PLACES["gcp"],
        *(
            _word(f"providers.gcp.{place.table}", "source", place, chosen_by="sources.gcp.objects")
            for place in lists_of("gcp")
        ),
        published=_noted,
        needs=("datasets", "tables"),
    ),
    "stripe": _word(
        "stripe_pipeline",
        "stripe",
        PLACES["stripe"],
        *map(_stripe_list, lists_of("stripe")),
        needs=("stripe_secret_key", "accounts"),
        calendar=_stripe_calendar,
        scope_column="account",
    ),
    "fx": _word(
        "fx_pipeline",
        "fx",
        PLACES["fx"],
        needs=("url",),
        looked_up=True,
    ),
    "deribit": _word(
        "deribit_pipeline",
        "deribit",
        PLACES["deribit"],
        *(
            _word(f"providers.deribit.reference.{place.table}", "source", place)
            for place in lists_of("deribit")
        ),
        needs=("currencies",),
        unit="trades",
        finality=_by_calendar("deribit"),
    ),
}


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
    """The same. Raises ConfigurationError when there is none."""
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
    known = [each.place.table for each in SOURCES[entry.place.dataset].more]
    if unknown := [str(name) for name in names if name not in known]:
        raise ConfigurationError(
            f"{entry.chosen_by}: no table {', '.join(unknown)}. There are: {', '.join(known)}."
        )
    return entry.place.table in names


def ingestion(word: str, store: Store) -> Word:
    """The entry of a word whose normalised files on `store` are loaded instead of its raw."""
    place = SOURCES[word].place
    return Word(
        place=place,
        connect=lambda: NormalizedFiles(store, place),
        source=lambda plan: ingest_normalized_pipeline.normalized(plan),
        published=lambda destination, place: destination.ingested(place),
        listed=False,
    )

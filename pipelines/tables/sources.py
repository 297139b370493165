"""The sources: their names, and what each declares of itself in providers/<source>/source.toml.

A new source is one line in SOURCE_NAMES. Declarations are data, so that whoever describes tables,
writes statements or prints a list needs to import neither the source nor its client.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

SOURCE_NAMES: tuple[str, ...] = (
    "aws",
    "gcp",
    "stripe",
    "fx",
    "deribit",
    "clickhouse_cloud",
    "focus",
)
"""In the order in which they are loaded."""

PROVIDERS = Path(__file__).parent.parent / "providers"
SHAPES = ("costs", "own")


@dataclass(frozen=True)
class ListDeclaration:
    """A further raw table of a source, which readers read as it is.

    `reader` is the module below providers/<source> that offers `connect`, `source` and `CHECKED`,
    or `module:Class`: then `Class(table)` offers `connect`, `source` and `schema`.
    `chosen_with` is the table whose name in the configuration chooses this one, too. One that is
    `of_source` is read unless its reader plans nothing, and by what is published of the source's
    own table.
    """

    table: str
    partition: str
    reader: str
    row: str
    looked_up: bool = False
    chosen_with: str = ""
    of_source: bool = False


@dataclass(frozen=True)
class SourceDeclaration:
    """What the project knows of a source without importing it.

    dataset, table   where its raw rows lie; in ClickHouse dataset__table
    partition        the column by which they are replaced
    row              what a raw row is, for CLICKHOUSE_SETUP.md
    version          of its rules: one more whenever a published value changes. Every partition is
                     then normalised again
    pipeline         its module below pipelines/; by default <source>_pipeline
    packages         what its modules may import from third parties besides dlt and pyarrow
    shape            of its normalised rows: costs, or own: providers/<source>/shape.csv
    mart             the mart that is a union of normalised tables; of the shape costs it is costs
    newest_day       table.column of the newest day that it is about; of the shape costs not needed
    daily            its provider delivers every day: `check` names it when nothing came for three
    needs            keys of its configuration; one of them set means that the source is in use
    unit             what landing counts for the bar of progress
    looked_up        rows of any month read it, as those of exchange rates, so `prune` leaves it
    plans_noted      partitions that a listing showed are planned, whether published or not
    finality         its module with `finality(fingerprint, partition)`: since when it is final or
                     not; '' where it does not know
    calendar         its module with `calendar()`: when a partition is final, by its last reading
    scope_column     the raw column of what configuration can add or remove, such as the account
    settle_hours     how many hours after its end a day of cost is complete in a delivery; the key
                     `settle_hours` of its configuration replaces it
    lists            further raw tables, loaded after it
    lists_chosen_by  the key of its configuration that names those of them to load; else all
    """

    name: str
    dataset: str
    table: str
    partition: str
    row: str
    version: int
    pipeline: str = ""
    packages: tuple[str, ...] = ()
    shape: str = "costs"
    mart: str = ""
    newest_day: str = ""
    daily: bool = False
    needs: tuple[str, ...] = ()
    unit: str = "rows"
    looked_up: bool = False
    plans_noted: bool = False
    finality: str = ""
    calendar: str = ""
    scope_column: str = ""
    settle_hours: int = 24
    lists: tuple[ListDeclaration, ...] = ()
    lists_chosen_by: str = ""

    @property
    def module(self) -> str:
        """Its module below pipelines/."""
        return self.pipeline or f"{self.name}_pipeline"

    @property
    def is_cost(self) -> bool:
        """Whether its normalised rows are in the cost shape, and in the mart `costs`."""
        return self.shape == "costs"


def read(name: str, providers: Path = PROVIDERS) -> SourceDeclaration:
    """A source's declaration. Raises ValueError with the file for a key that is wrong."""
    path = providers / name / "source.toml"
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    lists = tuple(
        ListDeclaration(**_checked(each, ListDeclaration, f"{path}, lists"))
        for each in found.pop("lists", [])
    )
    source = SourceDeclaration(
        name=name, lists=lists, **_checked(found, SourceDeclaration, str(path), "name", "lists")
    )
    if source.shape not in SHAPES:
        raise ValueError(f"{path}: shape has to be one of {', '.join(SHAPES)}.")
    return source


def _checked(found: Mapping[str, Any], kind: type, where: str, *given: str) -> dict[str, Any]:
    """The keys of a table as the arguments of `kind`."""
    known = {each.name: str(each.type) for each in fields(kind) if each.name not in given}
    needed = [n for n in known if not hasattr(kind, n)]  # a default is an attribute of the class
    if unknown := [name for name in found if name not in known]:
        raise ValueError(f"{where}: unknown key {', '.join(unknown)}. Known: {', '.join(known)}.")
    if missing := [name for name in needed if name not in found]:
        raise ValueError(f"{where}: missing key {', '.join(missing)}.")
    values = {n: tuple(v) if isinstance(v, list) else v for n, v in found.items()}
    if wrong := [n for n, v in values.items() if not known[n].startswith(type(v).__name__)]:
        raise ValueError(f"{where}: {wrong[0]} has to be of type {known[wrong[0]]}.")
    return values


SOURCES: Mapping[str, SourceDeclaration] = {name: read(name) for name in SOURCE_NAMES}
"""By name, in the order in which they are loaded."""
COST_SOURCES: tuple[str, ...] = tuple(name for name, each in SOURCES.items() if each.is_cost)
"""The sources whose normalised rows are in the cost shape: the members of the mart `costs`."""

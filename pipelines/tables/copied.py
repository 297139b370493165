"""Columns that are only copied from raw, declared once for both twins: providers/<source>/*.csv.

    target,rule,argument
    sub_account_id,text,project_id             '' counts as no value
    consumed_quantity,number,usage_amount      infinity and NaN count as no value
    charge_period_start,time,usage_start_time
    provider_name,literal,Google Cloud
    service_category,lookup,service_description:gcp_services:service:Other
    resource_name,tag,Name                     a tag by its key
    resource_type,null,                        of a map: an empty one; also a time

A lookup reads the column `target` of lookups/<second>.csv by its column <third>; where it has none,
the fourth, else NULL. What is more than this is a rule, written in each twin.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipelines.tables import schema
from pipelines.tables.schema import Column
from pipelines.tables.shapes import columns_of

PROVIDERS = Path(__file__).parent.parent / "providers"
LOOKUPS = Path(schema.__file__).parent / "lookups"
_HEAD = ["target", "rule", "argument"]
_TYPES = {"number": "number", "time": "timestamp"}  # any other rule gives text
_RULES = ("text", "number", "time", "literal", "lookup", "tag", "null")


@dataclass(frozen=True)
class Lookup:
    """The argument of a lookup: raw column, file and key of it, what holds where it has none."""

    column: str
    file: str
    key: str
    otherwise: str | None


@dataclass(frozen=True)
class Copied:
    """One line: the published column, its rule, the rule's argument."""

    target: Column
    rule: str
    argument: str

    @property
    def lookup(self) -> Lookup:
        """The argument of a lookup, taken apart."""
        column, file, key, *otherwise = self.argument.split(":")
        return Lookup(column, file, key, otherwise[0] if otherwise else None)

    @property
    def sql(self) -> str:
        """As an item of a view's select; its placeholders are still to be filled in."""
        return f"{self._expression()} as {self.target.name}"

    def _expression(self) -> str:
        match self.rule:
            case "text" if self.target.nullable:
                return f"nullIf({self.argument}, '')"
            case "number":
                return f"{{number:{self.argument}}}"
            case "literal":
                return f"'{self.argument}'"
            case "tag":
                return f"{{tag_value:{self.argument}}}"
            case "null" if self.target.type == "map":
                return "cast(map(), 'Map(LowCardinality(String), String)')"
            case "null" if self.target.type == "timestamp":
                return "cast(null as Nullable(DateTime64(6, 'UTC')))"
            case "null":
                return "cast(null as Nullable(String))"
            case "lookup":
                return self._transform(self.lookup)
        return self.argument

    def _transform(self, lookup: Lookup) -> str:
        found = (
            f"transform(ifNull({lookup.column}, ''), {{{lookup.file}:{lookup.key}}}, "
            f"{{{lookup.file}:{self.target.name}}}, '{lookup.otherwise or ''}')"
        )
        return found if lookup.otherwise else f"nullIf({found}, '')"


@cache
def copied(name: str, providers: Path = PROVIDERS) -> tuple[Copied, ...]:
    """The lines of a file such as `aws/columns`. Raises ValueError with the line for a bad one."""
    path = providers / f"{name}.csv"
    shape = {column.name: column for column in columns_of(path.parent.name, ())}
    with path.open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    if head != _HEAD:
        raise ValueError(f"{path}: its first line has to be {','.join(_HEAD)}")
    found: dict[str, Copied] = {}
    for number, row in enumerate(rows, start=2):
        if problem := next(_problems(row, shape, found), ""):
            raise ValueError(f"{path}, line {number}: {problem}")
        target, rule, argument = row
        found[target] = Copied(shape[target], rule, argument)
    return tuple(found.values())


def select_list(name: str) -> str:
    """The lines of a file as items of a view's select."""
    return ",\n    ".join(each.sql for each in copied(name))


def _problems(row: list[str], shape: dict[str, Column], found: dict[str, Copied]) -> Iterator[str]:
    """What is wrong with a line, the first of it first."""
    if len(row) != len(_HEAD):
        yield f"{len(row)} cells instead of {','.join(_HEAD)}"
    target, rule, argument = (*row, "", "", "")[:3]
    if target not in shape:
        yield f"{target!r} is not a column of its normalised table"
    if target in found:
        yield f"{target} is declared twice"
    if rule not in _RULES:
        yield f"{rule!r} is not a rule. Write one of {', '.join(_RULES)}"
    is_map = shape[target].type == "map"
    of_target = rule == "null" and shape[target].type in ("map", "timestamp")
    wanted = shape[target].type if of_target else _TYPES.get(rule, "text")
    if shape[target].type != wanted:
        yield f"{rule} gives a {wanted}, but {target} is a {shape[target].type}"
    if (rule == "null") == bool(argument) or "'" in argument:
        yield f"{argument!r} is not an argument of {rule}"
    if rule == "lookup" and not _is_lookup(argument, target):
        yield f"write column:file:key or column:file:key:otherwise, of a lookup with {target}"
    is_nullable = rule in ("null", "tag") or (rule == "lookup" and argument.count(":") < 3)
    if is_nullable and not shape[target].nullable and not is_map:
        yield f"{target} is never NULL, but {rule} can give none"


def _is_lookup(argument: str, target: str) -> bool:
    parts = argument.split(":")
    if len(parts) not in (3, 4) or not all(parts):
        return False
    file = LOOKUPS / f"{parts[1]}.csv"
    if not file.is_file():
        return False
    with file.open(encoding="utf-8", newline="") as lines:
        return {parts[2], target} <= set(next(csv.reader(lines)))

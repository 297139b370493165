"""The contract of a topic: its Avro schema and its table say the same, both ways.

Which types fit is what both sinks do with them. ClickHouse's Kafka Connect sink refuses an Avro int
in an Int8, Int16 or Int64 column only when rows come, so such a pair does not fit here either.
The registry lets a nullable field go (FULL_TRANSITIVE allows it): only this comparison notices.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.core.partition import UserError
from pipelines.streaming.topics import Topic

_FITTING: Mapping[str, tuple[str, ...]] = {
    "string": ("String",),
    "enum": ("String",),
    "boolean": ("Bool",),
    "int": ("Int32", "UInt16", "UInt32", "UInt64"),
    "long": ("Int64", "UInt64"),
    "float": ("Float32",),
    "double": ("Float64",),
    "timestamp-millis": ("DateTime64(3)", "DateTime64(3, 'UTC')"),
}
_PLACE = {"kafka_topic", "kafka_partition", "kafka_offset"}


class ContractBroken(UserError):
    """Schema and table differ; each difference is named with its fix."""


@dataclass(frozen=True)
class Field:
    """One field of a record: its Avro type, or the logical one, and whether it may be null."""

    name: str
    type: str
    is_nullable: bool


@dataclass(frozen=True)
class TableColumn:
    """One column; `has_default` is true for what a record need not bring."""

    name: str
    type: str
    has_default: bool

    @property
    def plain_type(self) -> str:
        """The type without how it is stored, and without NULL."""
        inner = re.sub(r"^LowCardinality\((.*)\)$", r"\1", self.type)
        return re.sub(r"^Nullable\((.*)\)$", r"\1", inner)

    @property
    def is_nullable(self) -> bool:
        """Whether it takes NULL."""
        return "Nullable(" in self.type


def fields(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of a schema, in order. Raises ValueError for a type that no sink knows."""
    return [_field(each) for each in schema["fields"]]


def _field(given: Mapping[str, Any]) -> Field:
    types = given["type"] if isinstance(given["type"], list) else [given["type"]]
    found = [each for each in types if each != "null"]
    if len(found) != 1:
        raise ValueError(f"{given['name']}: a union of more than null and one type: {types}")
    kind = found[0]
    if isinstance(kind, dict):
        kind = kind.get("logicalType") or kind["type"]
    if kind not in _FITTING:
        raise ValueError(f"{given['name']}: Avro's {kind} has no column type here. Known: "
                         f"{', '.join(_FITTING)}")  # fmt: skip
    return Field(given["name"], kind, "null" in types)


def differences(
    topic: Topic, schema: Mapping[str, Any], columns: Sequence[TableColumn]
) -> list[str]:
    """How a topic's schema and its table differ, each with its fix; empty when they agree."""
    names = {each.name for each in fields(schema)}
    return unwritable(topic, schema, columns) + [
        f"{_where(topic)}: the column {column.name} has no field. A field that was removed is put "
        "back; a new column needs a nullable field, or a default"
        for column in columns
        if column.name not in names and not column.has_default
    ]


def unwritable(
    topic: Topic, schema: Mapping[str, Any], columns: Sequence[TableColumn]
) -> list[str]:
    """Why records of the schema cannot be rows. A column that they do not have may wait for them:
    it is added before the schema."""
    by_name = {column.name: column for column in columns}
    lines = [f"{_where(topic)}: {line}" for line in _of_fields(fields(schema), by_name)]
    return lines + [
        f"{_where(topic)}: the table is missing {name}, which tells the sink what it has written"
        for name in sorted(_PLACE - by_name.keys())
    ]


def _where(topic: Topic) -> str:
    return f"{topic.contract or topic.name}.avsc and {topic.table}"


def _of_fields(found: Iterable[Field], by_name: Mapping[str, TableColumn]) -> Iterator[str]:
    for each in found:
        column = by_name.get(each.name)
        if column is None:
            yield (
                f"the field {each.name} has no column, and would be dropped without a word. Add "
                "the column to sql/ and run: make init-clickhouse"
            )
            continue
        if column.plain_type not in _FITTING[each.type]:
            yield (
                f"the field {each.name} is {each.type}, the column {column.type}. Make the column "
                f"{' or '.join(_FITTING[each.type])}"
            )
        if column.is_nullable != each.is_nullable:
            able = "may be null" if each.is_nullable else "may not be null"
            yield f"the field {each.name} {able}, the column is {column.type}. Make both the same"


def require_writable(
    topic: Topic, schema: Mapping[str, Any], columns: Sequence[TableColumn]
) -> None:
    """Raises ContractBroken with each reason why records cannot be rows."""
    if found := unwritable(topic, schema, columns):
        raise ContractBroken("\n".join(found))


def require(topic: Topic, schema: Mapping[str, Any], columns: Sequence[TableColumn]) -> None:
    """Raises ContractBroken with every difference."""
    if found := differences(topic, schema, columns):
        raise ContractBroken("\n".join(found))

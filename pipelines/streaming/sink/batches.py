"""What a sink holds between two inserts: records by their place in Kafka, and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message

from pipelines.streaming import contract
from pipelines.streaming.contract import TableColumn
from pipelines.streaming.sink.live_table import DeadLetter

Letter = tuple[Message, DeadLetter]
"""A message that makes no row, and why."""


@dataclass
class Counts:
    """What a sink did so far; `newest` is the newest `received_at`, in milliseconds since 1970."""

    rows: int = 0
    inserts: int = 0
    dead: int = 0
    retries: int = 0
    rebalances: int = 0
    newest: int = 0


def place_of(message: Message) -> tuple[int, int]:
    """Partition and offset."""
    return int(message.partition() or 0), int(message.offset() or 0)


def ranges_of(batch: Sequence[Message]) -> list[tuple[int, int, int]]:
    """By partition the first and the last offset of a batch."""
    found: dict[int, list[int]] = {}
    for message in batch:
        partition, offset = place_of(message)
        found.setdefault(partition, []).append(offset)
    return [(partition, min(offsets), max(offsets)) for partition, offsets in sorted(found.items())]


def without_column(schema: Mapping[str, Any], columns: Sequence[TableColumn]) -> list[str]:
    """The fields of a schema that the table has no column for."""
    have = {column.name for column in columns}
    return [each.name for each in contract.fields(schema) if each.name not in have]

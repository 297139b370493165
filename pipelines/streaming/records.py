"""Avro records as they are in Kafka: a zero byte, the schema's id in four bytes, the record."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from typing import Any

import fastavro

from pipelines.streaming.registry import UnknownSchema

_HEAD = struct.Struct(">bI")


class Poison(Exception):
    """A record that no reader can make sense of, however often it is read."""


class Encoder:
    """Writes records of one schema, which the registry knows by `number`."""

    def __init__(self, schema: Mapping[str, Any], number: int) -> None:
        self._schema = fastavro.parse_schema(dict(schema))
        self._head = _HEAD.pack(0, number)

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """The value of a Kafka record. Raises Poison for a field of another type."""
        target = io.BytesIO()
        target.write(self._head)
        try:
            fastavro.schemaless_writer(target, self._schema, dict(record))
        except (ValueError, TypeError, KeyError) as error:
            raise Poison(f"not a record of the schema: {error}") from error
        return target.getvalue()


class Decoder:
    """Reads records by the schema that each was written with; `find` looks one up by its id.

    `accept` sees each schema before its first record, and may refuse or wait.
    """

    def __init__(
        self,
        find: Callable[[int], dict[str, Any]],
        accept: Callable[[Mapping[str, Any]], None] = lambda schema: None,
    ) -> None:
        self._find, self._accept = find, accept
        self._schemas: dict[int, Any] = {}
        self._unknown: dict[int, str] = {}

    def decode(self, value: bytes | None) -> dict[str, Any]:
        """The record. Raises Poison with the reason; what `find` and `accept` raise goes on."""
        if value is None:
            raise Poison("no value: a tombstone, which this topic has not")
        if len(value) <= _HEAD.size or value[0] != 0:
            raise Poison(f"not framed as Avro of a registry: begins with {value[:5].hex()}")
        schema = self._schema(_HEAD.unpack_from(value)[1])
        source = io.BytesIO(value)
        source.seek(_HEAD.size)
        try:
            found: dict[str, Any] = fastavro.schemaless_reader(source, schema, None)  # type: ignore[assignment]
        except (ValueError, EOFError, IndexError, OverflowError, TypeError, MemoryError) as error:
            raise Poison(f"not Avro of its schema: {type(error).__name__} {error}") from error
        if source.read(1):
            raise Poison("longer than a record of its schema")
        return found

    def _schema(self, number: int) -> Any:
        if number in self._unknown:
            raise Poison(self._unknown[number])
        if number not in self._schemas:
            try:
                schema = self._find(number)
            except UnknownSchema:
                self._unknown[number] = f"the registry has no schema {number}"
                raise Poison(self._unknown[number]) from None
            self._accept(schema)
            self._schemas[number] = fastavro.parse_schema(schema)
        return self._schemas[number]

"""The contract of each topic: the Avro schema and the ClickHouse table say the same, both ways."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.marts.live import LIVE_TABLES
from pipelines.streaming import contract
from pipelines.streaming.contract import ContractBroken, TableColumn
from pipelines.streaming.registry import Incompatible, Registry, RegistryError
from pipelines.streaming.settings import StreamingSettings
from pipelines.streaming.sink.live_table import LiveTable
from pipelines.streaming.topics import TOPICS, Topic
from pipelines.tables.ddl import clickhouse_type
from pipelines.tables.own_shapes import own_shape
from scripts.sandbox.kafka.registry import SchemaRegistry

DERIBIT = TOPICS["deribit"]
PLACE = [
    TableColumn("kafka_topic", "LowCardinality(String)", True),
    TableColumn("kafka_partition", "Int32", True),
    TableColumn("kafka_offset", "Int64", True),
]
SCHEMA = {
    "type": "record",
    "name": "Trade",
    "fields": [
        {"name": "instrument_name", "type": "string"},
        {"name": "trade_seq", "type": "long"},
        {"name": "side", "type": {"type": "enum", "name": "Side", "symbols": ["buy", "sell"]}},
        {"name": "price", "type": ["null", "double"], "default": None},
        {"name": "moment", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
COLUMNS = [
    TableColumn("instrument_name", "LowCardinality(String)", False),
    TableColumn("trade_seq", "Int64", False),
    TableColumn("side", "String", False),
    TableColumn("price", "Nullable(Float64)", False),
    TableColumn("moment", "DateTime64(3, 'UTC')", False),
    *PLACE,
]


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_schema_and_table_agree(topic: Topic, clickhouse: ClickHouseConfig) -> None:
    table = LiveTable(clickhouse, topic)
    columns = table.columns()
    table.close()
    assert contract.differences(topic, topic.schema(), columns) == []


def test_every_field_of_the_batch_is_in_the_stream() -> None:
    """A trade that came live has to say what the batch's says."""
    fields = {each.name for each in contract.fields(DERIBIT.schema())}
    raw = {column.name for column in own_shape("deribit")}
    normalised = {"kind", "base_currency", "quote_currency", "traded_at", "trade_date", "price_usd"}
    normalised |= {"notional_usd", "underlying", "expiry", "strike", "option_type", "moneyness"}
    normalised |= {"is_linear", "x_missing_before", "x_source", "x_partition", "x_fingerprint"}
    assert raw - normalised - {"x_dlt_load_id"} - fields == set()


def test_the_checks_know_the_columns_of_the_live_tables(clickhouse: ClickHouseConfig) -> None:
    for name, schema in LIVE_TABLES.items():
        table = LiveTable(clickhouse, Topic("deribit", "x", name, name))
        found = {column.name: column.plain_type for column in table.columns()}
        table.close()
        types = {"string": "String", "int64": "Int64", "int32": "Int32", "double": "Float64"}
        types["timestamp[ms, tz=UTC]"] = "DateTime64(3, 'UTC')"
        wanted = {field.name: types[str(field.type)] for field in schema}
        assert {column: found.get(column) for column in wanted} == wanted
    assert clickhouse_type(own_shape("deribit")[1]) == "Int64"


def without(name: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(fields: list[dict[str, Any]]) -> None:
        fields[:] = [each for each in fields if each["name"] != name]

    return change


def typed(name: str, kind: Any) -> Callable[[list[dict[str, Any]]], None]:
    def change(fields: list[dict[str, Any]]) -> None:
        next(each for each in fields if each["name"] == name)["type"] = kind

    return change


def added(field: dict[str, Any]) -> Callable[[list[dict[str, Any]]], None]:
    return lambda fields: fields.append(field)


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (lambda fields: None, []),
        (
            without("price"),
            [
                "the column price has no field. A field that was removed is put back; a new column "
                "needs a nullable field, or a default"
            ],
        ),
        (
            added({"name": "venue", "type": ["null", "string"], "default": None}),
            [
                "the field venue has no column, and would be dropped without a word. Add the "
                "column to sql/ and run: make init-clickhouse"
            ],
        ),
        (
            typed("trade_seq", "int"),
            [
                "the field trade_seq is int, the column Int64. Make the column Int32 or UInt16 or "
                "UInt32 or UInt64"
            ],
        ),
        (
            typed("price", "double"),
            [
                "the field price may not be null, the column is Nullable(Float64). Make both the "
                "same"
            ],
        ),
        (
            typed("moment", "long"),
            [
                "the field moment is long, the column DateTime64(3, 'UTC'). Make the column Int64 "
                "or UInt64"
            ],
        ),
    ],
    ids=["nothing", "dropped", "added", "type", "nullable", "logical-type"],
)
def test_a_difference_is_named_with_its_fix(
    change: Callable[[list[dict[str, Any]]], None], lines: list[str]
) -> None:
    schema: dict[str, Any] = copy.deepcopy(SCHEMA)
    change(schema["fields"])
    where = "deribit.trades.v1.avsc and deribit__live_trades: "
    found = contract.differences(DERIBIT, schema, COLUMNS)
    assert found == [where + line for line in lines]
    if lines:
        with pytest.raises(ContractBroken):
            contract.require(DERIBIT, schema, COLUMNS)


def test_a_table_without_the_place_in_kafka_is_refused() -> None:
    found = contract.differences(DERIBIT, SCHEMA, COLUMNS[:-1])
    assert found == [
        "deribit.trades.v1.avsc and deribit__live_trades: the table is missing kafka_offset, "
        "which tells the sink what it has written"
    ]


def test_the_registry_refuses_what_breaks_and_says_the_way_out() -> None:
    with SchemaRegistry() as server:
        registry = Registry(StreamingSettings(registry_url=server.url))
        schema: dict[str, Any] = DERIBIT.schema()
        assert registry.latest(DERIBIT.subject) is None
        number = registry.register(DERIBIT.subject, schema)
        assert registry.register(DERIBIT.subject, schema) == number
        assert registry.schema(number) == registry.latest(DERIBIT.subject) == schema
        newer = copy.deepcopy(schema)
        newer["fields"].append({"name": "venue", "type": "string"})
        with pytest.raises(Incompatible, match=r"make a new topic, such as deribit\.trades\.v2"):
            registry.register(DERIBIT.subject, newer)


def test_a_registry_that_is_not_there_is_named_with_the_fix() -> None:
    registry = Registry(
        StreamingSettings(registry_url="http://127.0.0.1:9", registry_password="s3cret")
    )
    with pytest.raises(RegistryError) as raised:
        registry.schema(1)
    assert str(raised.value) == (
        "The schema registry at http://127.0.0.1:9 does not answer (ConnectionError). Start it "
        "(make streaming-up), or set streaming.registry_url"
    )

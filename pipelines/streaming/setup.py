"""What has to be there before the first record: topics, and the schema in the registry.

Refuses a schema that the table does not fit, or that the registry would not take, before anything
is changed. Safe to repeat.
"""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import UserError
from pipelines.streaming import contract
from pipelines.streaming.registry import Registry
from pipelines.streaming.settings import StreamingSettings
from pipelines.streaming.sink.live_table import LiveTable
from pipelines.streaming.topics import Topic

_DAY = 86_400_000
_DEAD_DAYS = 30


def set_up(
    topic: Topic,
    settings: StreamingSettings,
    config: ClickHouseConfig,
    tell: Callable[[str], None],
) -> None:
    """Check the contract, create the topics, register the schema.

    Raises ContractBroken, Incompatible, UserError for a Kafka that does not answer.
    """
    table = LiveTable(config, topic)
    try:
        contract.require(topic, topic.schema(), table.columns())
    finally:
        table.close()
    tell(f"{topic.name}: schema and {topic.table} agree")
    create_topics(topic, settings, tell)
    registry = Registry(settings)
    number = registry.register(topic.subject, topic.schema())
    registry.require_level(topic.subject)
    tell(f"{topic.subject}: schema {number}")


def create_topics(topic: Topic, settings: StreamingSettings, tell: Callable[[str], None]) -> None:
    """The topic and that of its dead letters; one that is there stays as it is."""
    client = AdminClient(settings.kafka(log_level=0))
    replicas = 1 if len(settings.bootstrap_servers.split(",")) < 3 else 3
    wanted = [
        (topic.name, topic.partitions, topic.retention_days),
        (topic.dead_letters, 1, _DEAD_DAYS),
    ]
    for name, partitions, days in wanted:
        made = NewTopic(
            name, partitions, replicas,
            config={"retention.ms": str(days * _DAY), "cleanup.policy": "delete"},
        )  # fmt: skip
        try:
            client.create_topics([made], operation_timeout=30, request_timeout=30)[name].result()
            tell(f"{name}: created with {partitions} partitions, kept for {days} days")
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise UserError(
                    f"Kafka at {settings.bootstrap_servers}: {error.args[0].str()}. Start it: make "
                    "streaming-up; or correct [streaming] in .dlt/config.toml"
                ) from None
            tell(f"{name}: is there")

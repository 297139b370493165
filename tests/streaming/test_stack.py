"""The stream on the JVM's Kafka and registry, and Connect's worker: real processes and jars."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.streaming.records import Encoder
from pipelines.streaming.registry import Incompatible, Registry
from pipelines.streaming.topics import TOPICS
from scripts.streaming import kills, services, stack
from scripts.streaming.connector import Connect, Watchdog
from scripts.streaming.jars import fetch
from scripts.streaming.java import Missing, find_java
from scripts.streaming.rig import Feeder, Rig, producer_of, send
from scripts.streaming.smoke import Smoke
from tests.support.kill.points import STRIDE

TOPIC = TOPICS["deribit"]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Kafka, the registry and ClickHouse; skipped where Java or the jars are not to be had."""
    try:
        find_java()
        fetch()
    except Missing as reason:
        pytest.skip(str(reason))
    with Rig(tmp_path_factory.mktemp("stack") / "rig") as running:
        yield running


@pytest.mark.thorough
def test_the_smoke_test_passes(rig: Rig) -> None:
    told: list[str] = []
    Smoke(copy.copy(rig.settings), rig.config, told.append).run()
    assert told[0] == "schema and table agree on 21 fields"
    assert [line.split(":")[0] for line in told[-5:]] == [
        "a new field that may be null",
        "a required field removed",
        "poison is a dead letter",
        "poison is a dead letter",
        "the record between them is a row",
    ]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("change", "is_taken"),
    [
        ("add nullable", True),
        ("drop nullable", True),  # only the contract's test notices
        ("add required", False),
        ("drop required", False),
        ("rename", False),
        ("other type", False),
        ("nullable to required", False),
    ],
)
def test_the_registry_takes_only_what_old_and_new_can_read(
    rig: Rig, change: str, is_taken: bool
) -> None:
    registry, subject = Registry(rig.settings), f"change-{change.replace(' ', '-')}-value"
    schema: dict[str, Any] = TOPIC.schema()
    registry.register(subject, schema)
    registry.require_level(subject)
    newer = copy.deepcopy(schema)
    fields: list[dict[str, Any]] = newer["fields"]
    by_name = {each["name"]: each for each in fields}
    match change:
        case "add nullable":
            fields.append({"name": "venue", "type": ["null", "string"], "default": None})
        case "add required":
            fields.append({"name": "venue", "type": "string"})
        case "drop nullable":
            fields.remove(by_name["iv"])
        case "drop required":
            fields.remove(by_name["trade_id"])
        case "rename":
            by_name["trade_id"]["name"] = "id"
        case "other type":
            by_name["trade_seq"]["type"] = "string"
        case "nullable to required":
            by_name["iv"].update(type="double", default=0.0)
    if is_taken:
        assert registry.register(subject, newer) > 0
        return
    with pytest.raises(Incompatible, match="FULL_TRANSITIVE"):
        registry.register(subject, newer)


@pytest.mark.thorough
def test_nothing_is_lost_or_double_when_parts_of_the_stream_are_killed(rig: Rig) -> None:
    """A kill of each part and of two at once, with KILL_STRIDE=1 of every two;
    `python -m scripts.streaming kills` makes 100."""
    told: list[str] = []
    events = kills.EVENTS if STRIDE == 1 else kills.EVENTS[: len(kills.PARTS) + 2]
    found = kills.run(rig, len(events), 300.0, told.append)
    wrong = [(each.event, each.lost, each.double) for each in found if each.lost or each.double]
    assert wrong == [], told
    assert [each.event for each in found[:-1]] == list(events)
    rig.kill("sink 0")


@pytest.mark.thorough
def test_a_schema_that_changes_under_the_sink_loses_nothing(rig: Rig) -> None:
    """Records of the new schema come before their column: the sink waits for it."""
    before = rig.rows()[1]
    newer: dict[str, Any] = copy.deepcopy(TOPIC.schema())
    newer["fields"].append({"name": "venue", "type": ["null", "string"], "default": None})
    number = Registry(rig.settings).register(TOPIC.subject, newer)
    rig.start("sink 0")
    producer = producer_of(rig.settings)
    encoder = Encoder(newer, number)
    with Feeder(rig, 100.0) as feeder:
        for at in range(20):
            send(producer, encoder, 10_000_000 + at, venue="west")
        producer.flush(30)
        from pipelines.clickhouse.server.manager import ClickHouseManager

        with ClickHouseManager(rig.config) as manager:
            manager.execute(f"alter table {TOPIC.table} add column venue Nullable(String)")
            rig.wait_for(before + 20)
    rig.wait_for(before + 20 + feeder.acknowledged)
    with ClickHouseManager(rig.config) as manager:
        sql = f"select count() from {TOPIC.table} where venue = 'west'"
        assert manager.execute(sql) == [(20,)]
        manager.execute(f"alter table {TOPIC.table} drop column venue")
    rig.kill("sink 0")


@pytest.mark.thorough
def test_connects_worker_reads_the_topic_and_its_watchdog_starts_a_failed_task(
    rig: Rig, tmp_path: Path
) -> None:
    """ClickHouse's connector is in no registry that tests reach: Kafka's file sink stands in."""
    service = services.connect_worker(rig.place)
    stack.start(rig.folder, service)
    connect = Connect(service.address)
    target = tmp_path / "trades.txt"
    config = {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "tasks.max": "1",
        "topics": TOPIC.name,
        "file": str(target),
        "errors.tolerance": "none",
    }
    connect.deploy("file", config)
    producer, schema = producer_of(rig.settings), TOPIC.schema()
    encoder = Encoder(schema, Registry(rig.settings).register(TOPIC.subject, schema))
    send(producer, encoder, 20_000_000)
    producer.flush(30)
    while not (target.exists() and "trade_id=20000000" in target.read_text(encoding="utf-8")):
        assert "FAILED" not in connect.states("file"), connect.states("file")
    producer.produce(TOPIC.name, key="x", value=b"no avro")
    producer.flush(30)
    while "FAILED" not in connect.states("file"):
        pass
    watchdog = Watchdog(connect, "file", rig.settings.bootstrap_servers, TOPIC.name, "connect-file")
    said = list(watchdog.look())
    assert said[0] == "file: RUNNING, FAILED; failed tasks are started again"
    assert json.dumps(connect.plugins()).count("FileStreamSinkConnector") == 1
    connect.remove("file")

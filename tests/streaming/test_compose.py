"""compose.yaml and what it mounts: what can be held without Docker."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from pipelines.streaming.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"init", "connector"}

#: Keys of ClickHouse's sink and of Connect, by their documentation.
KEYS = {
    "connector.class", "tasks.max", "topics", "topic2TableMap", "hostname", "port", "ssl",
    "database", "username", "password", "client_version", "exactlyOnce", "timeoutSeconds",
    "retryCount", "jdbcConnectionProperties", "tableRefreshInterval", "clickhouseSettings",
    "suppressTableExistenceException", "insertFormat", "bypassRowBinary", "dateTimeFormats",
    "bypassSchemaValidation", "ignorePartitionsWhenBatching", "bufferCount", "bufferFlushTime",
    "zkPath", "zkDatabase", "keeperOnCluster", "tolerateStateMismatch", "auto.evolve",
    "errors.tolerance", "errors.log.enable", "errors.retry.timeout", "key.converter",
    "value.converter", "errors.deadletterqueue.topic.name",
    "errors.deadletterqueue.topic.replication.factor",
    "errors.deadletterqueue.context.headers.enable",
}  # fmt: skip


def variables(text: str) -> dict[str, str]:
    """Name and default of each variable that a text asks for."""
    return {
        name: default.removeprefix("-")
        for name, default in re.findall(r"(?<!\$)\$\{(\w+):([-?][^}\[]*(?:\[[^\]]*\])?)\}", text)
    }


def test_every_image_has_a_version() -> None:
    images = {name: each["image"] for name, each in SERVICES.items() if "build" not in each}
    assert images == {
        "kafka": "apache/kafka:4.3.1",
        "registry": "apicurio/apicurio-registry:3.3.3",
        "clickhouse": "clickhouse/clickhouse-server:26.9",
        "keeper": "clickhouse/clickhouse-keeper:26.9",
        "clickhouse-1": "clickhouse/clickhouse-server:26.9",
        "clickhouse-2": "clickhouse/clickhouse-server:26.9",
    }
    dockerfile = (ROOT / "configs/connect/Dockerfile").read_text(encoding="utf-8")
    stages = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert all(re.search(r":\d", each) for each in stages)
    assert "sha256sum --check" in dockerfile


def test_what_runs_is_started_by_health_and_comes_back() -> None:
    for name, each in SERVICES.items():
        for other, how in each.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert (name, other, how) == (name, other, {"condition": wanted})
        if name in ONE_SHOT:
            assert (name, each["restart"]) == (name, "no")
        else:
            assert (name, each["restart"]) == (name, "unless-stopped")
    healthy = {name for name, each in SERVICES.items() if "test" in each["healthcheck"]}
    assert healthy == set(SERVICES) - ONE_SHOT - {"watchdog"}


def test_what_has_to_survive_is_on_a_volume() -> None:
    servers = {"clickhouse", "clickhouse-1", "clickhouse-2", "keeper"}
    assert set(COMPOSE["volumes"]) == servers | {"kafka"}
    kafka = SERVICES["kafka"]
    assert kafka["volumes"] == [f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}"]
    volumes = {name: SERVICES[name]["volumes"] for name in sorted(servers)}
    assert [each[0] for each in volumes.values()] == [f"{n}:/var/lib/clickhouse" for n in volumes]
    mounted = [each.split(":")[0] for those in volumes.values() for each in those[1:]]
    assert [path for path in mounted if not (ROOT / path).is_file()] == []


def test_the_cluster_is_two_replicas_that_know_each_other_and_keeper() -> None:
    root = ET.parse(ROOT / "configs/clickhouse/cluster.xml").getroot()  # noqa: S314 (ours)
    assert [each.text for each in root.iterfind("remote_servers/main/shard/replica/host")] == [
        "clickhouse-1",
        "clickhouse-2",
    ]
    asked = {each.get("from_env") for each in root.iter()} - {None}
    for name in ("clickhouse-1", "clickhouse-2"):
        assert SERVICES[name]["environment"]["REPLICA"] == name
        assert asked <= SERVICES[name]["environment"].keys()
    node = root.find("zookeeper/node")
    keeper = ET.parse(ROOT / "configs/clickhouse/keeper.xml").getroot()  # noqa: S314 (ours)
    assert node is not None
    assert [each.text for each in node] == ["keeper", keeper.findtext("keeper_server/tcp_port")]
    assert {SERVICES[name]["profiles"][0] for name in ("keeper", "clickhouse-1")} == {"cluster"}


def test_only_kafka_is_open_to_other_machines() -> None:
    ports = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert [name for name, each in ports.items() for p in each if "127.0.0.1" not in p] == ["kafka"]


def test_every_variable_is_in_the_example_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
    asked = variables(TEXT)
    assert sorted(asked) == sorted(example)
    for name, default in asked.items():
        assert (name, example[name]) == (name, "" if default.startswith("?") else default)


def test_no_password_is_in_a_file_that_git_has() -> None:
    for path in [ROOT / "compose.yaml", ROOT / ".env.example", *(ROOT / "configs").rglob("*.*")]:
        text = path.read_text(encoding="utf-8")
        for name, value in re.findall(r"(?i)(\w*password\w*)\"?\s*[:=][ \t]*\"?([^\s\"]+)", text):
            allowed = value.startswith(("$", "…", "**"))
            assert (path.name, name, value) == (path.name, name, value if allowed else None)
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".env", "/.streaming/"} <= set(ignored)


def test_the_connectors_configuration_has_the_settings_that_were_measured() -> None:
    config = json.loads((ROOT / "configs/connect/clickhouse-sink.json").read_text())
    others = [name for name in config if not name.startswith(("value.converter.", "consumer."))]
    assert set(others) - KEYS == set()
    assert all(isinstance(value, str) for value in config.values())
    topic = TOPICS["deribit"]
    assert config["topics"] == topic.name
    assert config["topic2TableMap"] == f"{topic.name}={topic.table}"
    assert config["errors.deadletterqueue.topic.name"] == topic.dead_letters
    measured = {
        "ssl": "false",  # the task's own default is not the documented one
        "exactlyOnce": "false",
        "errors.tolerance": "none",  # with all, a restart of ClickHouse sends live rows to the DLQ
        "errors.log.enable": "false",
        "consumer.override.fetch.min.bytes": "1048576",
        "consumer.override.fetch.max.wait.ms": "500",
    }
    assert {name: config[name] for name in measured} == measured
    assert config["password"].startswith("${file:/run/secrets/")


def test_the_ingest_user_speaks_what_the_connector_reads() -> None:
    root = ET.parse(ROOT / "configs/clickhouse/ingest.xml").getroot()  # noqa: S314 (ours)
    assert root.findtext("profiles/ingest/network_compression_method") == "LZ4"
    assert root.findtext("users/ingest/profile") == "ingest"
    grants = [each.text for each in root.iterfind("users/ingest/grants/query")]
    assert f"GRANT SELECT, INSERT ON dlt.{TOPICS['deribit'].table}" in grants


@pytest.mark.parametrize("name", ["connect.properties", "docker.properties"])
def test_both_workers_have_the_same_settings(name: str) -> None:
    lines = (ROOT / "configs" / "connect" / name).read_text(encoding="utf-8").splitlines()
    found = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
    kept = ("partitions", "policy")
    assert {key: value for key, value in found.items() if key.endswith(kept)} == {
        "offset.storage.partitions": "25",
        "status.storage.partitions": "5",
        "connector.client.config.override.policy": "All",
    }  # fmt: skip
    assert {found[f"{each}.storage.topic"] for each in ("config", "offset", "status")} == {
        "_connect.configs", "_connect.offsets", "_connect.status",
    }  # fmt: skip


def test_every_jar_has_its_checksum() -> None:
    lines = (ROOT / "configs/kafka/jars.sha256").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  (kafka|plugins|archive)/\S+", line) for line in lines)
    names = {line.split("/")[-1] for line in lines}
    assert {"kafka_2.13-4.3.1.jar", "connect-file-4.3.1.jar"} <= names
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert any("confluent-kafka" in each for each in project["project"]["dependencies"])

"""Kafka, the registry and Connect as processes: how each is configured, started and found ready."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from scripts.streaming.jars import ROOT
from scripts.streaming.java import Missing

_HEAP = ("-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOGS = f"-Dlog4j2.configurationFile={ROOT / 'configs' / 'kafka' / 'log4j2.yaml'}"
_CONFIGS = ROOT / "configs"
_WAIT = 300.0  # a machine that does other work takes minutes


@dataclass(frozen=True)
class Ports:
    """Where each service listens on loopback."""

    kafka: int = 9092
    controller: int = 9093
    registry: int = 8081
    management: int = 8082
    connect: int = 8083


@dataclass(frozen=True)
class Place:
    """The folder of the stack's data, logs and pids; Java and the jars."""

    folder: Path
    jars: Path
    java: Path
    ports: Ports = Ports()

    def fill(self, name: str, **values: object) -> Path:
        """A file of configs/ with its $names filled in, in the folder."""
        text = (_CONFIGS / name).read_text(encoding="utf-8")
        target = self.folder / Path(name).name
        target.write_text(Template(text).safe_substitute(values), encoding="utf-8")
        return target


@dataclass(frozen=True)
class Service:
    """One process: its name, its command, and a function that is true once it answers."""

    name: str
    command: list[str]
    is_ready: Callable[[], bool]
    address: str


def services(place: Place, connect: bool = True) -> Iterator[Service]:
    """In the order in which they are started; each is configured when it is its turn."""
    yield kafka(place)
    yield registry(place)
    if connect:
        yield connect_worker(place)


def kafka(place: Place) -> Service:
    """One broker that is its own controller, on a formatted folder."""
    ports = place.ports
    settings = place.fill(
        "kafka/server.properties",
        port=ports.kafka, controller_port=ports.controller, folder=place.folder / "kafka",
    )  # fmt: skip
    java = [str(place.java), _LOGS, "-cp", f"{place.jars / 'kafka'}/*"]
    if not (place.folder / "kafka" / "data" / "meta.properties").exists():
        cluster = "8Zt6o8hOSRuY0rFBLv0BTA"
        run = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings)]
        formatted = subprocess.run(run, capture_output=True, text=True, check=False)
        if formatted.returncode:
            raise Missing(f"Kafka could not format its folder: {formatted.stderr.strip()[-300:]}")
    return Service(
        "kafka",
        [java[0], "-Xmx512m", *_HEAP, *java[1:], "kafka.Kafka", str(settings)],
        lambda: _has_topics(f"127.0.0.1:{ports.kafka}"),
        f"127.0.0.1:{ports.kafka}",
    )


def registry(place: Place) -> Service:
    """Apicurio, which keeps its schemas in topics of Kafka; only what fits old and new is taken."""
    ports = place.ports
    settings = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": ports.registry,
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": ports.management,  # its default is ClickHouse's native port
        "apicurio.storage.kind": "kafkasql",
        "apicurio.kafkasql.bootstrap.servers": f"127.0.0.1:{ports.kafka}",
        "apicurio.rules.global.compatibility": "FULL_TRANSITIVE",
    }
    options = [f"-D{name}={value}" for name, value in settings.items()]
    jar = place.jars / "registry" / "quarkus-run.jar"
    url = f"http://127.0.0.1:{ports.registry}/apis/ccompat/v7"
    return Service(
        "registry",
        [str(place.java), "-Xmx384m", *_HEAP, *options, "-jar", str(jar)],
        lambda: isinstance(answer(f"{url}/subjects"), list),
        url,
    )


def connect_worker(place: Place) -> Service:
    """A distributed worker with the plugins; their manifests are written the first time."""
    ports, plugins = place.ports, place.folder / "plugins"
    java = [str(place.java), _LOGS, "-cp", f"{place.jars / 'kafka'}/*"]
    if not (plugins / "complete").exists():
        shutil.copytree(place.jars / "plugins", plugins / "all", dirs_exist_ok=True)
        sync = ["org.apache.kafka.tools.ConnectPluginPath", "sync-manifests"]
        subprocess.run(
            [*java, *sync, "--plugin-path", str(plugins)], capture_output=True, check=False
        )
        (plugins / "complete").touch()
    secrets = place.folder / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    settings = place.fill(
        "connect/connect.properties",
        kafka_port=ports.kafka, port=ports.connect, registry_port=ports.registry,
        plugins=plugins, secrets=secrets,
    )  # fmt: skip
    url = f"http://127.0.0.1:{ports.connect}"
    run = ["org.apache.kafka.connect.cli.ConnectDistributed", str(settings)]
    return Service(
        "connect",
        [java[0], "-Xmx384m", *_HEAP, *java[1:], *run],
        lambda: isinstance(answer(f"{url}/connectors"), list),
        url,
    )


def wait(service: Service, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers. Raises Missing with the end of its log when it ended or took too long."""
    end = time.monotonic() + _WAIT
    while time.monotonic() < end and process.poll() is None:
        if service.is_ready():
            return
        time.sleep(0.2)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
    state = "did not answer in time" if process.poll() is None else "ended"
    raise Missing("\n".join([f"{service.name} {state}. Its log, {log}, ends with", *lines]))


def answer(url: str, method: str = "GET", body: Mapping[str, object] | None = None) -> object:
    """The JSON of an HTTP answer; None when nothing, or an error, answers."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310 (loopback, http)
    try:
        with urllib.request.urlopen(request, timeout=10) as answered:  # noqa: S310
            return json.loads(answered.read() or b"null") or []
    except (OSError, ValueError, urllib.error.HTTPError):
        return None


def _has_topics(servers: str) -> bool:
    client = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    try:
        return bool(client.list_topics(timeout=2).brokers)
    except KafkaException:
        return False

"""The whole stream in a folder of its own, to be killed and measured: broker, registry, ClickHouse
and sinks as processes, and a feeder that counts what Kafka acknowledged."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Producer

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.streaming.records import Encoder
from pipelines.streaming.registry import Registry
from pipelines.streaming.settings import StreamingSettings
from pipelines.streaming.setup import set_up
from pipelines.streaming.topics import TOPICS
from scripts.streaming import services, stack
from scripts.streaming.jars import ROOT, fetch
from scripts.streaming.java import find_java
from scripts.streaming.services import Place, Ports, Service
from scripts.streaming.smoke import trade

TOPIC = TOPICS["deribit"]
_PASSWORD = "rig"  # noqa: S105 (of a server on loopback that goes with its folder)


def free_ports(count: int) -> list[int]:
    """Ports of loopback on which nobody listens now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    found = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return found


class Rig:
    """Everything running, inside a `with`. Raises Missing where there is no Java or no jars."""

    def __init__(self, folder: Path, sinks: int = 1, **settings: Any) -> None:
        self.folder, self.count = folder, sinks
        self.place = Place(folder, fetch(), find_java(), Ports(*free_ports(5)))
        native, http = free_ports(2)
        self.config = ClickHouseConfig(
            host="127.0.0.1", port=native, http_port=http, database="live", user="rig",
            password=_PASSWORD, max_retries=1,
        )  # fmt: skip
        self.settings = StreamingSettings(
            bootstrap_servers=f"127.0.0.1:{self.place.ports.kafka}",
            registry_url=f"http://127.0.0.1:{self.place.ports.registry}/apis/ccompat/v7",
        )
        self.options, self.fed = settings, 0  # fed: the number of the next trade
        self._services: dict[str, Service] = {}
        self._sinks: list[subprocess.Popen[bytes] | None] = [None] * sinks

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        for service in services.services(self.place, connect=False):
            self._services[service.name] = service
            stack.start(self.folder, service)
        self.start("clickhouse")
        migrate(self.config, (), lambda line: None)
        set_up(TOPIC, self.settings, self.config, lambda line: None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in range(self.count):
            self.kill(f"sink {number}")
        self.kill("clickhouse")
        stack.down(self.folder)

    @property
    def environ(self) -> dict[str, str]:
        """What the project's commands need to find it."""
        config, settings = self.config, self.settings
        found = {
            "CLICKHOUSE_MODE": "local",
            "CLICKHOUSE_HOST": config.host,
            "CLICKHOUSE_PORT": str(config.port),
            "CLICKHOUSE_HTTP_PORT": str(config.http_port),
            "CLICKHOUSE_DATABASE": config.database,
            "CLICKHOUSE_USER": config.user,
            "CLICKHOUSE_PASSWORD": _PASSWORD,
            "STREAMING__BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "STREAMING__REGISTRY_URL": settings.registry_url,
        }
        return found | {f"STREAMING__{name.upper()}": str(v) for name, v in self.options.items()}

    def start(self, name: str) -> None:
        """Start what was killed, and wait until it answers; a sink is not waited for."""
        if name.startswith("sink"):
            self._start_sink(int(name.split()[1]))
        elif name == "clickhouse":
            self._start_clickhouse()
        else:
            stack.start(self.folder, self._services[name])

    def kill(self, name: str) -> None:
        """SIGKILL; nothing when it does not run."""
        if name.startswith("sink"):
            number = int(name.split()[1])
            if process := self._sinks[number]:
                process.kill()
                process.wait()
            self._sinks[number] = None
            return
        pid = self._pid(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            while stack.is_alive(pid):
                time.sleep(0.01)

    def sink_pid(self, number: int) -> int:
        """The process of a sink that runs."""
        process = self._sinks[number]
        assert process is not None  # noqa: S101 (the caller started it)
        return process.pid

    def rows(self) -> tuple[int, int]:
        """How many rows the table has, and how many trades they are; 0 while it is away."""
        sql = f"select count(), uniqExact(instrument_name, trade_seq) from {TOPIC.table}"
        try:
            with ClickHouseManager(replace(self.config, connect_timeout=2.0)) as manager:
                count, trades = manager.execute(sql)[0]
        except ClickHouseError:
            return 0, 0
        return int(count), int(trades)

    def twice_in_kafka(self) -> int:
        """How many records of a trade that another record has, too; the table merges their rows."""
        places = "uniqExact(kafka_partition, kafka_offset)"
        sql = f"select {places} - uniqExact(instrument_name, trade_seq) from {TOPIC.table}"
        with ClickHouseManager(self.config) as manager:
            return int(manager.execute(sql)[0][0])

    def wait_for(self, count: int, seconds: float = 180.0) -> float:
        """Seconds until the table has so many trades. Raises TimeoutError."""
        started = time.monotonic()
        while (found := self.rows()[1]) < count:
            if time.monotonic() - started > seconds:
                raise TimeoutError(f"{found} of {count} trades after {seconds:.0f} s")
            time.sleep(0.02)
        return time.monotonic() - started

    def _pid(self, name: str) -> int | None:
        if name != "clickhouse":
            return stack.is_running(self.folder, name)
        try:
            ready = json.loads((self.folder / "clickhouse" / "ready.json").read_text())
        except FileNotFoundError:
            return None
        pid = int(ready["pid"])
        return pid if stack.is_alive(pid) else None

    def _start_clickhouse(self) -> None:
        options = ["--dir", str(self.folder / "clickhouse"), "--port", str(self.config.port),
                   "--http-port", str(self.config.http_port), "--user", self.config.user,
                   "--password", _PASSWORD]  # fmt: skip
        run = [sys.executable, "-m", "scripts.local_clickhouse", "up", *options]
        subprocess.run(run, cwd=ROOT, check=True, capture_output=True)

    def _start_sink(self, number: int) -> None:
        with (self.folder / f"sink{number}.log").open("ab") as log:
            self._sinks[number] = subprocess.Popen(
                [sys.executable, "-m", "pipelines", "sink", TOPIC.source_name],
                cwd=ROOT, env=os.environ | self.environ, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip


@dataclass
class Feeder:
    """Produces trades at a rate, each once on a rig, and counts those that Kafka acknowledged."""

    rig: Rig
    rate: float
    acknowledged: int = 0
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        schema = TOPIC.schema()
        number = Registry(self.rig.settings).register(TOPIC.subject, schema)
        self._encoder = Encoder(schema, number)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        producer = producer_of(self.rig.settings)
        started = time.monotonic()
        while not self._ended.is_set():
            due = int((time.monotonic() - started) * self.rate)
            for _ in range(min(due - self._sent, 500)):
                send(producer, self._encoder, self.rig.fed, self._note)
                self.rig.fed += 1
                self._sent += 1
            producer.poll(0)
            self._ended.wait(0.01)
        producer.flush(120)

    def _note(self, error: object, message: object) -> None:
        if error:
            self.failed.append(str(error))
        else:
            self.acknowledged += 1


def producer_of(settings: StreamingSettings) -> Producer:
    """A producer with the collector's guarantees that waits for a broker as long as it takes."""
    options = {"enable.idempotence": True, "compression.type": "zstd", "linger.ms": 10}
    more = {"message.timeout.ms": 0, "queue.buffering.max.messages": 500_000, "log_level": 0}
    return Producer(settings.kafka(**options, **more))


def send(
    producer: Producer,
    encoder: Encoder,
    number: int,
    note: Callable[[Any, Any], None] | None = None,
    **changes: Any,
) -> None:
    """Produce one made-up trade."""
    record: Mapping[str, Any] = trade(number, **changes)
    value, key = encoder.encode(record), record["instrument_name"]
    if note is None:
        producer.produce(TOPIC.name, key=key, value=value)
    else:
        producer.produce(TOPIC.name, key=key, value=value, on_delivery=note)

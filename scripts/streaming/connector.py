"""ClickHouse's sink for Kafka Connect: deployed over the REST API, and watched.

RUNNING says nothing: a connector that sends every row to the dead letters is RUNNING, too. So the
watchdog also counts dead letters, lag and rows.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from scripts.streaming.java import Missing

_JSON = {"Content-Type": "application/json"}  # any other type is answered 415, and nothing happens


@dataclass(frozen=True)
class Connect:
    """A worker's REST API."""

    url: str

    def deploy(self, name: str, config: Mapping[str, str]) -> None:
        """Create the connector, or give it this configuration. Raises Missing with the reason."""
        self._ask("PUT", f"/connectors/{name}/config", config)

    def states(self, name: str) -> list[str]:
        """The state of the connector and of each task."""
        status = self._ask("GET", f"/connectors/{name}/status")
        return [status["connector"]["state"], *(task["state"] for task in status["tasks"])]

    def restart_failed(self, name: str) -> None:
        """Start the connector and the tasks that failed again."""
        self._ask("POST", f"/connectors/{name}/restart?includeTasks=true&onlyFailed=true", {})

    def remove(self, name: str) -> None:
        """Delete the connector; its consumer group stays."""
        self._ask("DELETE", f"/connectors/{name}")

    def plugins(self) -> list[str]:
        """The classes of the installed connectors."""
        return [each["class"] for each in self._ask("GET", "/connector-plugins")]

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, _JSON, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            told = json.loads(error.read() or b"{}").get("message", error.reason)
            raise Missing(f"Connect refuses {method} {path}: {told}") from None
        except OSError as error:
            raise Missing(
                f"Connect at {self.url} does not answer ({error}). Start it: make streaming-up"
            ) from None


@dataclass
class Watchdog:
    """Looks at a connector: restarts what failed, and says what a state does not show."""

    connect: Connect
    name: str
    servers: str
    topic: str
    group: str

    def look(self, dead_before: int = 0, most_lag: int = 10_000) -> Iterator[str]:
        """One round: what was wrong, each with what was done or is to do."""
        states = self.connect.states(self.name)
        if "FAILED" in states:
            self.connect.restart_failed(self.name)
            yield f"{self.name}: {', '.join(states)}; failed tasks are started again"
        dead, lag = self.dead_letters(), self.lag()
        if dead > dead_before:
            yield (
                f"{self.topic}.dlq: {dead - dead_before} new records. See their headers, then "
                "docs/streaming.md#skip-a-poison-record"
            )
        if lag > most_lag:
            yield f"{self.name}: {lag} records behind. See Connect's log, and ClickHouse's"

    def dead_letters(self) -> int:
        """Records in the dead letter topic."""
        return sum(end - first for first, end, _ in self._places(f"{self.topic}.dlq"))

    def lag(self) -> int:
        """Records of the topic that the connector has not committed."""
        return sum(
            end - (committed if committed >= 0 else first)
            for first, end, committed in self._places(self.topic)
        )

    def _places(self, topic: str) -> Iterator[tuple[int, int, int]]:
        settings = {"bootstrap.servers": self.servers, "group.id": self.group, "log_level": 0}
        consumer = Consumer(settings)
        try:
            for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
                place = TopicPartition(topic, number)
                first, end = consumer.get_watermark_offsets(place, timeout=10)
                yield first, end, consumer.committed([place], timeout=10)[0].offset
        finally:
            consumer.close()


def configuration(path: Path) -> dict[str, str]:
    """A connector's configuration from its file."""
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found

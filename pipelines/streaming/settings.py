"""`[streaming]`: where Kafka and the registry are, and how the collector and the sink work."""

from __future__ import annotations

from typing import Any

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from pipelines.core.partition import ConfigurationError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


@configspec
class StreamingSettings(BaseConfiguration):
    """Every key has a default: that of the stack on this machine."""

    bootstrap_servers: str = "127.0.0.1:9092"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = "SCRAM-SHA-512"
    kafka_user: str = ""
    kafka_password: TSecretStrValue = ""
    kafka_ca: str = ""
    registry_url: str = "http://127.0.0.1:8081/apis/ccompat/v7"
    registry_user: str = ""
    registry_password: TSecretStrValue = ""
    registry_ca: str = ""
    group: str = "clickhouse-sink"
    batch_rows: int = 20_000
    batch_seconds: float = 0.2
    session_seconds: float = 6.0
    keep_hours: float = 48.0
    websocket_url: str = "wss://www.deribit.com/ws/api/v2"
    connections: int = 2
    heartbeat_seconds: int = 10
    reconnect_seconds: float = 1.0
    gap_seconds: float = 1.0
    verify_seconds: float = 300.0
    recover_hours: float = 23.0
    metrics_port: int = 0

    def kafka(self, **more: Any) -> dict[str, Any]:
        """What librdkafka needs to connect, with `more` of its properties."""
        found: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL"):
            found |= {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.kafka_user,
                "sasl.password": str(self.kafka_password),
            }
        if self.kafka_ca:
            found["ssl.ca.location"] = self.kafka_ca
        return found | more


def streaming(**given: Any) -> StreamingSettings:
    """What dlt finds under `streaming`; what is given wins. Raises ConfigurationError."""
    found = resolve_configuration(
        StreamingSettings(), sections=("streaming",), explicit_value=given
    )
    if found.security_protocol not in PROTOCOLS:
        raise ConfigurationError(
            f"streaming.security_protocol is {found.security_protocol!r}. "
            f"Choose from {', '.join(PROTOCOLS)}."
        )
    for name in ("batch_rows", "batch_seconds", "connections", "reconnect_seconds"):
        if getattr(found, name) <= 0:
            raise ConfigurationError(f"streaming.{name} must be more than 0.")
    if found.heartbeat_seconds < 10:
        raise ConfigurationError("streaming.heartbeat_seconds: Deribit takes 10 or more.")
    return found

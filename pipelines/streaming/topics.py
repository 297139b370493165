"""Every topic with its contract: the Avro schema in configs/registry and the table in sql/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.partition import ConfigurationError

SCHEMAS = Path(__file__).parents[2] / "configs" / "registry"


@dataclass(frozen=True)
class Topic:
    """A topic whose records become rows of `table`; `dead` are the rows of what cannot be read.

    Records are kept for `retention_days`: longer than the batch needs to have a day. Its schema is
    in a file of its own name, or that of `contract`.
    """

    source_name: str
    name: str
    table: str
    dead: str
    partitions: int = 6
    retention_days: int = 7
    contract: str = ""

    @property
    def dead_letters(self) -> str:
        """The topic of records that could not be read."""
        return f"{self.name}.dlq"

    @property
    def subject(self) -> str:
        """The schema's name in the registry."""
        return f"{self.name}-value"

    def schema(self, folder: Path = SCHEMAS) -> dict[str, Any]:
        """The Avro schema of its records."""
        text = (folder / f"{self.contract or self.name}.avsc").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found


TOPICS: Mapping[str, Topic] = {
    "deribit": Topic(
        "deribit", "deribit.trades.v1", "deribit__live_trades", "deribit__live_dead_letters"
    )
}
"""By the source's name."""


def topic_of(source_name: str) -> Topic:
    """The topic of a source. Raises ConfigurationError for a source that does not stream."""
    if source_name not in TOPICS:
        raise ConfigurationError(f"{source_name} has no stream. Choose from: {', '.join(TOPICS)}.")
    return TOPICS[source_name]

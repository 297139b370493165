"""What the loader hands to the job that publishes: in the load package's state, not in a table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
from dlt.common.destination.client import HasFollowupJobs, RunnableLoadJob

from pipelines.core.partition import Delivery
from pipelines.destinations.failures import PublishFailed
from pipelines.destinations.layout import RawTable

PARTITION = "partition"


class FileJob(RunnableLoadJob, HasFollowupJobs):
    """One landed file: there is nothing to do until all of them are there.

    dlt has a job for that, which is never run, and waits a second for it.
    """

    def run(self) -> None:
        """The job that follows does it."""


@dataclass(frozen=True)
class Handed:
    """One landed partition: which table's, what it is, where its files lie, since when.

    `landed` is of `time.monotonic`.
    """

    raw_table: RawTable
    delivery: Delivery
    folder: Path
    landed: float

    def staged(self) -> Delivery:
        """The delivery, with the seconds since it was landed as those of staging."""
        return self.delivery.took("stage", time.monotonic() - self.landed)

    @property
    def where(self) -> str:
        """The start of an error message: source and partition."""
        return f"{self.delivery.source_name} {self.delivery.partition}: "

    def explain(self, error: Exception) -> str:
        """The error's text, beginning with the partition."""
        text = str(error)
        return text if text.startswith(self.where) else self.where + text


def handed_over(load_id: str) -> Handed:
    """The partition of the package that is being loaded. Raises PublishFailed without one."""
    state: Mapping[str, Any] | None = dlt.current.destination_state().get(PARTITION)
    if state is None:
        raise PublishFailed(
            "This destination publishes whole partitions that `python -m pipelines load` has "
            "planned. To run a source on its own, use one of dlt's destinations."
        )
    delivery = Delivery.from_json(state["delivery"]).loaded_by(load_id)
    raw_table, landed = RawTable(**state["raw_table"]), float(state["landed"])
    return Handed(raw_table, delivery, Path(state["folder"]), landed)


def is_raw(table: Mapping[str, Any]) -> bool:
    """Whether a table is a source's, and not one of dlt's own."""
    return not str(table["name"]).startswith("_dlt")

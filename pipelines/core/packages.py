"""One partition as one load package of dlt: the one place that builds and runs a dlt.pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlt
from dlt.common.pipeline import LoadInfo
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.core.partition import Changed, PartitionError, Unchanged, UserError, causes
from pipelines.destinations.failures import PublishFailed
from pipelines.destinations.filesystem import destination as filesystem
from pipelines.destinations.filesystem.store import Store


def open_pipeline(name: str, dataset: str, destination: object) -> dlt.Pipeline:
    """The pipeline into a dataset of one of our destinations."""
    pipeline = dlt.pipeline(
        pipeline_name=name, destination=_dlt_destination(destination), dataset_name=dataset
    )
    # fingerprints that lie with the data are the state; dlt's own is not asked for
    pipeline.config.restore_from_destination = False
    return pipeline


def run_package(
    pipeline: dlt.Pipeline, source: DltSource, where: str, explain: Callable[[BaseException], str]
) -> None:
    """Land and publish one partition. Raises what the user or the planner has to know.

    What a killed or failed run left in the working directory is removed and planned again. So dlt's
    schema is that of this partition alone, and only then does dlt pass its files on untouched.
    """
    for resource in source.resources.values():
        resource.apply_hints(write_disposition="append")  # the job replaces the partition
    try:
        _check_all_loaded(pipeline.drop().run(source), where)
    except PipelineStepFailed as error:
        pipeline.drop()
        raise _meant(error, where, explain) from error


def _check_all_loaded(info: LoadInfo, where: str) -> None:
    """Raises PartitionError when a job failed although dlt reports success.

    With `load.raise_on_failed_jobs = false` dlt records a failed job and goes on.
    """
    failed = [job for package in info.load_packages for job in package.jobs["failed_jobs"]]
    if failed:
        lines = (failed[0].failed_message or "").strip().splitlines() or [failed[0].file_path]
        reason = lines[-1].rpartition(f"{PublishFailed.__name__}: ")[2]
        raise PartitionError(reason if reason.startswith(where) else f"{where}: {reason}")
    if not info.load_packages or any(each.state != "loaded" for each in info.load_packages):
        raise PartitionError(f"{where}: the load was stopped before it was published. Run again.")


def _meant(
    error: PipelineStepFailed, where: str, explain: Callable[[BaseException], str]
) -> Exception:
    """The error inside dlt's that says what happened."""
    found = list(causes(error))
    for cause in found:
        if isinstance(cause, PublishFailed):
            return PartitionError(str(cause))
    for kind in (Changed, Unchanged, UserError):
        for cause in found:
            if isinstance(cause, kind):
                return cause
    text = explain(found[-1])  # dlt wraps from the outside
    return PartitionError(
        f"{where}: {text}. The published partition stays; --debug shows where it happened."
    )


def _dlt_destination(destination: object) -> Any:
    if isinstance(destination, Store):
        return filesystem.filesystem_partitions(destination_name="filesystem")
    # ClickHouse's clients take a while to import
    from pipelines.destinations.clickhouse.destination import destination_of
    from pipelines.destinations.clickhouse.warehouse import Warehouse

    if not isinstance(destination, Warehouse):
        raise TypeError(f"unsupported destination: {destination!r}")
    return destination_of(destination)

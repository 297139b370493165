"""dlt's filesystem destination, with partitions that are replaced whole.

dlt carries one small row per partition; the load job of that row publishes the landed files. Only
the choice of the job is overridden: everything else (state, schemas, `_dlt_loads`) is dlt's own.
Its stock `merge` on parquet would silently append, and its put is not atomic for readers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration import resolve_configuration
from dlt.common.destination.client import LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages import FileStorage
from dlt.common.storages.configuration import FilesystemConfigurationWithLocalFiles
from dlt.common.storages.fsspec_filesystem import fsspec_from_config
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient, FilesystemLoadJob

from pipelines.core import workdir
from pipelines.core.partition import Delivery, UserError
from pipelines.destinations.failures import PublishFailed
from pipelines.destinations.filesystem.store import LocalStore, ObjectStore, Store
from pipelines.destinations.layout import Place


class PartitionJob(FilesystemLoadJob):
    """Publishes the one partition that its row names, then stores the row. Repeatable."""

    def run(self) -> None:
        """Raises PublishFailed with the reason; the published partition then is as it was."""
        store = open_store(self._job_client.config)
        with FileStorage.open_zipsafe_ro(self._file_path, "r", encoding="utf-8") as lines:
            recipes = [json.loads(line)["recipe"] for line in lines]
        try:
            for recipe in recipes:
                delivery = Delivery.from_json(recipe["delivery"]).loaded_by(self._load_id)
                store.publish_raw(Place(**recipe["place"]), Path(recipe["folder"]), delivery)
        except (UserError, OSError) as error:
            raise PublishFailed(str(error)) from error
        super().run()


class PartitionClient(FilesystemClient):
    """dlt's client with our job for tables that carry `x-publish`."""

    def create_dataset(self) -> None:
        """As dlt's, but a folder that a killed run left without its init file is no error."""
        self.fs_client.makedirs(self.dataset_path, exist_ok=True)

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """The job of one file: ours for a delivery, dlt's for everything else."""
        if table.get("x-publish"):
            return PartitionJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)


class filesystem_partitions(dlt.destinations.filesystem):  # noqa: N801 (dlt names them so)
    """`destination.filesystem` of dlt's configuration, with PartitionClient."""

    @property
    def client_class(self) -> type[FilesystemClient]:
        """What dlt loads with."""
        return PartitionClient


filesystem_partitions.register()


def configured_store() -> Store:
    """The store that `[destination.filesystem]` means. Missing keys raise dlt's own error."""
    return open_store(
        resolve_configuration(
            FilesystemConfigurationWithLocalFiles(local_dir="."),
            sections=("destination", "filesystem"),
        )
    )


def open_store(config: Any) -> Store:
    """The store at a resolved filesystem configuration's bucket_url."""
    fs, path = fsspec_from_config(config)
    if config.is_local_filesystem:
        return LocalStore(fs, config.make_local_path(config.bucket_url))
    scratch = workdir.data_dir() / "staging" / config.fingerprint()
    return ObjectStore(fs, path, scratch)

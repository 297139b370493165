"""dlt's filesystem destination, with partitions that are replaced whole.

The landed files of a partition are the files of one load package. dlt's hook for "all files of a
table are there", which commits a Delta or Iceberg table, publishes the partition here. Everything
else (schemas, `_dlt_loads`) is dlt's own. Its stock `merge` on parquet would silently append, and
its put is not atomic for readers.
"""

from __future__ import annotations

import json
from typing import Any

import dlt
from dlt.common.configuration import resolve_configuration
from dlt.common.destination.client import LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages.configuration import FilesystemConfigurationWithLocalFiles
from dlt.common.storages.fsspec_filesystem import fsspec_from_config
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient, ReferenceFollowupJob
from dlt.destinations.job_impl import ReferenceFollowupJobRequest

from pipelines.core import workdir
from pipelines.core.partition import UserError
from pipelines.destinations.failures import PublishFailed
from pipelines.destinations.filesystem.store import LocalStore, ObjectStore, Store
from pipelines.destinations.handover import FileJob, handed_over, is_raw
from pipelines.destinations.layout import MANIFEST
from pipelines.destinations.resolving import ResolvedOnce


class PartitionJob(ReferenceFollowupJob):
    """Publishes the partition of its package, once dlt has all of its files. Repeatable."""

    def run(self) -> None:
        """Raises PublishFailed with the reason; the published partition then is as it was."""
        handed = handed_over(self._load_id)
        store = open_store(self._job_client.config)
        try:
            store.publish_raw(handed.raw_table, handed.folder, handed.staged())
        except (UserError, OSError) as error:
            raise PublishFailed(handed.explain(error)) from error


class PartitionClient(FilesystemClient):
    """dlt's client, which publishes raw tables by our job and reads what is published of them."""

    def create_dataset(self) -> None:
        """As dlt's, but a folder that a killed run left without its init file is no error."""
        self.fs_client.makedirs(self.dataset_path, exist_ok=True)

    @staticmethod
    def get_reference_followup_job_class(
        table: PreparedTableSchema,
    ) -> type[ReferenceFollowupJob] | None:
        """What follows when all files of a table are there."""
        return PartitionJob if is_raw(table) else None

    def get_load_job_class(self, table: PreparedTableSchema, file_path: str) -> type[LoadJob]:
        """As dlt's, but for the files of raw tables."""
        is_file = is_raw(table) and not ReferenceFollowupJobRequest.is_reference_job(file_path)
        return FileJob if is_file else super().get_load_job_class(table, file_path)

    def list_table_files(self, table_name: str, schema_name: str | None = None) -> list[str]:
        """The committed files alone: what else lies in the folders is on its way in or out."""
        if self.is_dlt_table(table_name):
            return super().list_table_files(table_name, schema_name)
        store, found = open_store(self.config), list[str]()
        for path in store.glob(f"{store.root}/{self.dataset_name}/{table_name}/*/{MANIFEST}"):
            names = [file["name"] for file in json.loads(store.read(path))["files"]]
            found += [path.replace(MANIFEST, name) for name in names]
        return found


class filesystem_partitions(ResolvedOnce, dlt.destinations.filesystem):  # noqa: N801 (dlt names them so)
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

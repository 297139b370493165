"""What older versions kept on the filesystem destination and nothing reads any more."""

from __future__ import annotations

from typing import Protocol

from pipelines.destinations.layout import RawTable


class Folders(Protocol):
    """What it takes of a store."""

    def raw(self, raw_table: RawTable, partition: str = "") -> str:
        """The folder of a raw table."""

    def glob(self, pattern: str) -> list[str]:
        """The matching paths, sorted."""

    def remove_folder(self, source_name: str, folder: str) -> None:
        """Delete a folder with all its files."""


def remove_older(store: Folders, raw_table: RawTable) -> None:
    """Remove the folder of the rows that dlt carried until 0.1, one file per publishing."""
    folder = f"{store.raw(raw_table)}_deliveries"
    if store.glob(f"{folder}/*"):
        store.remove_folder(raw_table.source_name, folder)

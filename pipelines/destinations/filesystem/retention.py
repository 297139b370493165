"""Retention on the filesystem: `_retention_<table>.json` beside the raw table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Protocol
from uuid import uuid4

from fsspec import AbstractFileSystem

from pipelines.core.partition import Selection, now
from pipelines.destinations.layout import MANIFEST, RawTable
from pipelines.destinations.retention import Horizon


class Files(Protocol):
    """What retention needs of a store: where a table's files lie, and to change them whole."""

    fs: AbstractFileSystem

    def raw(self, raw_table: RawTable, partition: str = "") -> str:
        """The folder of a raw table, or of one of its partitions."""

    def normalized(self, raw_table: RawTable, partition: str) -> str:
        """The normalised file of a partition."""

    def mart(self, name: str, source_name: str, partition: str) -> str:
        """A partition's file in a mart."""

    def retained(self, raw_table: RawTable) -> str:
        """The note of what is kept."""

    def listing(self, raw_table: RawTable) -> str:
        """The note of what the provider has."""

    def provider(self, raw_table: RawTable) -> list[dict[str, str]]:
        """The partitions that the provider had when it was last listed."""

    def glob(self, pattern: str) -> list[str]:
        """The matching paths, sorted."""

    def read(self, path: str) -> bytes:
        """The content of a small file, such as a JSON note."""

    def target(self, source_name: str) -> Path:
        """A local path for a file that is to be published."""

    def publish_file(self, source: Path, target: str) -> None:
        """Make a local file the published one, in one step."""

    def remove_folder(self, source_name: str, folder: str) -> None:
        """Remove a partition's folder, gone for readers in one step. Repeatable."""


class StoreRetention:
    """What is kept of one raw table and of the tables that are computed from it."""

    def __init__(self, store: Files, raw_table: RawTable) -> None:
        self.store, self.raw_table = store, raw_table

    def now(self) -> datetime:
        """This machine's clock."""
        return now()

    def horizon(self) -> Horizon:
        """The recorded horizon; an empty one when nothing was ever pruned."""
        try:
            found = json.loads(self.store.read(self.store.retained(self.raw_table)))
        except FileNotFoundError:
            return Horizon()
        return Horizon(found["first"], tuple(found["removing"]))

    def note(self, horizon: Horizon) -> None:
        """Record the horizon in one file, with one atomic write."""
        self._publish(asdict(horizon), self.store.retained(self.raw_table))

    def partitions(self) -> list[str]:
        """Every partition that lies there, raw or normalised, damaged or not."""
        patterns = (
            f"{self.store.raw(self.raw_table)}/{self.raw_table.column}=*",
            str(PurePosixPath(self.store.normalized(self.raw_table, "*")).parent),
        )
        paths = [path for pattern in patterns for path in self.store.glob(pattern)]
        return sorted({PurePosixPath(path).name.partition("=")[2] for path in paths})

    def remove(self, partition: str) -> None:
        """Raw, then the marts' files, then the normalised one; the history stays."""
        self.store.remove_folder(
            self.raw_table.source_name, self.store.raw(self.raw_table, partition)
        )
        self._remove_files(
            self.store.glob(self.store.mart("*", self.raw_table.source_name, partition))
        )
        normalized = self.store.normalized(self.raw_table, partition)
        folder = str(PurePosixPath(normalized).parent)
        self.store.remove_folder(self.raw_table.source_name, folder)

    def forget(self, horizon: Horizon) -> None:
        """Rewrite the note of what the provider has."""
        known = [each["partition"] for each in self.store.provider(self.raw_table)]
        self.forget_unwanted([key for key in known if key not in Selection(horizon.first)])

    def forget_unwanted(self, partitions: Collection[str]) -> None:
        """Rewrite the note without these partitions."""
        known = self.store.provider(self.raw_table)
        kept = [each for each in known if each["partition"] not in partitions]
        if kept != known:
            self._publish(kept, self.store.listing(self.raw_table))

    def _publish(self, document: object, path: str) -> None:
        target = self.store.target(self.raw_table.source_name)
        target.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        self.store.publish_file(target, path)

    def _remove_files(self, paths: Iterable[str]) -> None:
        for path in paths:
            self.store.fs.rm_file(path)


def remove_local(folder: Path, scratch: Path) -> None:
    """Out of readers' sight by one rename; what a killed run left there, the next one removes."""
    if folder.exists():
        scratch.mkdir(parents=True, exist_ok=True)
        aside = scratch / f"removed-{uuid4().hex[:12]}"
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def commit_first(paths: Sequence[str]) -> list[str]:
    """The order in which an object store's folder goes: without its commit it is not there."""
    return sorted(paths, key=lambda path: PurePosixPath(path).name != MANIFEST)

"""How a partition is published whole on the filesystem destination, and read back.

Raw: `_delivery.json` names the committed files. On a local disk the whole folder is exchanged in
one step; on an object store the files come first under new names, then `_delivery.json` by one
PUT, then the old files go. Normalised, mart and history: one file each, replaced by one rename or
one PUT. So every reader sees the old partition or the new one.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from glob import escape
from pathlib import Path, PurePosixPath
from typing import IO, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipelines.core import workdir
from pipelines.core.lock import held
from pipelines.core.partition import Delivery, Partition, PartitionError
from pipelines.destinations.filesystem.footers import (
    footer_of,
    read_footers,
    rows_of,
    same_footer,
)
from pipelines.destinations.filesystem.readings import StoreReadings
from pipelines.destinations.filesystem.retention import StoreRetention, commit_first, remove_local
from pipelines.destinations.filesystem.swap import link_file, swap_folder, sync
from pipelines.destinations.layout import MANIFEST, Layout, RawTable
from pipelines.destinations.older import remove_older
from pipelines.destinations.retention import finish
from pipelines.tables import daily
from pipelines.tables.schema import deliveries_schema

log = logging.getLogger(__name__)


class Store(Layout):
    """A filesystem destination. Subclasses say how bytes get to their place in one step."""

    kind = "filesystem"

    def __init__(self, fs: AbstractFileSystem, root: str, scratch: Path) -> None:
        super().__init__(root)
        self.fs = fs
        self.scratch = scratch

    def deliveries(
        self, raw_table: RawTable, on_damage: Callable[[PartitionError], None] | None = None
    ) -> dict[str, Delivery]:
        """The committed raw partitions by key. A `_delivery.json` that cannot be read raises
        PartitionError, or is passed to `on_damage` and left out."""
        found = {}
        for path in self.glob(self.raw(raw_table) + f"/{raw_table.column}=*/{MANIFEST}"):
            found_in = PurePosixPath(path).parent.name
            try:
                delivery = Delivery.from_json(json.loads(self.read(path)))
            except FileNotFoundError:  # replaced while we look: an object store is not a snapshot
                continue
            except (ValueError, KeyError, TypeError) as error:
                damage = PartitionError(
                    f"{path} is damaged ({error!r}). `python -m pipelines load` replaces it."
                )
                if on_damage is None:
                    raise damage from error
                on_damage(damage)
                continue
            found[found_in.partition("=")[2]] = delivery
        return found

    def provider(self, raw_table: RawTable) -> list[dict[str, str]]:
        """What the provider had when a run last listed it: partition, fingerprint, delivered_at."""
        try:
            return list(json.loads(self.read(self.listing(raw_table))))
        except FileNotFoundError:
            return []

    def remember_provider(self, raw_table: RawTable, partitions: Iterable[Partition]) -> None:
        """Note what a listing showed, so that a check can tell what has not been published since.

        Partitions outside the listing keep their note; nothing is written when nothing changed.
        """
        known = {entry["partition"]: entry for entry in self.provider(raw_table)}
        new = known | {
            p.key: p.to_note()
            for p in partitions
            if known.get(p.key, {}).get("fingerprint") != p.fingerprint
        }
        if new != known:
            target = self.target(raw_table.source_name)
            target.write_text(json.dumps([new[key] for key in sorted(new)], indent=1) + "\n")
            self.publish_file(target, self.listing(raw_table))

    def published(self, raw_table: RawTable) -> dict[str, str]:
        """The fingerprint of each committed raw partition; a damaged one is loaded again."""
        found = self.deliveries(raw_table, on_damage=lambda damage: log.warning("%s", damage))
        return {key: each.fingerprint for key, each in found.items()}

    @contextmanager
    def locked(self, source_name: str) -> Iterator[None]:
        """The lock of a source's run: of the working folder, and of the data when it is on disk."""
        with ExitStack() as locks:
            for path in self.lock_files(source_name):
                locks.enter_context(held(path, f"{source_name} ({path})"))
            yield

    def lock_files(self, source_name: str) -> list[Path]:
        """Lock files of a source's running commands."""
        return [workdir.lock_file(source_name, self.kind)]

    def footers(self, raw_table: RawTable) -> dict[str, Mapping[str, str]]:
        """The footer metadata of each normalised partition by key; {} of one that is damaged."""
        paths = self.glob(self.normalized(raw_table, "*"))
        found_in = {PurePosixPath(path).parent.name.partition("=")[2]: path for path in paths}
        return read_footers(self.open, found_in)

    def daily_footers(self, raw_table: RawTable) -> dict[str, Mapping[str, str]]:
        """The same of a cost source's daily rows."""
        start = f"{raw_table.source_name}-"
        paths = self.glob(self.mart(daily.NAME, raw_table.source_name, "*"))
        return read_footers(self.open, {PurePosixPath(p).stem[len(start) :]: p for p in paths})

    def rows_of_history(self, source_name: str, partition: str) -> list[dict[str, Any]]:
        """The publishing history of a partition, oldest first; one dict per `deliveries` row."""
        try:
            with self.open(self.history(source_name, partition)) as file:
                return rows_of(file)
        except FileNotFoundError:
            return []

    def raw_files(self, raw_table: RawTable, delivery: Delivery) -> list[str]:
        """The committed raw files of a delivery, in its order."""
        folder = self.raw(raw_table, delivery.partition)
        return [f"{folder}/{file['name']}" for file in delivery.files]

    def landing(self, source_name: str) -> Path:
        """An empty local folder in which a delivery of `source_name` is landed."""
        return workdir.empty_folder(self.scratch, source_name)

    def explain(self, error: BaseException) -> str:
        """What an error that dlt met here means: an OSError speaks for itself."""
        return str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"

    def target(self, source_name: str) -> Path:
        """A local path that no reader looks at, for a file that is to be published."""
        (self.scratch / source_name).mkdir(parents=True, exist_ok=True)
        return self.scratch / source_name / f"{uuid4().hex}.partial"

    def recover(self, raw_table: RawTable) -> None:
        """Remove what a killed run and older versions left behind, and finish pruning."""
        workdir.remove(self.scratch, raw_table.source_name)
        finish(self.retention(raw_table))
        remove_older(self, raw_table)

    def retention(self, raw_table: RawTable) -> StoreRetention:
        """What is kept of a raw table."""
        return StoreRetention(self, raw_table)

    def readings(self, raw_table: RawTable) -> StoreReadings:
        """When each partition of a raw table was last read."""
        return StoreReadings(self, raw_table)

    def add_to_history(self, row: Mapping[str, Any]) -> None:
        """Append one row to a partition's history."""
        source_name, partition = row["word"], row["partition"]
        rows = [*self.rows_of_history(source_name, partition), dict(row)]
        target = self.target(source_name)
        pq.write_table(pa.Table.from_pylist(rows, deliveries_schema()), target)
        self.publish_file(target, self.history(source_name, partition))

    def publish_raw(self, raw_table: RawTable, folder: Path, delivery: Delivery) -> None:
        """Make the landed files of `folder` the partition. Repeatable; old content goes."""
        raise NotImplementedError

    def publish_file(self, source: Path, target: str) -> None:
        """Make a local file the published one, in one step. `source` is used up."""
        raise NotImplementedError

    def publish_again(self, published: str, target: str, source_name: str) -> None:
        """Publish an already published file under a second name."""
        raise NotImplementedError

    def is_same(self, published: str, target: str) -> bool:
        """Whether `target` is the published file under its second name."""
        raise NotImplementedError

    def remove_folder(self, source_name: str, folder: str) -> None:
        """Remove a partition's folder, gone for readers in one step. Repeatable."""
        raise NotImplementedError

    # bytes

    def glob(self, pattern: str) -> list[str]:
        """The matching paths, sorted."""
        below = pattern.removeprefix(self.root)
        return sorted(str(path) for path in self.fs.glob(escape(self.root) + below))

    def read(self, path: str) -> bytes:
        """The content of a small file, such as a JSON note."""
        return bytes(self.fs.cat_file(path))

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A binary file, read by ranges."""
        with self.fs.open(path, "rb") as file:
            yield file


class LocalStore(Store):
    """On a local disk: folders are exchanged, files renamed."""

    def __init__(self, fs: AbstractFileSystem, root: str) -> None:
        super().__init__(fs, root, Path(root, ".staging"))

    def lock_files(self, source_name: str) -> list[Path]:
        """Also beside the data, so that two working folders cannot load one folder at once."""
        return [Path(self.root, ".locks", f"{source_name}.lock"), *super().lock_files(source_name)]

    def publish_raw(self, raw_table: RawTable, folder: Path, delivery: Delivery) -> None:
        """The landing folder itself becomes the partition: nothing is copied."""
        (folder / MANIFEST).write_text(_manifest(delivery))
        sync(*folder.iterdir(), folder)
        swap_folder(folder, Path(self.raw(raw_table, delivery.partition)))
        shutil.rmtree(folder, ignore_errors=True)

    def publish_file(self, source: Path, target: str) -> None:
        """Rename; `source` must come from `target()`, on the same disk."""
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        sync(source)
        source.replace(target)

    def publish_again(self, published: str, target: str, source_name: str) -> None:
        """A hard link: no second copy of the rows."""
        link_file(Path(published), Path(target), self.scratch / source_name)

    def is_same(self, published: str, target: str) -> bool:
        """The same inode; a copy (a disk without links) counts by size and footer."""
        first, second = Path(published), Path(target)
        if not second.exists():
            return False
        return first.samefile(second) or same_footer(first, second)

    def remove_folder(self, source_name: str, folder: str) -> None:
        """Rename the folder away in one step, then delete its files."""
        remove_local(Path(folder), self.scratch / source_name)


class ObjectStore(Store):
    """On an object store: a PUT is whole or not there; `_delivery.json` is the commit."""

    def publish_raw(self, raw_table: RawTable, folder: Path, delivery: Delivery) -> None:
        """New names first, the commit, then the old files."""
        target = self.raw(raw_table, delivery.partition)
        wanted = {MANIFEST, *(str(file["name"]) for file in delivery.files)}
        for file in delivery.files:
            self.fs.put_file(str(folder / str(file["name"])), f"{target}/{file['name']}")
        self.fs.pipe_file(f"{target}/{MANIFEST}", _manifest(delivery).encode())
        self.fs.invalidate_cache(target)
        if old := [p for p in self.fs.find(target) if PurePosixPath(p).name not in wanted]:
            self.fs.rm(old)
        shutil.rmtree(folder, ignore_errors=True)

    def publish_file(self, source: Path, target: str) -> None:
        """Upload the file in one request: readers see it only when it is complete."""
        self.fs.put_file(str(source), target)
        self.fs.invalidate_cache()
        source.unlink()

    def publish_again(self, published: str, target: str, source_name: str) -> None:
        """A copy made by the store itself."""
        self.fs.cp_file(published, target)
        self.fs.invalidate_cache()

    def is_same(self, published: str, target: str) -> bool:
        """Equal footers: fingerprint and time of publishing are in them."""
        try:
            with self.open(published) as one, self.open(target) as two:
                return footer_of(pq.ParquetFile(one)) == footer_of(pq.ParquetFile(two))
        except FileNotFoundError:
            return False

    def remove_folder(self, source_name: str, folder: str) -> None:
        """Delete `_delivery.json` first: without it readers ignore the other objects."""
        self.fs.invalidate_cache()
        for path in commit_first(self.fs.find(folder)):
            self.fs.rm_file(path)

    def glob(self, pattern: str) -> list[str]:
        """As the store has it now, not as it was listed before."""
        self.fs.invalidate_cache()
        return super().glob(pattern)


def _manifest(delivery: Delivery) -> str:
    return json.dumps(delivery.to_json(), indent=1) + "\n"

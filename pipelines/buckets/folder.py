"""A folder that holds what a provider delivered: `file:///folder`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dlt.common.storages.configuration import FilesystemConfiguration

from pipelines.buckets.objects import Object
from pipelines.core.partition import Changed, ConfigurationError, PartitionError


class FolderBucket:
    """A copy of a bucket on disk. The ETag is made of modification time, inode and size.

    `variables` is the section of the configuration in capitals, such as SOURCES__AWS.
    """

    def __init__(self, url: str, variables: str) -> None:
        self.url, self._variables = url, variables
        self._word = variables.split("__")[1].lower()
        self.root = Path(FilesystemConfiguration.make_local_path(url))

    def list(self) -> list[Object]:
        """Every file below the folder. Raises ConfigurationError when there is no such folder."""
        if not self.root.is_dir():
            raise ConfigurationError(
                f"{self.root} is not a folder. Set {self._variables}__BUCKET_URL to the folder "
                f"that holds the export, for example file:///data/{self._word}-billing.{self._forgotten_scheme()}"
            )
        found = []
        for folder, _, names in os.walk(self.root, onerror=_refuse, followlinks=True):
            for name in names:
                path = Path(folder, name)
                try:
                    found.append(self._object(path))
                except FileNotFoundError:  # removed while we list: as if listed a moment later
                    continue
        return sorted(found)

    def read(self, item: Object) -> bytes:
        """The content of the listed version. Raises Changed when it was replaced or removed."""
        source = self.root / item.key
        try:
            self._unchanged(source, item)
            content = source.read_bytes()
            self._unchanged(source, item)
        except FileNotFoundError as error:
            raise Changed(f"{item.key} has disappeared") from error
        except OSError as error:
            raise _unreadable(source, error) from error
        return content

    def fetch(self, wanted: Sequence[tuple[Object, Path]], advance: Callable[[int], None]) -> None:
        """Copy each file; a file that is not as listed, before or after, raises Changed."""
        for item, target in wanted:
            source = self.root / item.key
            try:
                self._unchanged(source, item)
                shutil.copyfile(source, target)
                self._unchanged(source, item)
            except FileNotFoundError as error:
                if error.filename == str(target):
                    raise
                raise Changed(f"{item.key} has disappeared") from error
            except PermissionError as error:
                raise _unreadable(source, error) from error
            advance(item.size)

    def _forgotten_scheme(self) -> str:
        """dlt takes a URL without a scheme for a folder below the working directory."""
        if not self.root.is_relative_to(Path.cwd()):
            return ""
        return f" A bucket on S3 is written s3://{self.root.relative_to(Path.cwd()).as_posix()}."

    def _unchanged(self, path: Path, item: Object) -> None:
        if self._object(path) != item:
            raise Changed(f"{item.key} was replaced while it was read")

    def _object(self, path: Path) -> Object:
        stat = path.stat()
        return Object(
            key=path.relative_to(self.root).as_posix(),
            etag=f"{stat.st_mtime_ns:x}-{stat.st_ino:x}-{stat.st_size:x}",
            size=stat.st_size,
            modified=datetime.fromtimestamp(stat.st_mtime_ns / 1e9, UTC),
        )


def _refuse(error: OSError) -> None:
    """A folder that cannot be listed would hide periods."""
    raise _unreadable(Path(error.filename), error) from error


def _unreadable(path: Path, error: OSError) -> PartitionError:
    """A file that this user may not read."""
    return PartitionError(f"{path}: {error.strerror}. Make it readable for this user.")

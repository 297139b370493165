"""The bucket that AWS delivers into: list it, read a small object, fetch a large one.

Two kinds, one interface: `s3://` through boto3 and `file://` through the file system. Fetching is
bound to the ETag that was listed, so bytes of a newer delivery never slip in unseen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ProfileNotFound,
)
from dlt.common.configuration.specs import AwsCredentials
from dlt.common.storages.configuration import FilesystemConfiguration
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError
from s3transfer.futures import TransferFuture
from s3transfer.subscribers import BaseSubscriber

from pipelines.core.partition import Changed, ConfigurationError, UserError
from pipelines.providers.aws.s3_errors import CREDENTIALS_FIX, code, explain, unreadable

MB = 1024 * 1024

_CHANGED = ("PreconditionFailed", "412", "NoSuchKey", "404")
_TRANSFER = (RetriesExceededError, S3DownloadFailedError)  # the latter: another ETag, or length


@dataclass(frozen=True, order=True)
class Object:
    """One object of a listing. `key` is relative to the bucket URL; `modified` is UTC."""

    key: str
    etag: str
    size: int
    modified: datetime


class Bucket(Protocol):
    """Where AWS delivers. Errors are UserErrors that name the place and the fix."""

    url: str

    def list(self) -> list[Object]:
        """Every object below the URL, in key order."""

    def read(self, item: Object) -> bytes:
        """A small object, whole and exactly as listed. Raises Changed when it was replaced."""

    def fetch(self, wanted: Sequence[tuple[Object, Path]], advance: Callable[[int], None]) -> None:
        """Each object into its file, exactly as listed. Raises Changed when one was replaced."""


def open_bucket(url: str, credentials: Any) -> Bucket:
    """The bucket at `url` (`s3://bucket/prefix` or `file:///folder`)."""
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return FolderBucket(url)
    if scheme == "s3":
        if not isinstance(credentials, AwsCredentials):
            raise ConfigurationError(f"{url}: no AWS credentials. {CREDENTIALS_FIX}")
        return S3Bucket(url, credentials)
    raise ConfigurationError(
        f"sources.aws.bucket_url is {url!r}: AWS delivers to s3://bucket/prefix; "
        "a copy on disk is file:///folder. Set SOURCES__AWS__BUCKET_URL to one of them."
    )


class FolderBucket:
    """A copy of a bucket on disk. The ETag is made of modification time, inode and size."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.root = Path(FilesystemConfiguration.make_local_path(url))

    def list(self) -> list[Object]:
        """Every file below the folder. Raises ConfigurationError when there is no such folder."""
        if not self.root.is_dir():
            raise ConfigurationError(
                f"{self.root} is not a folder. Set SOURCES__AWS__BUCKET_URL to the folder that "
                f"holds the export, for example file:///data/aws-billing.{self._forgotten_scheme()}"
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
            raise unreadable(source, error) from error
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
                raise unreadable(source, error) from error
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
    raise unreadable(Path(error.filename), error) from error


class S3Bucket:
    """A bucket on S3 or on a store that speaks its API (credentials.endpoint_url)."""

    def __init__(self, url: str, credentials: AwsCredentials) -> None:
        self.url = url
        self.bucket, _, folder = url.removeprefix("s3://").partition("/")  # a key may hold ? and #
        self.prefix = folder.strip("/") + "/" if folder.strip("/") else ""
        self._client = _client(url, credentials)

    def list(self) -> list[Object]:
        """Every object below the prefix: one LIST request per 1,000 objects."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix
        )
        found = []
        try:
            for page in pages:
                found += [
                    Object(
                        key=item["Key"][len(self.prefix) :],
                        etag=item["ETag"].strip('"'),
                        size=item["Size"],
                        modified=item["LastModified"].astimezone(UTC),
                    )
                    for item in page.get("Contents", ())
                    if not item["Key"].endswith("/")  # the console's folder markers
                ]
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error, self.url) from error
        return sorted(found)

    def read(self, item: Object) -> bytes:
        """The object's bytes, under If-Match of the listed ETag."""
        try:
            answer = self._client.get_object(
                Bucket=self.bucket, Key=self.prefix + item.key, IfMatch=f'"{item.etag}"'
            )
            body: bytes = answer["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise self._changed_or_explained(error, item) from error
        return body

    def fetch(self, wanted: Sequence[tuple[Object, Path]], advance: Callable[[int], None]) -> None:
        """Download in parallel ranges, each under If-Match of the listed ETag."""
        config = TransferConfig(
            max_concurrency=8,
            multipart_chunksize=16 * MB,
            multipart_threshold=1,  # below it there would be no If-Match
            preferred_transfer_client="classic",  # the other one does not ask our subscribers
        )
        with create_transfer_manager(self._client, config) as manager:
            running = [
                (
                    item,
                    target,
                    manager.download(
                        self.bucket,
                        self.prefix + item.key,
                        str(target),
                        subscribers=[_AsListed(item), _Advance(advance)],
                    ),
                )
                for item, target in wanted
            ]
            self._collect(running)

    def _collect(self, running: Sequence[tuple[Object, Path, TransferFuture]]) -> None:
        for item, target, future in running:
            try:
                future.result()
                if (future.meta.etag.strip('"'), target.stat().st_size) != (item.etag, item.size):
                    raise Changed(f"{item.key} was replaced while it was read")
            except (Changed, ClientError, BotoCoreError, *_TRANSFER) as error:
                for _, _, other in running:
                    other.cancel()
                if isinstance(error, Changed):
                    raise
                raise self._changed_or_explained(error, item) from error

    def _changed_or_explained(self, error: Exception, item: Object) -> Exception:
        if code(error) in _CHANGED or isinstance(error, S3DownloadFailedError):
            return Changed(f"{item.key} was replaced while it was read")
        return self._explained(error, item.key)

    def _explained(self, error: Exception, where: str) -> UserError:
        return explain(error, self.bucket, where)


class _AsListed(BaseSubscriber):  # type: ignore[misc]  # s3transfer has no types
    """Tells the transfer the size and the ETag of the listing: no HEAD, and If-Match on all."""

    def __init__(self, item: Object) -> None:
        self.item = item

    def on_queued(self, future: TransferFuture, **_: Any) -> None:
        future.meta.provide_transfer_size(self.item.size)
        future.meta.provide_object_etag(f'"{self.item.etag}"')


class _Advance(BaseSubscriber):  # type: ignore[misc]  # s3transfer has no types
    def __init__(self, advance: Callable[[int], None]) -> None:
        self.advance = advance

    def on_progress(self, future: TransferFuture, bytes_transferred: int, **_: Any) -> None:
        self.advance(bytes_transferred)


def _client(url: str, credentials: AwsCredentials) -> Any:
    options = {
        "region_name": credentials.region_name,
        "endpoint_url": credentials.endpoint_url,
        "config": Config(
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=16,
            connect_timeout=10,
            read_timeout=60,
        ),
    }
    try:
        if credentials.has_default_credentials():
            session = boto3.Session(botocore_session=credentials.default_credentials())
        else:
            session = boto3.Session(
                **credentials.to_session_credentials(), profile_name=credentials.profile_name
            )
        return session.client("s3", **options)
    except ProfileNotFound as error:
        raise ConfigurationError(f"{url}: {error}. {CREDENTIALS_FIX}") from error
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"{url}: {error}") from error

"""The bucket that AWS delivers into: list it, read a small object, fetch a large one.

Two kinds, one interface: `s3://` through boto3 and `file://` through the file system. Fetching is
bound to the ETag that was listed, so bytes of a newer delivery never slip in unseen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
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
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ProfileNotFound,
)
from dlt.common.configuration.specs import AwsCredentials
from s3transfer.exceptions import RetriesExceededError
from s3transfer.futures import TransferFuture
from s3transfer.subscribers import BaseSubscriber

from pipelines.partitions import Changed, ConfigurationError, PartitionError, UserError

MB = 1024 * 1024


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

    def read(self, key: str) -> bytes:
        """A small object, whole."""

    def fetch(
        self, wanted: Sequence[tuple[Object, Path]], advance: Callable[[int], None]
    ) -> None:
        """Each object into its file, exactly as listed. Raises Changed when one was replaced."""


def open_bucket(url: str, credentials: Any) -> Bucket:
    """The bucket at `url` (`s3://bucket/prefix` or `file:///folder`)."""
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return FolderBucket(url)
    if scheme == "s3":
        if not isinstance(credentials, AwsCredentials):
            raise ConfigurationError(f"{url}: no AWS credentials. {_CREDENTIALS_FIX}")
        return S3Bucket(url, credentials)
    raise ConfigurationError(
        f"sources.aws.bucket_url is {url!r}: AWS delivers to s3://bucket/prefix; "
        "a copy on disk is file:///folder. Set SOURCES__AWS__BUCKET_URL to one of them."
    )


class FolderBucket:
    """A copy of a bucket on disk. The ETag is made of modification time, inode and size."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.root = Path(AwsUrl(url).path)

    def list(self) -> list[Object]:
        """Every file below the folder. Raises ConfigurationError when there is no such folder."""
        if not self.root.is_dir():
            raise ConfigurationError(
                f"{self.root} is no folder. Set SOURCES__AWS__BUCKET_URL to the folder that holds "
                "the export, for example file:///data/aws-billing."
            )
        found = []
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                try:
                    found.append(self._object(path))
                except FileNotFoundError:  # removed while we list: as if listed a moment later
                    continue
        return sorted(found)

    def read(self, key: str) -> bytes:
        """The file's bytes."""
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError as error:
            raise Changed(f"{key} has gone") from error
        except OSError as error:
            raise _unreadable(self.root / key, error) from error

    def fetch(
        self, wanted: Sequence[tuple[Object, Path]], advance: Callable[[int], None]
    ) -> None:
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
                raise Changed(f"{item.key} has gone") from error
            except PermissionError as error:
                raise _unreadable(source, error) from error
            advance(item.size)

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


class S3Bucket:
    """A bucket on S3 or on a store that speaks its API (credentials.endpoint_url)."""

    def __init__(self, url: str, credentials: AwsCredentials) -> None:
        self.url = url
        self.bucket, self.prefix = AwsUrl(url).bucket, AwsUrl(url).prefix
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

    def read(self, key: str) -> bytes:
        """The object's bytes."""
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)
            body: bytes = answer["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if _code(error) in ("NoSuchKey", "404"):
                raise Changed(f"{key} has gone") from error
            raise self._explained(error, key) from error
        return body

    def fetch(
        self, wanted: Sequence[tuple[Object, Path]], advance: Callable[[int], None]
    ) -> None:
        """Download in parallel ranges, each under If-Match of the listed ETag."""
        config = TransferConfig(max_concurrency=8, multipart_chunksize=16 * MB)
        with create_transfer_manager(self._client, config) as manager:
            running = [
                (
                    item,
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

    def _collect(self, running: Iterable[tuple[Object, TransferFuture]]) -> None:
        running = list(running)
        for item, future in running:
            try:
                future.result()
            except (ClientError, BotoCoreError, RetriesExceededError) as error:
                for _, other in running:
                    other.cancel()
                if _code(error) in ("PreconditionFailed", "412", "NoSuchKey", "404"):
                    raise Changed(f"{item.key} was replaced while it was read") from error
                raise self._explained(error, item.key) from error

    def _explained(self, error: Exception, where: str) -> UserError:
        return _explain(error, self.bucket, where)


class AwsUrl:
    """The parts of a bucket URL; a prefix ends in `/` unless it is empty."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.bucket = parts.netloc
        self.path = parts.path
        folder = parts.path.strip("/")
        self.prefix = folder + "/" if folder else ""


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


_CREDENTIALS_FIX = (
    "Set SOURCES__AWS__CREDENTIALS__AWS_ACCESS_KEY_ID and …AWS_SECRET_ACCESS_KEY, or the standard "
    "AWS variables, profile or role."
)


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
        raise ConfigurationError(f"{url}: {error}. {_CREDENTIALS_FIX}") from error
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"{url}: {error}") from error


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


_REASONS = {
    "NoSuchBucket": "there is no such bucket. Correct SOURCES__AWS__BUCKET_URL",
    "AccessDenied": "access denied. The key needs s3:ListBucket on the bucket and s3:GetObject on "
    "its objects",
    "403": "access denied. The key needs s3:ListBucket on the bucket and s3:GetObject on its "
    "objects",
    "InvalidAccessKeyId": f"the access key is unknown. {_CREDENTIALS_FIX}",
    "SignatureDoesNotMatch": f"the secret key does not belong to the access key. {_CREDENTIALS_FIX}",
    "ExpiredToken": "the session token has expired. Log in again",
    "InvalidToken": f"the session token is not valid. {_CREDENTIALS_FIX}",
    "PermanentRedirect": "the bucket is in another region. Set "
    "SOURCES__AWS__CREDENTIALS__REGION_NAME to the bucket's region",
    "AuthorizationHeaderMalformed": "the bucket is in another region. Set "
    "SOURCES__AWS__CREDENTIALS__REGION_NAME to the bucket's region",
}


def _explain(error: Exception, bucket: str, where: str) -> UserError:
    code = _code(error)
    place = where if where.startswith("s3://") else f"s3://{bucket}: {where}"
    if isinstance(error, NoCredentialsError):
        return ConfigurationError(f"{place}: no AWS credentials. {_CREDENTIALS_FIX}")
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return UserError(
            f"{place}: cannot connect to the S3 endpoint. Check the network, the region and "
            "SOURCES__AWS__CREDENTIALS__ENDPOINT_URL."
        )
    if reason := _REASONS.get(code):
        return UserError(f"{place}: {reason}.")
    if isinstance(error, HTTPClientError | RetriesExceededError):
        return PartitionError(
            f"{place}: the connection broke again and again ({type(error).__name__}). Run again."
        )
    return PartitionError(
        f"{place}: S3 answered {code} after several tries. Run again; if it stays so, see the "
        "provider's status page."
    )


def _unreadable(path: Path, error: OSError) -> PartitionError:
    return PartitionError(f"{path}: {error.strerror}. Make it readable for this user.")

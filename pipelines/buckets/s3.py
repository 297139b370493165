"""A bucket on S3, or on a store that speaks its API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ProfileNotFound,
)
from dlt.common.configuration.specs import AwsCredentials
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError
from s3transfer.futures import TransferFuture
from s3transfer.subscribers import BaseSubscriber

from pipelines.buckets.objects import Object
from pipelines.buckets.s3_errors import code, credentials_fix, explain
from pipelines.core.partition import Changed, ConfigurationError, UserError

MB = 1024 * 1024

_CHANGED = ("PreconditionFailed", "412", "NoSuchKey", "404")
_TRANSFER = (RetriesExceededError, S3DownloadFailedError)  # the latter: another ETag, or length


class S3Bucket:
    """A bucket on S3 or on a store that speaks its API (credentials.endpoint_url)."""

    def __init__(self, url: str, credentials: AwsCredentials, variables: str) -> None:
        self.url, self._variables = url, variables
        self.bucket, _, folder = url.removeprefix("s3://").partition("/")  # a key may hold ? and #
        self.prefix = folder.strip("/") + "/" if folder.strip("/") else ""
        self._client = _client(url, credentials, variables)

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
        return explain(error, self.bucket, where, self._variables)


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


def _client(url: str, credentials: AwsCredentials, variables: str) -> Any:
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
        raise ConfigurationError(f"{url}: {error}. {credentials_fix(variables)}") from error
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"{url}: {error}") from error

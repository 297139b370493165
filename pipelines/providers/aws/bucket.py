"""The bucket that AWS delivers into: `s3://`, or `file://` for a copy on disk."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from dlt.common.configuration.specs import AwsCredentials

from pipelines.buckets.folder import FolderBucket
from pipelines.buckets.objects import Bucket
from pipelines.buckets.s3 import S3Bucket
from pipelines.buckets.s3_errors import credentials_fix
from pipelines.core.partition import ConfigurationError

VARIABLES = "SOURCES__AWS"


def open_bucket(url: str, credentials: Any) -> Bucket:
    """The bucket at `url` (`s3://bucket/prefix` or `file:///folder`)."""
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return FolderBucket(url, VARIABLES)
    if scheme == "s3":
        if not isinstance(credentials, AwsCredentials):
            fix = credentials_fix(VARIABLES)
            raise ConfigurationError(f"{url}: no AWS credentials. {fix}")
        return S3Bucket(url, credentials, VARIABLES)
    raise ConfigurationError(
        f"sources.aws.bucket_url is {url!r}: AWS delivers to s3://bucket/prefix; "
        "a copy on disk is file:///folder. Set SOURCES__AWS__BUCKET_URL to one of them."
    )

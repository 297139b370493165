"""Open the bucket that a URL names; a store's client is imported when it is asked for."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from dlt.common.configuration.specs import AwsCredentials

from pipelines.buckets.folder import FolderBucket
from pipelines.buckets.objects import Bucket
from pipelines.core.partition import ConfigurationError

AZURE = ("az", "abfs", "abfss", "azure")
GOOGLE = ("gs", "gcs")


def open_bucket(
    url: str, credentials: Any, variables: str, endpoint_url: str | None = None
) -> Bucket:
    """The bucket at `url`. `variables` is the section of the configuration in capitals.

    Raises ConfigurationError for a URL of another kind, and without credentials.
    """
    scheme = urlsplit(url).scheme
    if scheme == "file":
        return FolderBucket(url, variables)
    if scheme == "s3":
        return _open_s3(url, credentials, variables)
    if scheme in AZURE:
        from pipelines.buckets.azure import AzureBucket

        return AzureBucket(url, credentials, variables)
    if scheme in GOOGLE:
        from pipelines.buckets.gcs import GcsBucket

        return GcsBucket(url, credentials, variables, endpoint_url)
    raise ConfigurationError(
        f"{variables}__BUCKET_URL is {url!r}. Set it to s3://bucket/prefix, az://container/prefix, "
        "gs://bucket/prefix or file:///folder."
    )


def _open_s3(url: str, credentials: Any, variables: str) -> Bucket:
    from pipelines.buckets.s3 import S3Bucket
    from pipelines.buckets.s3_errors import credentials_fix

    if not isinstance(credentials, AwsCredentials):
        raise ConfigurationError(f"{url}: no AWS credentials. {credentials_fix(variables)}")
    return S3Bucket(url, credentials, variables)

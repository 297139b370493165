"""The test servers: S3 that fails on command, a clean environment, nothing off loopback."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, ResponseStreamingError

from tests.conftest import FaultyS3, S3Bucket
from tests.support import loopback


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (500, "InternalError"), (503, "SlowDown")]
)
def test_the_proxy_answers_as_s3_does_when_it_fails(
    faulty_s3: FaultyS3, status: int, code: str
) -> None:
    faulty_s3.target.put("a/b c.txt", b"body")
    faulty_s3.proxy.fail("a/*", status, code, after=1, times=1)

    def get() -> bytes:
        found = faulty_s3.client.get_object(Bucket=faulty_s3.bucket, Key="a/b c.txt")
        return bytes(found["Body"].read())

    assert get() == b"body"
    with pytest.raises(ClientError) as refused:
        get()
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert get() == b"body"
    assert faulty_s3.proxy.requests == [("GET", "a/b c.txt")] * 3


def test_the_proxy_fails_a_listing_and_counts_by_kind(faulty_s3: FaultyS3) -> None:
    client, bucket, proxy = faulty_s3.client, faulty_s3.bucket, faulty_s3.proxy
    client.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert client.head_object(Bucket=bucket, Key="k")["ContentLength"] == 1
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    proxy.fail(kinds="LIST")
    with pytest.raises(ClientError, match="Access Denied"):
        client.list_objects_v2(Bucket=bucket)
    assert dict(proxy.counts) == {"PUT": 1, "HEAD": 1, "LIST": 2}
    proxy.reset()
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    assert dict(proxy.counts) == {"LIST": 1}


def test_the_proxy_cuts_a_body_in_the_middle(faulty_s3: FaultyS3) -> None:
    faulty_s3.target.put("big", b"x" * 1000)
    faulty_s3.proxy.cut("big", after_bytes=100)
    cut = faulty_s3.client.get_object(Bucket=faulty_s3.bucket, Key="big")
    assert cut["ContentLength"] == 1000
    with pytest.raises(ResponseStreamingError, match="100 bytes read, 900 more expected"):
        cut["Body"].read()
    whole = faulty_s3.client.get_object(Bucket=faulty_s3.bucket, Key="big")["Body"].read()
    assert whole == b"x" * 1000


def test_a_file_can_change_just_before_it_is_read(faulty_s3: FaultyS3) -> None:
    faulty_s3.target.put("key", b"old")
    faulty_s3.proxy.before_get("key", lambda: faulty_s3.target.put("key", b"new"), nth=2)

    def get() -> bytes:
        found = faulty_s3.client.get_object(Bucket=faulty_s3.bucket, Key="key")
        return bytes(found["Body"].read())

    assert [get(), get(), get()] == [b"old", b"new", b"new"]


def test_a_bucket_is_found_by_awss_own_variables(
    s3: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.target.put("key", b"body")
    for name, value in s3.environ.items():
        monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("s3")
    assert client.get_object(Bucket=s3.bucket, Key="key")["Body"].read() == b"body"
    client.close()


def test_nothing_leaves_loopback() -> None:
    with pytest.raises(loopback.LeftLoopback, match=r"tried to reach 192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 80))
    with pytest.raises(loopback.LeftLoopback, match=r"tried to reach example\.com"):
        socket.getaddrinfo("example.com", 443)
    assert loopback.refused[-2:] == ["192.0.2.1", "example.com"]
    del loopback.refused[-2:]


def test_no_configuration_of_the_developer_reaches_a_test() -> None:
    kept = [name for name in os.environ if name.startswith(("AWS_", "DLT_", "SOURCES__"))]
    assert sorted(kept) == [
        "AWS_CONFIG_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_SHARED_CREDENTIALS_FILE",
        "DLT_DATA_DIR",
        "DLT_PROJECT_DIR",
        "SOURCES__MAX_SHRINK",
    ]
    assert boto3.session.Session().get_credentials() is None
    assert not list(Path(os.environ["DLT_PROJECT_DIR"]).rglob("secrets.toml"))
    assert datetime(2026, 10, 1).astimezone().utcoffset() == timedelta(hours=-7)

"""Fixtures: a bucket in a folder, a real S3 server, a clean environment, nothing off loopback."""

from __future__ import annotations

import functools
import gc
import itertools
import os
import time
import tomllib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from scripts.sandbox.aws.targets import FolderTarget, S3Target
from tests.support import loopback
from tests.support.clickhouse.fixtures import (  # noqa: F401 (fixtures for every test)
    clickhouse,
    clickhouse_databases,
    clickhouse_server,
    clickhouse_template,
    empty_clickhouse,
    module_server,
    own_server,
)
from tests.support.commands import Commands
from tests.support.estate import estate  # noqa: F401 (one for all: a file that imports it has its own)
from tests.support.kill.harness import harness  # noqa: F401 (a fixture for every test)
from tests.support.providers.bigquery_fixtures import (  # noqa: F401 (fixtures for every test)
    bigquery_client,
    bigquery_server,
    gcp_export,
)
from tests.support.s3_server import S3Proxy, moto_s3
from tests.support.tiers import contained_cases, dealt, load_profile, mark_thorough, tier

ROOT = Path(__file__).resolve().parent.parent
#: Variables of a developer or a CI that would change what a test does.
_FOREIGN = """AWS_ BOTO_ SOURCES__ DESTINATION__ DLT_ NORMALIZE__ RUNTIME__ LOAD__ EXTRACT__
    SCHEMA__ DATA_WRITER__ CLICKHOUSE_ GOOGLE_ STRIPE_ DERIBIT_ DOPPLER_ PROGRESS""".split()
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
_bucket_numbers = itertools.count(1)

loopback.install()


@pytest.hookimpl(tryfirst=True)  # before Hypothesis's plugin, which applies --hypothesis-profile
def pytest_configure(config: pytest.Config) -> None:
    """Choose how many random examples the run takes."""
    load_profile(config)


@pytest.hookimpl(optionalhook=True)  # pytest may be run without xdist
def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: a tenth to a fifth of the tests' time is waiting for something."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) * 3 // 2


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector away from what importing every test makes, all of which stays.

    It would look through it a hundred times while collecting, and again in every long test.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(100_000, 20, 20)  # a seventh of the tests' own time went into looking
        gc.enable()


def pytest_unconfigure() -> None:
    """Let the collector see everything again: libraries name what is left at the end as leaked."""
    gc.unfreeze()


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what `-m` does not select
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each case its tier, and begin with what takes long, on every worker."""
    mark_thorough(items)
    if tier(config) == "thorough":
        contained = contained_cases(items)
        config.hook.pytest_deselected(items=contained)
        items[:] = [item for item in items if item not in contained]
    items[:] = dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def _is_foreign(name: str) -> bool:
    return name.upper().startswith(tuple(_FOREIGN)) or name.lower() in _PROXIES


# Before anything imports dlt or boto3, which read some of these only once. A test server that the
# environment names is asked for by its own fixture, which finds the values here.
OUTER_ENVIRONMENT = dict(os.environ)
for _name in filter(_is_foreign, list(os.environ)):
    del os.environ[_name]
# Far from UTC, here and in subprocesses: a date that was made in local time shows.
os.environ["TZ"] = "America/Los_Angeles"
time.tzset()


@functools.cache
def _project_config() -> str:
    """`.dlt/config.toml` without its comments, which dlt would parse for longer than the rest."""
    text = (ROOT / ".dlt" / "config.toml").read_text(encoding="utf-8")
    settings = "".join(f"{line}\n" for line in text.splitlines() if line and line[0] != "#")
    assert tomllib.loads(settings) == tomllib.loads(text)
    return settings


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the project's: no AWS profile, no secrets.toml, no telemetry.

    Subprocesses inherit all of it. dlt works in `tmp_path/dlt`; the project's `.dlt/config.toml`
    applies, from a copy, since secrets.toml lies beside the original.
    """
    for name in filter(_is_foreign, list(os.environ)):
        monkeypatch.delenv(name)
    project = tmp_path / "project"
    (project / ".dlt").mkdir(parents=True)
    (project / ".dlt" / "config.toml").write_text(_project_config(), encoding="utf-8")
    for name, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "no-aws-config"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-aws-credentials"),
        "DLT_DATA_DIR": str(tmp_path / "dlt"),
        "DLT_PROJECT_DIR": str(project),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "SOURCES__MAX_SHRINK": "1",  # tests have few rows; `guarded` puts it back
    }.items():
        monkeypatch.setenv(name, value)
    # dlt reads its files once a process: what one test wrote there must not reach the next. It
    # reads them again when it is first asked for something, which most tests never do.
    if PluggableRunContext in Container():
        del Container()[PluggableRunContext]


@pytest.fixture
def guarded(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that would become empty or lose most of its rows is kept, as by default."""
    monkeypatch.delenv("SOURCES__MAX_SHRINK")


@pytest.fixture(autouse=True)
def on_loopback() -> Iterator[None]:
    """Fail a test whose code tried to leave loopback, even when it swallowed the refusal."""
    before = len(loopback.refused)
    yield
    new = loopback.refused[before:]
    assert new == [], f"tried to reach {', '.join(new)}"


class FolderBucket(FolderTarget):
    """A bucket that is a folder: a target for the sandbox of AWS, with helpers for tests."""

    @property
    def url(self) -> str:
        """Its `file://` URL, for SOURCES__AWS__BUCKET_URL."""
        return self.root.as_uri()

    def path(self, key: str) -> Path:
        """The file that is this object."""
        return self.root / key

    def read(self, key: str) -> bytes:
        """An object's bytes."""
        return self.path(key).read_bytes()

    def delete(self, key: str) -> None:
        """Remove an object."""
        self.path(key).unlink()


@pytest.fixture
def aws_bucket(tmp_path: Path) -> FolderBucket:
    """An empty bucket in a folder of the test's own."""
    return FolderBucket(tmp_path / "bucket")


@pytest.fixture
def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """The commands, with a destination in a folder of the test's own."""
    data = tmp_path / "data"
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(data))
    return Commands(data, monkeypatch, capsys)


@dataclass
class S3Bucket:
    """A bucket on a real S3 server on loopback.

    `environ` is what a process needs to read it by AWS's standard chain; `dlt_environ` the same
    for dlt's filesystem configuration of a section such as SOURCES__AWS.
    """

    endpoint_url: str
    bucket: str
    client: Any

    @property
    def url(self) -> str:
        """`s3://<bucket>`."""
        return f"s3://{self.bucket}"

    @property
    def target(self) -> S3Target:
        """For the sandbox of AWS."""
        return S3Target(self.client, self.bucket)

    @property
    def environ(self) -> dict[str, str]:
        """Credentials and endpoint as AWS's own variables."""
        return {
            "AWS_ACCESS_KEY_ID": "test-key",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint_url,
        }

    def dlt_environ(self, section: str) -> dict[str, str]:
        """Credentials and endpoint as dlt's variables, e.g. for section "SOURCES__AWS"."""
        return {
            f"{section}__CREDENTIALS__AWS_ACCESS_KEY_ID": "test-key",
            f"{section}__CREDENTIALS__AWS_SECRET_ACCESS_KEY": "test-secret",
            f"{section}__CREDENTIALS__REGION_NAME": "us-east-1",
            f"{section}__CREDENTIALS__ENDPOINT_URL": self.endpoint_url,
        }


def s3_client(endpoint_url: str, *, tries: int = 1) -> Any:
    """A boto3 client with the test credentials; `tries` counts the first."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id="test-key",
        aws_secret_access_key="test-secret",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": tries, "mode": "standard"}),
    )


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """moto's S3 server for the whole session; its URL."""
    with moto_s3() as url:
        yield url


@pytest.fixture
def s3(s3_server: str) -> Iterator[S3Bucket]:
    """A fresh, empty bucket on the session's server."""
    client = s3_client(s3_server)
    bucket = f"billing-{next(_bucket_numbers)}"
    client.create_bucket(Bucket=bucket)
    yield S3Bucket(s3_server, bucket, client)
    for key in S3Target(client, bucket).keys(prefix=""):
        client.delete_object(Bucket=bucket, Key=key)
    client.delete_bucket(Bucket=bucket)
    client.close()


@dataclass
class FaultyS3(S3Bucket):
    """A bucket behind an S3Proxy. `target` delivers past the proxy, so that counts and faults
    are the reader's alone; `client` reads through it."""

    proxy: S3Proxy
    direct: S3Bucket

    @property
    def target(self) -> S3Target:
        """For deliveries: past the proxy."""
        return self.direct.target


@pytest.fixture
def faulty_s3(s3: S3Bucket) -> Iterator[FaultyS3]:
    """The bucket of `s3` behind a proxy that fails on command."""
    with S3Proxy(s3.endpoint_url) as proxy:
        client = s3_client(proxy.endpoint_url)
        yield FaultyS3(proxy.endpoint_url, s3.bucket, client, proxy, s3)
        client.close()

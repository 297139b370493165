"""What the commands that load nothing import: `--help` next to nothing, `status` no client."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scripts.sandbox.aws.delivery import deliver_cur2
from tests.conftest import ROOT, FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines

RUN = """
import json, runpy, sys
sys.argv = ["pipelines", *sys.argv[1:]]
try:
    runpy.run_module("pipelines", run_name="__main__")
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(sorted(sys.modules)))
"""
CLIENTS = {"boto3", "botocore", "s3fs", "google.cloud", "stripe", "clickhouse_connect",
           "clickhouse_driver", "duckdb"}  # fmt: skip
LOADING = {"pipelines.core.load", "pipelines.normalize.run", "pipelines.aws_pipeline",
           "pipelines.google_bq_incremental_pipeline", "pipelines.stripe_pipeline"}  # fmt: skip


def imported_by(*arguments: str) -> set[str]:
    """The modules that `python -m pipelines` has imported when it ends well."""
    command = [sys.executable, "-c", RUN, *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"], ["--version"]])
def test_help_imports_neither_dlt_nor_arrow_nor_a_client(arguments: list[str]) -> None:
    heavy = CLIENTS | LOADING | {"dlt", "numpy", "pandas", "pyarrow", "requests", "rich"}
    assert imported_by(*arguments) & heavy == set()


def test_status_imports_neither_pandas_nor_a_client_nor_what_loads(
    aws_bucket: FolderBucket, commands: Commands
) -> None:
    """dlt itself, which `status` asks for the configuration, always imports its own pipeline."""
    commands.read_from(aws_bucket.url)
    deliver_cur2(aws_bucket, "exports", "daily", "2026-09", lines("2026-09", [1.0, 2.0]))
    commands.well("load", "normalize")
    imported = imported_by("status", "--destination", "filesystem")
    assert imported & (CLIENTS | LOADING | {"pandas", "pyarrow.compute", "rich.progress"}) == set()
    assert {"dlt", "pyarrow.parquet"} <= imported  # it has read the published month

"""`python pipelines/aws_pipeline.py` and its kin, as one runs any pipeline of dlt's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from scripts.sandbox.bigquery.server import BigQueryServer
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Tape
from scripts.sandbox.fx.server import FxServer, archive
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.providers.deribit_market import FIRST, NOW, Writer
from tests.support.providers.gcp_days import environ, put
from tests.support.providers.stripe_ledgers import rows, served

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, variables: Mapping[str, str], folder: Path, *options: str) -> str:
    """What the script prints, run from a folder that is not the project's."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "pipelines" / script), *options],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran
    return ran.stdout


@pytest.mark.thorough
def test_aws(aws_bucket: FolderBucket, commands: Commands, tmp_path: Path) -> None:
    deliver(aws_bucket.root, "2026-09", [9.0])
    deliver(aws_bucket.root, "2026-10", [1.0])
    variables = {"SOURCES__AWS__BUCKET_URL": aws_bucket.url}
    said = run("aws_pipeline.py", variables, tmp_path, "--from", "2026-10")
    assert said == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    assert commands.partitions() == ["2026-10"]


@pytest.mark.thorough
def test_gcp(bigquery_server: BigQueryServer, commands: Commands, tmp_path: Path) -> None:
    put(bigquery_server, {"2026-10-28": [1.0]})
    said = run("google_bq_incremental_pipeline.py", environ(bigquery_server), tmp_path)
    assert said == "gcp: 1 loaded, 0 unchanged, 0 failed\n"


@pytest.mark.thorough
def test_stripe(commands: Commands, tmp_path: Path) -> None:
    with served(*rows(("charge", 100, 1, "usd"))) as server:
        said = run("stripe_pipeline.py", server.environ, tmp_path)
    assert said == "stripe: 1 loaded, 0 unchanged, 0 failed\n"


@pytest.mark.thorough
def test_fx(commands: Commands, tmp_path: Path) -> None:
    with FxServer(archive(date(2026, 10, 30), date(2026, 1, 2))) as server:
        said = run("fx_pipeline.py", server.environ, tmp_path)
    assert said == "fx: 1 loaded, 0 unchanged, 0 failed\n"


@pytest.mark.thorough
@pytest.mark.parametrize("day", [FIRST])
def test_deribit(commands: Commands, tmp_path: Path, day: date) -> None:
    with Sandbox(Tape(), NOW) as sandbox:
        Writer(sandbox).trade(day, "BTC-PERPETUAL")
        options = ("--from", f"{day}", "--to", f"{day}")
        variables = sandbox.environ | {"SOURCES__DERIBIT__CURRENCIES": '["BTC"]'}
        said = run("deribit_pipeline.py", variables, tmp_path, *options)
    assert said.startswith("deribit: 1 loaded, 0 unchanged, 0 failed\n")

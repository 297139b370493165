"""Two runs at once: the second refuses, says who is at work, and changes nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli.main import main
from pipelines.core.lock import held
from pipelines.core.partition import Busy
from tests.support.providers.aws_months import deliver
from tests.support.published import leftovers, published

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A destination, and a bucket with two months in it."""
    monkeypatch.setenv("SOURCES__AWS__BUCKET_URL", (tmp_path / "bucket").as_uri())
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(tmp_path / "data"))
    deliver(tmp_path / "bucket", "2026-08", [8.0])
    deliver(tmp_path / "bucket", "2026-09", [9.0, 0.9])
    return tmp_path / "data"


@pytest.mark.quick("load")
@pytest.mark.parametrize("command", ["load", "normalize"])
def test_a_second_run_refuses_and_names_the_first(
    data: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main(["load"]) == 0
    before = published(data)
    capsys.readouterr()
    with held(data / ".locks" / "aws.lock", "aws"):
        assert main([command, "--force"]) == 1
    message = capsys.readouterr().err
    assert f"{socket.gethostname()} process {os.getpid()}, since " in message
    assert "run again" in message
    assert published(data) == before
    assert main([command, "--force"]) == 0


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "aws.lock"
    script = (
        "import sys, os; from pathlib import Path; from pipelines.core.lock import held\n"
        "with held(Path(sys.argv[1]), 'aws'): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Busy, match=f"process {holder.pid}"), held(path, "aws"):
        pass
    holder.kill()
    holder.communicate()
    with held(path, "aws"):
        assert str(os.getpid()) in path.read_text()


@pytest.mark.thorough
def test_two_runs_at_once_end_as_one(data: Path) -> None:
    command = [sys.executable, "-m", "pipelines", "load"]
    runs = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    errors = [run.communicate()[1].decode() for run in runs]
    for run, error in zip(runs, errors, strict=True):
        assert run.returncode == 0 or "is locked by" in error
    assert 0 in [run.returncode for run in runs]
    assert main(["normalize"]) == 0
    costs = {name: [row["billed_cost"] for row in rows] for name, rows in _costs(data).items()}
    assert costs == {
        "marts/costs/aws-2026-08.parquet": [8.0],
        "marts/costs/aws-2026-09.parquet": [0.9, 9.0],
    }
    assert leftovers(data) == []


def _costs(data: Path) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = published(data)["costs"]
    return {
        name: sorted(rows, key=lambda row: row["billed_cost"])
        for name, rows in found.items()
        if name.startswith("marts/costs/")
    }

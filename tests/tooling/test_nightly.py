"""The nightly run as one command: by cron, beside another night, and who is told."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.cli.nightly import STEPS, Night
from tests.support.channels.receivers import Sent, Web
from tests.support.workflow_steps import ROOT

SECRET = "T0-S3CR3T"
NOTHING = "Failed: migrate, load, check, report"


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with its environment and a .env that configures no server; no folder of logs."""
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("pipelines", "scripts", "sql", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".env").write_text("DLT_DESTINATION=clickhouse\n")
    return folder


def cron(clone: Path, hour: str) -> list[subprocess.Popen[str]]:
    """Two nights at once, as cron runs the line of docs/nightly.cron in an hour (UTC)."""
    line = (ROOT / "docs" / "nightly.cron").read_text(encoding="utf-8").splitlines()[-1]
    schedule, user, command = re.fullmatch(r"((?:\S+ ){5})(\w+) (.*)", line).groups()  # type: ignore[union-attr]
    assert (schedule, user) == ("0 * * * * ", "etl")
    assert "%" not in command.replace("\\%", "")  # where cron would end the command
    clock = clone.parent / "bin" / "date"
    clock.parent.mkdir(exist_ok=True)
    clock.write_text(f'#!/bin/sh\n[ "$*" = "-u +%H" ] && echo {hour}\n')
    clock.chmod(0o755)
    text = command.replace("\\%", "%").replace("/opt/cloud-cost-etl", str(clone))
    environ = os.environ | {"PATH": f"{clock.parent}:{os.environ['PATH']}"}
    return [
        subprocess.Popen(
            ["/bin/sh", "-c", text], env=environ, stdout=subprocess.PIPE, text=True,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]  # fmt: skip


@pytest.mark.thorough
def test_cron_runs_two_nights_at_once_on_a_fresh_clone_each_with_its_own_logs(clone: Path) -> None:
    said = [night.communicate()[0] for night in cron(clone, "02")]
    for text in said:
        assert text.splitlines()[-1] == NOTHING
        assert "error: No ClickHouse is configured." in text
    folders = sorted((clone / "logs").iterdir())
    assert [sorted(path.name for path in folder.iterdir()) for folder in folders] == [
        ["alert.json", "alert.log", "migrate.json", "migrate.log"]
    ] * 2


def test_cron_does_nothing_in_another_hour(clone: Path) -> None:
    assert [night.communicate()[0] for night in cron(clone, "01")] == ["", ""]
    assert not (clone / "logs").exists()


def ended(logs: Path, **statuses: int) -> None:
    """Results of steps, as they leave them."""
    for step, status in statuses.items():
        document = {"step": step, "status": status, "seconds": 1.0}
        (logs / f"{step}.json").write_text(json.dumps(document))
        (logs / f"{step}.log").write_text(f"{step} said this\n")


def test_a_log_of_a_step_that_did_not_run_is_not_quoted(tmp_path: Path) -> None:
    ended(tmp_path, migrate=1, check=0)
    (tmp_path / "aws.log").write_text("of an older night\n")
    night = Night({"ETL_LOGS": str(tmp_path), "ETL_WORDS": "aws"})
    assert night.log("migrate") == "migrate said this\n"
    assert night.log("aws") == ""
    assert night.failed() == ["migrate", "aws", "report"]


def test_a_monitor_is_asked_after_a_good_night_only(
    tmp_path: Path, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(tmp_path, migrate=0, aws=0, check=0, report=0)
    output = tmp_path / "output"
    given = {"ETL_LOGS": str(tmp_path), "ETL_WORDS": "aws", "GITHUB_OUTPUT": str(output)}
    night = Night(given | {"ETL_PING_URL": f"{web.address}/{SECRET}"})
    assert night.verdict() == 0
    assert web.sent == [Sent("GET", f"/{SECRET}", None, None)]
    web.answer = lambda sent: (404, None)
    assert night.verdict() == 1
    ended(tmp_path, alert=1)
    web.sent.clear()
    assert night.verdict() == 1
    assert web.sent == []
    assert output.read_text() == "failed=\nfailed=ping\nfailed=alert\n"
    said = capsys.readouterr()
    assert said.out == "Everything succeeded.\nFailed: ping\nFailed: alert\n"
    assert said.err == "error: ping: HTTP 404. Look at ETL_PING_URL.\n"


def test_a_night_tells_which_steps_failed_and_says_that_it_did(tmp_path: Path, web: Web) -> None:
    ended(tmp_path, migrate=0, aws=0, check=0, report=1)
    output = tmp_path / "output"
    environ = os.environ | {
        "ETL_LOGS": str(tmp_path),
        "ETL_WORDS": "aws",
        "GITHUB_OUTPUT": str(output),
        "DESTINATION__FILESYSTEM__BUCKET_URL": str(tmp_path / "data"),
        "ALERT__WEBHOOK_URL": f"{web.address}/{SECRET}",
    }
    night = Night(environ)
    assert night.alert() == 0
    assert web.bodies() == [
        {"text": "*Cloud cost alerts*\n\n*Nightly run: report failed*\nIts log says why."}
    ]
    assert output.read_text() == "told=true\n"
    assert SECRET not in night.log("alert")
    assert night.failed() == ["report"]


def test_the_steps_of_the_workflow_are_those_of_one_command() -> None:
    text = (ROOT / ".github" / "workflows" / "etl-pipeline.yml").read_text(encoding="utf-8")
    steps = re.findall(r"scripts\.nightly (\w+)", text)
    assert list(dict.fromkeys(steps)) == [step for step in STEPS if step != "run"]

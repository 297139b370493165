"""The container's image: what its instructions copy is enough for its command, and no secret.

The workflow ci.yml builds it with Docker; here its content is put together without.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.support.published_clickhouse import environ
from tests.support.workflow_steps import ROOT, workflow

INSTRUCTIONS = re.findall(
    r"^([A-Z]+) (.*)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
)
IGNORED = [
    line
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def is_ignored(path: str) -> bool:
    """As Docker does it: a pattern is of the whole path, `**/` of any folder."""
    return any(
        fnmatch(path.rpartition("/")[2] if each.startswith("**/") else path, each.split("**/")[-1])
        for each in IGNORED
    )


def values(instruction: str) -> list[str]:
    """What follows an instruction, each time that it stands there."""
    return [value for name, value in INSTRUCTIONS if name == instruction]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The project as `COPY . .` brings it."""

    def ignore(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(ROOT)
        return {name for name in names if is_ignored((inside / name).as_posix())}

    shutil.copytree(ROOT, tmp_path / "app", ignore=ignore, symlinks=True)
    return tmp_path / "app"


@pytest.mark.parametrize(
    "path",
    [".git", ".env", ".env.local", ".dlt/secrets.toml", ".dlt/x.local.toml", "viz_rill/data",
     "pipelines/__pycache__", ".venv", "logs"],
)  # fmt: skip
def test_what_the_image_must_not_hold_is_left_out(path: str) -> None:
    assert is_ignored(path)


@pytest.mark.thorough  # the workflow's job runs it in a container
def test_its_command_runs_with_what_it_holds(
    app: Path, clickhouse: ClickHouseConfig, tmp_path: Path
) -> None:
    assert values("COPY") == ["requirements.lock ./", "scripts/install.sh scripts/", ". ."]
    (entry,), (command,) = map(json.loads, values("ENTRYPOINT")), map(json.loads, values("CMD"))
    assert command == ["run"]
    given = dict(pair.split("=", 1) for pair in " ".join(values("ENV")).split())
    assert given.pop("DLT_DESTINATION") == "clickhouse"
    assert given["ETL_LOGS"] == f"{given['DLT_DATA_DIR']}/logs"
    folder = {"DLT_DATA_DIR": str(tmp_path / "etl"), "ETL_LOGS": str(tmp_path / "etl" / "logs")}
    variables = os.environ | environ(clickhouse, tmp_path / "no-bucket") | given | folder
    python, *script = entry
    assert python == ".venv/bin/python"
    ran = subprocess.run(
        [sys.executable, *script, "migrate"], cwd=app, env=variables, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1].endswith(" matches sql/")


def test_ci_builds_it_as_the_documentation_says_and_runs_it_against_a_server() -> None:
    build, run = (step["run"] for step in workflow("ci.yml")["jobs"]["image"]["steps"][1:])
    documented = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert f"`{build}`" in documented
    assert run.startswith("docker run --rm --network host ")
    assert run.endswith(" cloud-cost-etl migrate\n")

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
import tomllib
import zipfile
from fnmatch import fnmatch
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def pins(lock: str) -> dict[str, str]:
    """The versions that a lock names, by package."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", text, re.MULTILINE))


def test_it_installs_what_runs_and_no_test_tools() -> None:
    (install,) = [value for value in values("RUN") if "install.sh" in value]
    assert install.startswith("LOCK=requirements-run.lock PIP_NO_COMPILE=0 ")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runs, locked = pins("requirements-run.lock"), pins("requirements.lock")
    wanted = {
        canonicalize_name(Requirement(each).name) for each in project["project"]["dependencies"]
    }
    tools = {
        canonicalize_name(Requirement(each).name) for each in project["dependency-groups"]["dev"]
    }
    assert wanted - runs.keys() == set()
    assert runs.items() - locked.items() == set()
    needed = {"cryptography", "packaging", "pyyaml"}  # by what runs, too
    assert tools & runs.keys() == needed


def test_its_installation_writes_no_bytecode(tmp_path: Path) -> None:
    """pip compiles for PIP_NO_COMPILE=1: of an option that begins with no, 0 is the value.

    Python's own would lie in the volume's folder, which is made afterwards and is the user's.
    """
    (install,) = [value for value in values("RUN") if "install.sh" in value]
    given = dict(re.findall(r"(\w+)=(\S+)", install))
    wheel = tmp_path / "one-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("one.py", "ONE = 1\n")
        file.writestr("one-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: one\nVersion: 1\n")
        file.writestr("one-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr("one-1.dist-info/RECORD", "one.py,,\n")
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index"]
    subprocess.run(
        [*command, "--target", str(tmp_path / "here"), str(wheel)],
        env=os.environ | given | {"PYTHONPYCACHEPREFIX": str(cache)},
        check=True,
    )
    assert (tmp_path / "here" / "one.py").exists()
    assert not cache.exists()
    assert [*tmp_path.rglob("*.pyc")] == []


def test_what_it_installs_leaves_room_below_700_mb() -> None:
    installed = {str(canonicalize_name(each.name)): each for each in distributions()}
    sizes = {
        name: sum((file.size or 0) for file in installed[name].files or ())
        for name in pins("requirements-run.lock")
        if name in installed  # the others are for another platform
    }
    base = 130_000_000  # python:3.13-slim, with pip in .venv
    assert base + sum(sizes.values()) <= 700_000_000, sorted(
        sizes.items(), key=lambda each: -each[1]
    )


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
    assert values("COPY") == ["requirements-run.lock ./", "scripts/install.sh scripts/", ". ."]
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

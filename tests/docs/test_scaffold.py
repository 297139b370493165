"""A new source touches its own folders and five places of shared files; everything else follows.

A tiny source is written into a copy of the repository, and the copy's own tests are run there.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.docs.scaffold import SHARED, scaffold
from tests.docs.test_architecture import forbidden_imports, missing_parts

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("pipelines", "scripts", "sql", "tests", "docs", "skills", ".ci", ".dlt", ".github",
           "viz_rill")  # fmt: skip
OWN = ("pipelines/moon_pipeline.py", "pipelines/providers/moon/", "scripts/sandbox/moon/",
       "sql/26_moon.sql", "tests/moon/")  # fmt: skip
GENERATED = ["CLICKHOUSE_SETUP.md", "docs/columns.md"]  # by scripts/docs/generate.py
LOADED = "tests/moon/test_moon.py::test_a_bill_is_loaded_normalised_and_checked"


def texts(root: Path) -> dict[str, str]:
    """Every file of a copy by its path."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8", errors="replace")
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def places(before: str, after: str) -> int:
    """How many blocks of lines were added. No line may be changed or removed."""
    lines = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    changes = [tag for tag, *_ in lines.get_opcodes() if tag != "equal"]
    assert set(changes) <= {"insert"}
    return len(changes)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository without what it was given by git, tests' data, or a run."""
    root = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__", "data", "tmp", "secrets.toml")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    shutil.copytree(ROOT / "scripts/bench/data", root / "scripts/bench/data", ignore=ignored)
    (root / "tests/data").mkdir()
    shutil.copy(ROOT / "tests/data/README.md", root / "tests/data")  # which documents link to
    for path in (
        each for each in ROOT.iterdir() if each.is_file() and each.name not in (".git", ".env")
    ):
        shutil.copy(path, root / path.name)
    return root


def run(root: Path, *arguments: str) -> None:
    """A module of the copy, which has to end well."""
    command = [sys.executable, "-m", *arguments]
    environ = os.environ | {"PYTHONPATH": str(root)}
    ran = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_source_touches_its_own_folders_and_five_shared_places(copy: Path) -> None:
    before = texts(copy)
    assert scaffold("moon", copy) == [name for name, _, _ in SHARED]
    written = texts(copy)
    shared = {name: places(before[name], written[name]) for name in before
              if before[name] != written[name]}  # fmt: skip
    assert shared == {
        ".dlt/config.toml": 1,
        ".github/workflows/etl-pipeline.yml": 1,
        "CHANGELOG.md": 1,
        "README.md": 1,
        "pipelines/tables/sources.py": 1,
    }
    assert [name for name in written.keys() - before.keys() if not name.startswith(OWN)] == []
    run(copy, "scripts.docs.generate")
    after = texts(copy)
    assert sorted(name for name in after if after[name] != written.get(name)) == GENERATED
    assert missing_parts("moon", copy) == []
    assert forbidden_imports(copy) == []


@pytest.mark.thorough
def test_a_new_source_is_loaded_normalised_checked_and_examined(copy: Path) -> None:
    scaffold("moon", copy)
    run(copy, "pytest", "-q", "-p", "no:xdist", LOADED)


@pytest.mark.thorough
def test_a_new_source_passes_every_test_that_looks_at_all_sources(copy: Path) -> None:
    scaffold("moon", copy)
    (copy / ".venv").symlink_to(sys.prefix)  # which the workflow's steps run
    run(copy, "scripts.docs.generate")
    tests = """tests/moon tests/docs/test_architecture.py tests/docs/test_docs.py tests/core
        tests/docs/test_data_dictionary.py tests/clickhouse/test_compare.py
        tests/cli/test_startup.py tests/tooling/test_workflows.py""".split()
    run(copy, "pytest", "-q", "-p", "no:xdist", "-m", "not thorough", *tests)
    run(copy, "ruff", "check")
    run(copy, "ruff", "format", "--check")
    run(copy, "mypy")
    run(copy, "sqlfluff", "lint", "--disable-progress-bar", "sql/26_moon.sql")


def test_a_name_of_two_words_is_one_word_in_classes(copy: Path) -> None:
    scaffold("far_moon", copy)
    text = (copy / "pipelines" / "far_moon_pipeline.py").read_text(encoding="utf-8")
    assert "class FarMoonSettings(BaseConfiguration):" in text
    assert "SOURCES__FAR_MOON__URL" in (copy / ".dlt" / "config.toml").read_text(encoding="utf-8")


@pytest.mark.quick("Moon", "aws")
@pytest.mark.parametrize("source_name", ["aws", "Moon", "far-moon", "../moon", ""])
def test_a_word_that_is_taken_or_cannot_be_one_is_refused(source_name: str, copy: Path) -> None:
    before = texts(copy)
    with pytest.raises(ValueError, match=r"is a source already|Use lower case"):
        scaffold(source_name, copy)
    assert texts(copy) == before

"""The tiers of tests: what each runs, and how many random examples it takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.tiers import dealt


def header(*options: str, **variables: str) -> str:
    """What a run of pytest with these options says first."""
    command = [sys.executable, "-m", "pytest", "-v", "-v", "--collect-only", *options]
    ran = subprocess.run(
        [*command, "tests/docs/test_data_dictionary.py"],
        cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "variables", "profile"),
    [
        (["-m", "not thorough"], {}, ("quick", "5")),
        ([], {}, ("thorough", "20")),
        pytest.param(
            ["-m", "not thorough"],
            {"HYPOTHESIS_PROFILE": "thorough"},
            ("thorough", "20"),
            marks=pytest.mark.thorough,
        ),
        pytest.param(
            ["--hypothesis-profile", "quick"], {}, ("quick", "5"), marks=pytest.mark.thorough
        ),
    ],
    ids=["quick", "everything", "variable", "option"],
)
def test_a_tier_chooses_how_many_random_examples_a_test_takes(
    options: list[str], variables: dict[str, str], profile: tuple[str, str]
) -> None:
    said = header(*options, **variables)
    assert re.findall(r"^hypothesis profile '(\w+)' -> .*max_examples=(\d+)", said, re.M) == [
        profile
    ]


@pytest.mark.quick("one", "a b")
@pytest.mark.parametrize("case", ["one", "two", "a b-x", "someone"])
def test_a_case_that_no_quick_word_names_is_thorough(
    case: str, request: pytest.FixtureRequest
) -> None:
    is_thorough = request.node.get_closest_marker("thorough") is not None
    assert is_thorough == (case in ("two", "someone"))


@pytest.mark.thorough
def test_the_quick_tier_leaves_those_cases_out() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "not thorough"]
    found = subprocess.run(
        [*command, "-k", "no_quick_word", __file__],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.findall(r"test_a_case\w+(\[.*\])", found.stdout) == ["[one]", "[a b-x]"]


@pytest.mark.thorough
def test_the_thorough_tier_kills_at_every_point_once() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-k", "killed_at_any_step"]
    folder = ROOT / "tests" / "kill"
    for options, cases in (([], {"[all]"}), (["-m", "not thorough"], {"[quick]"})):
        found = subprocess.run(
            [*command, *options, folder], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert {*re.findall(r"test_\w+(\[.*\])", found.stdout)} == cases


@dataclass
class Item:
    """A test in a file."""

    path: Path


@pytest.mark.parametrize(
    ("workers", "order"),
    [
        (1, "test_kill_x test_kill_x test_migrate test_a test_a test_b test_c"),
        (2, "test_kill_x test_kill_x test_b test_c test_migrate test_a test_a"),
    ],
)
def test_each_worker_begins_with_long_files_and_files_stay_together(
    workers: int, order: str
) -> None:
    files = "test_a test_a test_b test_kill_x test_kill_x test_c test_migrate"
    items = [Item(Path(f"tests/{name}.py")) for name in files.split()]
    assert " ".join(item.path.stem for item in dealt(items, workers)) == order

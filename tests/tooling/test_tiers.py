"""The tiers of tests: what each runs, and how many random examples it takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT


def header(*options: str, **variables: str) -> str:
    """What a run of pytest with these options says first."""
    command = [sys.executable, "-m", "pytest", "-v", "-v", "--collect-only", *options]
    ran = subprocess.run(
        [*command, "tests/docs/test_data_dictionary.py"],
        cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    ("options", "variables", "profile"),
    [
        (["-m", "not thorough"], {}, ("quick", "5")),
        ([], {}, ("thorough", "50")),
        pytest.param(
            ["-m", "not thorough"],
            {"HYPOTHESIS_PROFILE": "thorough"},
            ("thorough", "50"),
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

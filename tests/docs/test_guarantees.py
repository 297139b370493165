"""The table of guarantees in CONTRIBUTING: each test exists, in the tier that its column says."""

from __future__ import annotations

import importlib
import re

import pytest

from tests.conftest import ROOT

_NAME = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_HEADER = "| guarantee | quick | thorough |\n|---|---|---|\n"


def rows(text: str) -> list[list[str]]:
    """The cells of each line of the table."""
    table = text.partition(_HEADER)[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def tiers(test: object) -> set[str]:
    """In which tiers a test has a case of its own: quick, thorough or both."""
    marks = getattr(test, "pytestmark", [])
    if any(mark.name == "thorough" for mark in marks):
        return {"thorough"}
    found = {"quick", "thorough"} if any(mark.name == "quick" for mark in marks) else {"quick"}
    for mark in marks:
        if mark.name == "parametrize":
            cases = [_is_thorough(case) for case in mark.args[1]]
            found |= {"thorough"} if any(cases) else set()
            found -= {"quick"} if all(cases) else set()
    return found


def _is_thorough(case: object) -> bool:
    return any(mark.name == "thorough" for mark in getattr(case, "marks", ()))


def misplaced(table: list[list[str]]) -> list[str]:
    """Every test in a column of a tier in which it has no case, or that does not exist."""
    return [
        f"{path}::{name} is not {tier}"
        for _, *columns in table
        for tier, cell in zip(("quick", "thorough"), columns, strict=True)
        for path, name in _NAME.findall(cell)
        if tier not in _tiers_of(path, name)
    ]


def _tiers_of(path: str, name: str) -> set[str]:
    if not (ROOT / path).is_file():
        return set()
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    return tiers(getattr(module, name)) if hasattr(module, name) else set()


def test_every_test_of_the_table_is_in_its_tier() -> None:
    table = rows((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(table) >= 10
    assert misplaced(table) == []


def test_every_guarantee_has_a_quick_test() -> None:
    table = rows((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert [guarantee for guarantee, quick, _ in table if not _NAME.search(quick)] == []


# Each rule above, shown to fail.


def test_a_test_that_is_not_there_or_of_the_other_tier_is_named() -> None:
    here = "tests/docs/test_guarantees.py"
    quick, gone = f"`{here}::test_every_guarantee_has_a_quick_test`", f"`{here}::test_nothing`"
    table = rows(f"{_HEADER}| a | {quick} | {quick} |\n| b | {gone} | |\n\nText")
    assert misplaced(table) == [
        f"{here}::test_every_guarantee_has_a_quick_test is not thorough",
        f"{here}::test_nothing is not quick",
    ]


THOROUGH = pytest.mark.thorough


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], {"quick"}),
        ([THOROUGH], {"thorough"}),
        ([pytest.mark.parametrize("a", [1, 2])], {"quick"}),
        ([pytest.mark.parametrize("a", [1, pytest.param(2, marks=THOROUGH)])],
         {"quick", "thorough"}),
        ([pytest.mark.parametrize("a", [pytest.param(2, marks=THOROUGH)])], {"thorough"}),
    ],
    ids=["plain", "thorough", "cases", "some-cases", "every-case"],
)  # fmt: skip
def test_the_tiers_of_a_test_are_read_from_its_marks(
    marks: list[pytest.MarkDecorator], expected: set[str]
) -> None:
    def test() -> None:
        """Nothing."""

    for mark in marks:
        mark(test)
    assert tiers(test) == expected

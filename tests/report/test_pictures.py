"""The pictures and tables that documents show of the demo are those of a demo that runs now."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scripts.docs import picture
from tests.conftest import ROOT
from tests.support.demo import Demo, demo  # noqa: F401 (a fixture)

PICTURES = ["report.png"] + [
    f"report-{width}-{scheme}.png" for width in picture.SIZES for scheme in ("light", "dark")
]
LIMIT = 300_000  # bytes


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_the_figures_of_the_demo(demo: Demo, name: str) -> None:  # noqa: F811
    """The one of README once showed amounts of an older demo."""
    page = (demo.folder / "report.html").read_text(encoding="utf-8")
    assert numbers(picture.figures_of(ROOT / "docs" / name)) == numbers(picture.figures(page))


def numbers(found: dict[str, list[str]]) -> dict[str, Any]:
    assert found
    return {name: [_number(value) for value in values] for name, values in found.items()}


def _number(value: str) -> Any:
    is_number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", value)
    return pytest.approx(float(value), rel=1e-9, abs=1e-6) if is_number else value


def test_pictures_are_small() -> None:
    sizes = {name: (ROOT / "docs" / name).stat().st_size for name in PICTURES}
    assert {name: size for name, size in sizes.items() if size > LIMIT} == {}


def test_the_tables_of_the_readme_are_printed_by_the_demo(demo: Demo) -> None:  # noqa: F811
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [line for line in readme.splitlines() if line.startswith(("│", "┃"))]
    printed = {timeless(line.rstrip()) for line in demo.ran.out.splitlines()}
    assert len(shown) == 5
    assert [line for line in shown if timeless(line) not in printed] == []


def timeless(line: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d", "…", line)


def test_a_picture_keeps_its_figures_as_text(tmp_path: Path) -> None:
    page, out = tmp_path / "page.html", tmp_path / "picture.png"
    page.write_text('<a data-figure="billed" data-value="1.5">$2</a>', encoding="utf-8")
    out.write_bytes((ROOT / "docs" / "report.png").read_bytes())
    plain = out.read_bytes()
    assert picture.figures_of(picture.noted(out, page)) != {}
    assert out.read_bytes()[:-12].startswith(plain[:-12])
    (tmp_path / "none.png").write_bytes(b"\x89PNG")
    assert picture.figures_of(tmp_path / "none.png") == {}

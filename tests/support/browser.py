"""What a page looks like in headless Chromium: figures, overflow, contrast, keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scripts.docs.chromium import Chromium, Page, program

LOOK = Path(__file__).with_name("look.js").read_text(encoding="utf-8")


def browser() -> Iterator[Chromium]:
    """A browser for the tests of a module. Skips them where there is none."""
    if program() is None:
        pytest.skip("no Chromium on PATH: apt-get install chromium (Debian)")
    with Chromium() as made:
        yield made


@dataclass(frozen=True)
class Figure:
    """A figure of the page: its name, the mart's value, the text, and the link's target."""

    name: str
    value: str
    text: str
    rows: str


def figures(html: str) -> list[Figure]:
    """Every figure in the order of the page."""
    parser = _Figures()
    parser.feed(html)
    return parser.found


class _Figures(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Figure] = []
        self._open: tuple[str, str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "data-figure" in values:
            rows = values.get("href", "").removeprefix("#")
            self._open = (values["data-figure"], values["data-value"], rows)

    def handle_data(self, data: str) -> None:
        if self._open:
            name, value, rows = self._open
            self.found.append(Figure(name, value, data, rows))
            self._open = None


def look(page: Page, question: str) -> list[str]:
    """What look.js answers to overflow, contrast or drawn."""
    found: list[str] = page.evaluate(f"(() => {{{LOOK}; return {question}(); }})()")
    return found


def file_of(folder: Path, markup: str) -> Path:
    """A page with this body."""
    page = folder / "page.html"
    page.write_text(f"<!doctype html><title>x</title>{markup}", encoding="utf-8")
    return page

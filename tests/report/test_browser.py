"""The report of the demo as Chromium shows it: every width, light and dark, on paper, no script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from pipelines.cli import report
from scripts.docs.chromium import Chromium, Page
from tests.support.browser import browser, figures, file_of, look
from tests.support.demo import Demo, configured_of, demo  # noqa: F401 (a fixture)

WIDTHS = (1400, 768, 390)
CHARTS = [f"chart-{name}" for name in "days months teams commitments margin trading".split()]
LIMIT = 1_500_000  # bytes


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    yield from browser()


@pytest.fixture(scope="module")
def written(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The report of the demo's parquet, written by the command."""
    out = tmp_path_factory.mktemp("report") / "page.html"
    with configured_of(demo):
        assert report.main(["--out", str(out)]) == 0
    return out


def faults(page: Page) -> dict[str, list[str]]:
    """What is wrong with an open page; lists are empty when nothing is."""
    found = {"console": page.console, "requests": page.requests}
    return found | {name: look(page, name) for name in ("overflow", "contrast")}


GOOD: dict[str, list[str]] = {"console": [], "requests": [], "overflow": [], "contrast": []}


def test_a_browser_shows_it_without_an_error_a_request_or_a_cut_label(
    chromium: Chromium, written: Path
) -> None:
    page = chromium.open(written, width=1400)
    assert faults(page) == GOOD
    assert look(page, "drawn") == CHARTS
    assert written.stat().st_size < LIMIT


@pytest.mark.thorough
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_readable_at_every_width_in_light_and_dark(
    chromium: Chromium, written: Path, width: int, dark: bool, script: bool
) -> None:
    page = chromium.open(written, width=width, dark=dark, script=script)
    assert faults(page) == GOOD
    assert look(page, "drawn") == CHARTS
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    assert faults(page) == GOOD


@pytest.mark.thorough
def test_dark_and_light_differ(chromium: Chromium, written: Path) -> None:
    colors = [
        chromium.open(written, dark=dark).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for dark in (False, True)
    ]
    assert colors == ["rgb(244, 246, 249)", "rgb(18, 24, 30)"]


@pytest.mark.thorough
def test_it_is_complete_without_a_script(chromium: Chromium, written: Path) -> None:
    with_script, without = (chromium.open(written, script=on).html() for on in (True, False))
    assert figures(without) == figures(with_script)
    assert '<form id="filters" hidden' in without
    assert '<form id="filters" hidden' not in with_script


@pytest.mark.thorough
def test_it_prints_the_ten_questions_on_the_first_sheet(
    chromium: Chromium, written: Path, tmp_path: Path
) -> None:
    """At A4's width less the margins, as media print lays it out, and as a PDF."""
    page = chromium.open(written, width=703, media="print", dark=True)
    assert faults(page) == GOOD
    assert look(page, "drawn") == CHARTS
    bottom = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.question')]"
        ".map((each) => each.getBoundingClientRect().bottom))"
    )
    assert bottom < 1032  # CSS pixels of an A4 sheet less 12 mm at both ends
    page.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.thorough
def test_every_figure_leads_to_its_rows_by_the_keyboard(chromium: Chromium, written: Path) -> None:
    page = chromium.open(written)
    tables = set(re.findall(r'<table id="([\w-]+)"', page.html()))
    links = [each.rows for each in figures(page.html()) if each.rows]
    assert links
    assert set(links) <= tables
    reached = []
    for _ in range(len(links) + 1):  # the link that skips to the tables comes first
        page.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('href')"))
    assert reached == ["#rows", *(f"#{name}" for name in links)]
    page.press("Enter")
    assert page.evaluate("document.querySelector('table:target').id") == links[-1]


@pytest.mark.thorough
def test_a_filter_shows_the_rows_of_a_month_and_a_provider(
    chromium: Chromium, written: Path
) -> None:
    page = chromium.open(written)
    choose = """(() => { const form = document.getElementById("filters");
        form.month.value = "2026-09"; form.provider.value = "AWS";
        form.dispatchEvent(new Event("change")); })()"""
    page.evaluate(choose)
    shown = """[...new Set([...document.querySelectorAll("#services tbody tr")]
        .filter((row) => row.checkVisibility())
        .map((row) => row.dataset.month + " " + row.dataset.provider))]"""
    assert page.evaluate(shown) == ["2026-09 AWS"]
    assert re.fullmatch(
        r"\d+ of \d+ rows shown", page.evaluate("document.getElementById('filtered').textContent")
    )
    assert faults(page) == GOOD


@pytest.mark.thorough
def test_a_month_that_is_over_is_a_page_of_its_own(
    chromium: Chromium,
    demo: Demo,  # noqa: F811
    tmp_path: Path,
) -> None:
    out = tmp_path / "page.html"
    with configured_of(demo):
        assert report.main(["--month", "2026-09", "--out", str(out)]) == 0
        found = report.read("filesystem", date(2026, 9, 1))[0]
    page = chromium.open(out, width=390)
    assert faults(page) == GOOD
    assert found.as_of == date(2026, 9, 30)
    assert "<h1>Cloud cost, September 2026</h1>" in page.html()
    assert max(row["month"] for row in found.months) == date(2026, 9, 1)


def test_faults_of_a_page_are_seen(chromium: Chromium, tmp_path: Path) -> None:
    """So that a page without them is not one that was not looked at."""
    markup = """<main><img src="http://127.0.0.1:9/x.png" alt="">
        <p style="color: #999; background: #fff">pale</p>
        <p style="width: 3000px">wide</p>
        <figure class="chart" id="cut"><svg width="40" height="20">
        <text x="0" y="15">cut label</text></svg></figure></main>
        <script>console.error("oh"); gone()</script>"""
    page = chromium.open(file_of(tmp_path, markup), width=390)
    assert sorted(page.console) == [  # the picture may fail before the script does
        "Failed to load resource: net::ERR_UNSAFE_PORT",
        "ReferenceError: gone is not defined",
        "oh",
    ]
    assert page.requests == ["http://127.0.0.1:9/x.png"]
    assert look(page, "contrast") == ["2.85: p pale"]
    assert look(page, "overflow")[0] == "the page scrolls sideways"
    assert look(page, "drawn") == []

"""Pictures of the demo's report, where there is a browser."""

from __future__ import annotations

from pathlib import Path

from scripts.docs import picture
from scripts.docs.chromium import Chromium, program


def take(page: Path, documents: Path | None) -> list[str]:
    """Write the picture beside the page, and those of the documents; what to say of them."""
    if program() is None:
        return ["Chromium is not on PATH: no picture of it."]
    with Chromium() as browser:
        taken = [picture.first(browser, page, page.with_suffix(".png"))]
    taken += picture.take(page, documents) if documents else ()
    return [str(path) for path in taken]

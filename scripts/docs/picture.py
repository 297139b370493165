"""Pictures of the report for the documents, as a browser shows it.

    python -m scripts.docs.picture [--page .demo/report.html] [--dir docs]

`report.png` is README's; `report-<width>-<light or dark>.png` are docs/report.md's. Needs Chromium
on PATH (Debian: apt-get install chromium). Each picture keeps the figures of the first page as
text, so that a test can compare them with what documents say.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.docs.chromium import Chromium, program

ROOT = Path(__file__).resolve().parents[2]
SIZES = {1400: (1500, 0.65), 768: (1700, 0.6), 390: (1500, 0.8)}
"""Width of the page in pixels: how much of its height is shown, and how large."""
README = (1280, 1180, 0.8)
KEYWORD = b"figures"


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 when there is no page or no browser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, default=ROOT / ".demo" / "report.html")
    parser.add_argument("--dir", type=Path, default=ROOT / "docs")
    options = parser.parse_args(arguments)
    if program() is None or not options.page.is_file():
        what = f"{options.page} is not there: make demo writes it"
        what = "Chromium is not on PATH" if program() is None else what
        print(f"error: {what}.", file=sys.stderr)
        return 1
    for out in take(options.page, options.dir):
        print(f"{out}: {out.stat().st_size / 1000:.0f} kB")
    return 0


def take(page: Path, folder: Path) -> Iterator[Path]:
    """Write every picture; yields their paths."""
    with Chromium() as browser:
        yield first(browser, page, folder / "report.png")
        for width, (height, scale) in SIZES.items():
            for scheme in ("light", "dark"):
                out = folder / f"report-{width}-{scheme}.png"
                shown = browser.open(page.resolve(), width=width, dark=scheme == "dark")
                shown.picture(out, height, scale)
                yield noted(out, page)


def first(browser: Chromium, page: Path, out: Path) -> Path:
    """README's picture, of the page's beginning."""
    width, height, scale = README
    browser.open(page.resolve(), width=width).picture(out, height, scale)
    return noted(out, page)


def noted(out: Path, page: Path) -> Path:
    """The picture with the page's figures in it as text."""
    text = KEYWORD + b"\0" + json.dumps(figures(page.read_text(encoding="utf-8"))).encode("ascii")
    content, end = out.read_bytes()[:-12], out.read_bytes()[-12:]  # the chunk IEND comes last
    chunk = b"tEXt" + text
    sum_of_it = struct.pack(">I", zlib.crc32(chunk))
    out.write_bytes(content + struct.pack(">I", len(text)) + chunk + sum_of_it + end)
    return out


def figures(html: str) -> dict[str, list[str]]:
    """The values of the first page's figures by name, as the marts have them."""
    found: dict[str, list[str]] = {}
    page = html.partition('<div class="charts">')[0]
    for name, value in re.findall(r'data-figure="([^"]+)" data-value="([^"]*)"', page):
        found.setdefault(name, []).append(value)
    return found


def figures_of(picture: Path) -> dict[str, list[str]]:
    """What a picture says of its figures; nothing where it does not."""
    content = picture.read_bytes()
    at = content.find(b"tEXt" + KEYWORD + b"\0")
    if at < 0:
        return {}
    (size,) = struct.unpack(">I", content[at - 4 : at])
    text = content[at + 4 : at + 4 + size].partition(b"\0")[2]
    found: dict[str, list[str]] = json.loads(text)
    return found


if __name__ == "__main__":
    sys.exit(main())

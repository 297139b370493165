"""docs/report.png: the report of the configured destination, as a browser shows it.

    python -m scripts.docs.picture [--page viz_rill/report.html] [--out docs/report.png]

Needs Chromium on PATH (Debian: apt-get install chromium). The picture is kept below 300 kB.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LIMIT = 300_000
WIDTH, HEIGHT = 1200, 1560


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 when there is no page, no browser, or the picture is too large."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, default=ROOT / "viz_rill" / "report.html")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "report.png")
    parser.add_argument("--height", type=int, default=HEIGHT, help=f"default: {HEIGHT}")
    options = parser.parse_args(arguments)
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None or not options.page.is_file():
        what = "Chromium is not on PATH" if program is None else f"{options.page} is not there"
        print(f"error: {what}. make report writes the page.", file=sys.stderr)
        return 1
    take(program, options.page, options.out, options.height)
    size = options.out.stat().st_size
    print(f"{options.out}: {size / 1000:.0f} kB")
    if size > LIMIT:
        print(f"error: the picture has more than {LIMIT / 1000:.0f} kB.", file=sys.stderr)
        return 1
    return 0


def take(program: str, page: Path, out: Path, height: int) -> None:
    """Write the picture. Raises CalledProcessError when the browser fails."""
    options = """--headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run
        --disable-dev-shm-usage --virtual-time-budget=10000""".split()
    with tempfile.TemporaryDirectory() as profile:
        command = [
            program,
            *options,
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile}",
            f"--window-size={WIDTH},{height}",
            f"--screenshot={out.resolve()}",
            page.resolve().as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    sys.exit(main())

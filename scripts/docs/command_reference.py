"""Write the list of make's targets in docs/commands.md, from the Makefile."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "commands.md"
_HEAD = "| target | what |\n|---|---|\n"


def page() -> str:
    """The whole page, with the list as it has to be."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.findall(r"^([a-z][\w-]*):.*?## (.*)$", makefile, re.MULTILINE)
    rows = "".join(f"| `make {name}` | {what} |\n" for name, what in found)
    return PAGE.read_text(encoding="utf-8").partition(_HEAD)[0] + _HEAD + rows


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

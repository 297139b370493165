"""Write the list of make's targets in docs/commands.md, from the Makefile."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "commands.md"
_HEAD = "| target | what |\n|---|---|\n"


def targets(makefile: str, sources: Iterable[str]) -> dict[str, str]:
    """Name and `##` comment of every target; "" where there is none.

    A rule with % is the target of each of the sources.
    """
    found: dict[str, str] = {}
    rule = re.compile(r"^(?:\$\(sources:%=[\w%-]+\): )?([a-z%][\w%-]*):(?!=)(.*)$", re.MULTILINE)
    for name, rest in rule.findall(makefile):
        what = rest.partition("##")[2].strip()
        for source in sources if "%" in name else [""]:
            found[name.replace("%", source)] = what.replace("%", source)
    return found


def page() -> str:
    """The whole page, with the list as it has to be."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = targets(makefile, ["<source>"])
    rows = "".join(
        f"| `make {name}` | {what.replace('<source>', '`<source>`')} |\n"
        for name, what in found.items()
    )
    return PAGE.read_text(encoding="utf-8").partition(_HEAD)[0] + _HEAD + rows


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""Files of variables beside the project, `.env` and the like, which only a shell reads.

Nothing here sets a variable. A person who has filled in such a file and forgot to read it into the
shell is told so, and one who did sees that the value is the file's.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

NAMES = (".env", ".env.cloud")
_OURS = re.compile(r"\s*(?:export\s+)?((?:CLICKHOUSE|DESTINATION__CLICKHOUSE)_\w+)=(.*)")
_EXAMPLE = re.compile(r"<[^<>]+>")


def variables(folder: Path) -> dict[str, dict[str, str]]:
    """File name → its ClickHouse variables, without examples and template files."""
    found = {name: _read(folder / name) for name in NAMES if (folder / name).is_file()}
    return {name: values for name, values in found.items() if _is_filled_in(values)}


def not_read(files: Mapping[str, Mapping[str, str]], environ: Mapping[str, str]) -> dict[str, str]:
    """File name → names that it sets and the environment does not, as one text."""
    return {
        file: ", ".join(missing)
        for file, values in files.items()
        if (missing := [name for name in values if not environ.get(name)])
    }


def _is_filled_in(values: Mapping[str, str]) -> bool:
    return any(name.endswith(("HOST", "PASSWORD", "CREDENTIALS")) for name in values)


def _read(path: Path) -> dict[str, str]:
    matches = (_OURS.fullmatch(line) for line in path.read_text(encoding="utf-8").splitlines())
    found = {match[1]: _plain(match[2]) for match in matches if match}
    return {name: value for name, value in found.items() if value and not _EXAMPLE.search(value)}


def _plain(text: str) -> str:
    """A value without its quotes and the comment behind it; "" for what no shell takes either."""
    try:
        return "".join(shlex.split(text, comments=True)[:1])
    except ValueError:
        return ""

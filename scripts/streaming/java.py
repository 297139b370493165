"""A Java that is new enough, wherever it is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

NEEDED = 21  # the registry's; Kafka and Connect run on 17, too
_INSTALLED = ("/usr/lib/jvm", "/Library/Java/JavaVirtualMachines")


class Missing(Exception):
    """Something that the stack needs is not on this machine; the text says the fix."""


def find_java(needed: int = NEEDED) -> Path:
    """The newest Java of JAVA_HOME, PATH and the usual folders. Raises Missing."""
    found = {path: version(path) for path in dict.fromkeys(_candidates())}
    newest = max(found, key=lambda path: found[path], default=None)
    if newest is None or found[newest] < needed:
        have = f"only Java {found[newest]} ({newest})" if newest else "no Java"
        raise Missing(
            f"The schema registry needs Java {needed} or newer, and {have} is here. Install one, "
            "or set JAVA_HOME; with Docker instead: docker compose up --wait"
        )
    return newest


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if path := shutil.which("java"):
        yield Path(path).resolve()
    for folder in map(Path, _INSTALLED):
        for pattern in ("*/bin/java", "*/Contents/Home/bin/java"):
            yield from (path.resolve() for path in folder.glob(pattern))


def version(java: Path) -> int:
    """Its feature release, such as 21; 0 for what is no Java."""
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return int(found[1]) if found else 0

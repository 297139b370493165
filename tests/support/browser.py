"""Headless Chromium on a page of one's own: what it drew, said and asked for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Seen:
    """The document after its scripts ran, console messages, and URLs that the page asked for."""

    dom: str
    console: list[str]
    requests: list[str]

    @property
    def figures(self) -> list[tuple[str, str, str]]:
        """Name, value and visible text of every figure, in order."""
        parser = _Figures()
        parser.feed(self.dom)
        return parser.found


class _Figures(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self._open: tuple[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if "data-figure" in values:
            self._open = (str(values["data-figure"]), str(values["data-value"]))

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found.append((*self._open, data))
            self._open = None


def program() -> str:
    """Chromium's name. Skips the test where there is none."""
    for name in PROGRAMS:
        if shutil.which(name):
            return name
    pytest.skip("no Chromium on PATH: apt-get install chromium (Debian)")


def visit(page: Path, folder: Path) -> Seen:
    """Open a file as a fresh user does. No name is resolved, so nothing leaves loopback."""
    log = folder / "net.json"
    options = """--headless=new --no-sandbox --disable-gpu --no-first-run --disable-extensions
        --disable-background-networking --disable-component-update --disable-sync
        --disable-dev-shm-usage --enable-logging=stderr --virtual-time-budget=10000
        --dump-dom""".split()
    ran = subprocess.run(
        [
            program(),
            *options,
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    console = re.findall(r"CONSOLE:\d+\] (.*)", ran.stderr)
    events = [event.get("params") or {} for event in json.loads(log.read_text())["events"]]
    asked = {e["url"] for e in events if e.get("initiator", "not an origin") != "not an origin"}
    return Seen(ran.stdout, console, sorted(asked))

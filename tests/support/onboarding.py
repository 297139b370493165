"""The commands of a document as a reader runs them: each block of a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"(?:<!-- needs (?P<needs>[^>]+) -->\n)?^ *```bash\n(?P<text>.*?)^ *```", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """One block of commands; `needs` says what it takes to run it, '' for nothing."""

    document: str
    needs: str
    lines: tuple[str, ...]


def blocks(document: str) -> list[Block]:
    """The bash blocks of a document, in order, continued lines joined."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        joined = match["text"].replace("\\\n", " ")
        lines = tuple(line.strip() for line in joined.splitlines() if line.strip())
        found.append(Block(document, match["needs"] or "", lines))
    return found


@dataclass(frozen=True)
class Sample:
    """An output that a document shows below commands: the commands, and its lines."""

    commands: tuple[str, ...]
    lines: tuple[str, ...]


def samples(document: str) -> list[Sample]:
    """The text blocks of a document, each with all commands since the one before it."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found: list[Sample] = []
    since: list[str] = []
    for match in re.finditer(r"^ *```(bash|text)\n(.*?)^ *```", text, re.M | re.S):
        lines = [line.strip() for line in match[2].splitlines() if line.strip()]
        if match[1] == "bash":
            since += [line.strip() for line in lines]
        else:
            found.append(Sample(tuple(since), tuple(lines)))
            since = []
    return found


def masked(line: str) -> str:
    """A line of output without what differs from run to run: ports, versions, sizes, seconds."""
    line = re.sub(r"(localhost:|PORT=|and )\d{4,5}\b", r"\1…", line.strip())
    line = re.sub(r"\b\d+\.\d+\.\d+\.\d+\b", "…", line)
    return re.sub(r"[\d.]+ (kB|MB|s)\b", r"… \1", line)


def missing(sample: Sample, said: Mapping[str, str]) -> list[str]:
    """Lines of a sample that its commands did not print, in this order; empty when all were."""
    printed = [masked(line) for command in sample.commands for line in said[command].splitlines()]
    at, found = 0, []
    for line in sample.lines:
        if masked(line) in printed[at:]:
            at = printed.index(masked(line), at) + 1
        else:
            found.append(line)
    return found


def copy_project(target: Path) -> Path:
    """What git has or would add, with the ready environment beside it; times stay."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "-co", "--exclude-standard"]
    names = subprocess.run(listing, check=True, capture_output=True, text=True).stdout
    for name in names.split("\0"):
        source = ROOT / name
        if name and source.is_file() and not name.startswith("tests/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    (target / ".venv").symlink_to((ROOT / ".venv").resolve())
    return target


@dataclass
class Reader:
    """Somebody who runs commands in a copy of the project, in one shell after the other."""

    project: Path
    environ: dict[str, str]

    def run(self, line: str) -> str:
        """One line; its output. The shell's exported variables are there for the next one."""
        kept = self.project.parent / "environment"
        # `make clickhouse-up` takes ports that are free, so that tests may run side by side
        ports = {"ARGS": "--port 0 --http-port 0"} if line == "make clickhouse-up" else {}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c",
             f"{line}\nenv -0 > '{kept}'"],
            cwd=self.project,
            env=self.environ | ports,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        pairs = (pair.split("=", 1) for pair in kept.read_text().split("\0") if "=" in pair)
        left_out = ("ARGS", "SHLVL", "_", "PWD", "OLDPWD")
        self.environ = {name: value for name, value in pairs if name not in left_out}
        return done.stdout


def reader(folder: Path) -> Reader:
    """A copy of the project, and a shell with its environment first on PATH."""
    project = copy_project(folder / "project")
    kept = ("HOME", "TZ", "LANG", "RUNTIME__DLTHUB_TELEMETRY")
    environ = {name: os.environ[name] for name in kept if name in os.environ} | {
        "PATH": f"{project}/.venv/bin:{os.environ['PATH']}",
        "DLT_DATA_DIR": str(folder / "dlt"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return Reader(project, environ)

"""`status` on a terminal of 80 and 120 columns: the newest partitions, totals, whole numbers."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime

import pytest

from scripts.sandbox.aws.delivery import deliver_cur2
from tests.conftest import ROOT, FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines

MONTHS = [f"2026-{month:02}" for month in range(1, 13)]
TOTALS = "aws: 12 partitions, 12 rows, 14,814,814.80 USD"


@pytest.fixture
def loaded(aws_bucket: FolderBucket, commands: Commands) -> Commands:
    """Twelve months of one line each."""
    commands.read_from(aws_bucket.url)
    for month in MONTHS:
        rows = lines(month, [1_234_567.9])
        deliver_cur2(aws_bucket, "e", "daily", month, rows, delivered_at=datetime.now(UTC))
    commands.well("load", "normalize")
    return commands


def on_terminal(width: int, *arguments: str) -> list[str]:
    """The lines that a command prints on a terminal of this width."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines", *arguments],
        cwd=ROOT, stdin=terminal, stdout=terminal, stderr=subprocess.DEVNULL,
        env={n: v for n, v in os.environ.items() if n != "COLUMNS"} | {"TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(terminal)
        said = b""
        while True:
            try:
                part = os.read(screen, 1 << 16)
            except OSError:  # the other end is closed
                break
            said += part
        assert process.wait() == 0
    os.close(screen)
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode().replace("\r\n", "\n")).splitlines()


@pytest.mark.quick("80")
@pytest.mark.parametrize("width", [80, 120])
def test_numbers_are_whole_at_80_and_120_columns_and_the_newest_months_are_shown(
    loaded: Commands, width: int
) -> None:
    shown = on_terminal(width, "status")
    rows = [line for line in shown if line.startswith("│")]
    assert [line.split("│")[1].strip() for line in rows] == MONTHS[-10:]
    assert all("1,234,567.90" in line and len(line) <= width for line in rows)
    assert shown[-1] == f"{TOTALS}; 2 older ones with --all"
    assert ("effective" in "".join(shown)) == (width == 120)


@pytest.mark.thorough
def test_all_shows_every_partition_and_json_has_them_anyway(loaded: Commands) -> None:
    every = loaded("status", "--all").out.splitlines()
    assert [line.split("│")[1].strip() for line in every if line.startswith("│")] == MONTHS
    assert every[-1] == TOTALS
    objects = loaded("status", "--json").out.splitlines()
    assert [json.loads(line)["partition"] for line in objects] == MONTHS

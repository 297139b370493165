"""Where commands are killed: which of all their steps and statements, by the tier.

The quick tier takes one of each kind; KILL_STRIDE=1 takes literally every one in the thorough tier,
which takes hours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest

from pipelines.tables.sources import SOURCE_NAMES

#: In the thorough tier one in so many is a kill point of what only reads, and of dlt's own steps.
STRIDE = int(os.environ.get("KILL_STRIDE", "15"))
#: For tests that take a `tier`.
TIERS = pytest.mark.parametrize("tier", ["quick", pytest.param("all", marks=pytest.mark.thorough)])
#: For those whose quick part another source's campaign has.
THOROUGH = pytest.mark.parametrize("tier", [pytest.param("all", marks=pytest.mark.thorough)])

_CHANGES = re.compile(r"(create|alter|insert|drop|exchange)\b", re.IGNORECASE)
_SOURCES = re.compile(rf"(?<=/)({'|'.join(SOURCE_NAMES)})(?=[._/\n]|$)")
_STAGED = re.compile(r"_(raw|norm|view\d+)\b")
_Each = TypeVar("_Each")


@dataclass(frozen=True)
class Point:
    """Where a command is killed: before its n-th step on files or its n-th statement; 0 is none."""

    what: str = ""
    file: int = 0
    statement: int = 0


NOWHERE = Point()


def normalising(tier: str) -> str:
    """The command to kill: without marts, which take most of it, since their computation is killed
    elsewhere (tests/marts/local/test_local_marts.py). With KILL_STRIDE=1 with them."""
    return "normalize" if tier == "all" and STRIDE == 1 else "normalize --no-marts"


def of_files(points: Sequence[Point], tier: str) -> list[Point]:
    """Quick: one of each kind of what changes files of the destination, and one of dlt's own steps.
    All: of folders made and removed, too, and every STRIDE-th of dlt's. Of renames always the first
    and the last, since a month that is there already is another case."""
    ours = [point for point in points if "/data/" in point.what]
    dlts = [point for point in points if "/data/" not in point.what]
    if tier == "quick":
        changing = [p for p in ours if not p.what.startswith(("os.mkdir", "os.rmdir"))]
        return [*_with_both_renames(changing), *inner(dlts, 1)]
    return [*(_with_both_renames(ours) if STRIDE > 1 else ours), *dlts[::STRIDE]]


def of_tables(points: Sequence[Point], tier: str) -> list[Point]:
    """Quick: three kinds of what changes something, where a partition's staged tables are one,
    and a step in the working directory. All: every kind, every STRIDE-th of what only reads, and of
    the steps in the working directory."""
    statements = [point for point in points if point.statement]
    steps = [point for point in points if point.file]
    if STRIDE == 1 and tier == "all":
        return [*statements, *steps]
    changing = one_of_a_kind([point for point in statements if _CHANGES.match(point.what)])
    others = [point for point in statements if not _CHANGES.match(point.what)]
    if tier == "quick":
        return [*inner(changing, 3), *inner(steps, 1)]
    return [*changing, *others[::STRIDE], *steps[STRIDE - 1 :: 5 * STRIDE]]


def of_tier(points: Sequence[_Each], tier: str, quick: int, thorough: int) -> list[_Each]:
    """So many of them, evenly, the first and the last only in the thorough tier; with KILL_STRIDE=1
    that takes every one."""
    if tier == "quick":
        return inner(points, quick)
    if STRIDE == 1 or len(points) <= thorough:
        return list(points)
    return [points[number * (len(points) - 1) // (thorough - 1)] for number in range(thorough)]


def inner(points: Sequence[_Each], most: int) -> list[_Each]:
    """At most so many of them, evenly, neither the first nor the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[number * len(points) // (most + 1)] for number in range(1, most + 1)]


def one_of_a_kind(points: Sequence[Point]) -> list[Point]:
    """What two partitions, sources, marts or staged tables have in common is one point, at the
    last."""
    return list({_kind(point): point for point in points}.values())


def _with_both_renames(points: Sequence[Point]) -> list[Point]:
    renames = [point for point in points if point.what.startswith("os.rename")]
    chosen = {*one_of_a_kind(points), *one_of_a_kind(renames[::-1])}
    return sorted(chosen, key=lambda point: point.file)


def _kind(point: Point) -> str:
    if point.statement:
        text = re.sub(r"_[0-9a-f]{12}|\d{4}-\d\d|'.*'", "", point.what)[:60]
        return _STAGED.sub("_staged", text)
    text = _SOURCES.sub("source", point.what)
    text = re.sub(r"/marts/(?!costs)\w+", "/marts/one", text)
    return re.sub(r"[0-9a-f]{8,}|\d+", "#", text)

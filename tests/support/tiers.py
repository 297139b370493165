"""The two tiers of tests: `make test` leaves out what is marked thorough, `make test-thorough` runs
everything. A tier also says how many random examples a test takes that does not name a number."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

QUICK = "not thorough"
#: Random examples of each tier. A test of pure functions names its own number: `examples`.
EXAMPLES = {"quick": 5, "thorough": 20}


def examples(thorough: int) -> int:
    """How many random examples a test of pure functions takes: in the quick tier a quarter."""
    from hypothesis import settings

    is_quick = settings().max_examples < EXAMPLES["thorough"]
    return thorough // 4 if is_quick else thorough


#: Words in the names of files whose tests take long.
LONG = ("kill", "migrate", "demo", "prune", "ingest", "readers", "workflows", "lease", "bench")


def mark_thorough(items: Iterable[pytest.Item]) -> None:
    """Apply `@pytest.mark.quick("filesystem")`: cases with no such word in their id are thorough.

    A test on both destinations proves its point in the quick tier on one of them where another
    test proves the other destination's part. A word is a part of the id between hyphens.
    """
    for item in items:
        for mark in item.iter_markers("quick"):
            case = item.name.partition("[")[2].removesuffix("]")
            if not any(f"-{word}-" in f"-{case}-" for word in mark.args):
                item.add_marker("thorough")


def contained_cases(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The case `quick` of each test of which the case `all` is run, too: it does that and more."""
    names = {item.nodeid for item in items}
    return [
        item
        for item in items
        if item.nodeid.endswith("quick]") and f"{item.nodeid.removesuffix('quick]')}all]" in names
    ]


class InFile(Protocol):
    """A test, as far as its place matters."""

    path: Path


_Item = TypeVar("_Item", bound=InFile)


def dealt(items: Iterable[_Item], workers: int) -> list[_Item]:
    """Tests in the order in which workers that steal begin with the long ones.

    Each worker starts with an equal part of the list, in order, and steals from the end of
    another's. So the long files are dealt out first, one to each part. A file stays together,
    because its tests share servers, and so do the files of one estate, and of one demo.
    """
    items = list(items)
    shared = {
        item.path: name
        for item in items
        for name in ("estate", "demo")
        if name in getattr(item, "fixturenames", ())
    }
    together: dict[object, list[_Item]] = {}
    for item in items:
        together.setdefault(shared.get(item.path, item.path), []).append(item)
    files = list(together.values())
    files.sort(key=lambda file: not any(word in file[0].path.stem for word in LONG))
    parts: list[list[_Item]] = [[] for _ in range(workers)]
    for file in files:
        min(parts, key=len).extend(file)
    return list(itertools.chain.from_iterable(parts))


def tier(config: pytest.Config) -> str:
    """`quick` when the thorough tests are left out, else `thorough`."""
    return "quick" if config.option.markexpr == QUICK else "thorough"


def load_profile(config: pytest.Config) -> None:
    """Give Hypothesis the tier's profile, or the one that HYPOTHESIS_PROFILE names.

    `--hypothesis-profile` wins over both, since Hypothesis's plugin applies it afterwards.
    """
    from hypothesis import settings  # a tenth of a second, which `pytest --help` need not wait for

    before = settings()  # Hypothesis's own, which differ where the variable CI is set
    for name, examples in EXAMPLES.items():
        settings.register_profile(name, before, max_examples=examples)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", tier(config)))

"""What is loaded equals the tape, whatever the paging and the errors; a known bad way loses."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from pipelines.providers.deribit.market import Market
from scripts.sandbox.deribit.server import FAULTS, Faults, Sandbox
from scripts.sandbox.deribit.tape import Tape
from tests.support.providers.deribit_market import (
    FIRST,
    NOW,
    at,
    day_of,
    holes,
    on_tape,
    random_tape,
    rows,
    same,
    settings,
)

HASTY = [kind for kind in FAULTS if kind != "slow"]


@pytest.mark.thorough
@of_hypothesis(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(
    seed=st.integers(0, 10_000),
    page=st.integers(1, 12),
    most=st.integers(1, 40),
    parallel=st.integers(1, 4),
    rate=st.sampled_from((0.0, 0.1, 0.3)),
)
@example(seed=2705, page=12, most=29, parallel=1, rate=0.3)  # a page of another kind, twice
@example(seed=919, page=8, most=24, parallel=2, rate=0.3)  # an empty page of another kind
@example(seed=31, page=1, most=1, parallel=1, rate=0.3)  # the same, in both orders of paging
def test_what_is_loaded_is_the_tape(
    seed: int, page: int, most: int, parallel: int, rate: float
) -> None:
    tape = random_tape(random.Random(seed), moments=30, most=most, instruments=5)
    with Sandbox(tape, NOW, Faults(HASTY, rate, seed)) as sandbox:
        wanted = settings(sandbox, page_size=page, parallel=parallel, tries=12)
        found = rows(day_of(Market(wanted), wanted, FIRST))
    assert same(found, on_tape(tape, "BTC", FIRST))
    assert holes(found) == {(name, seq) for name, lost in tape.holes.items() for seq in lost}


@pytest.fixture(scope="module")
def bursty() -> Tape:
    return random_tape(random.Random(7), moments=200, most=12, instruments=6)


def test_the_bad_way_of_paging_loses_trades_of_the_same_tape(bursty: Tape) -> None:
    with Sandbox(bursty, NOW) as sandbox:
        wanted = settings(sandbox, page_size=20)
        good = rows(day_of(Market(wanted), wanted, FIRST))
        bad = list(as_collectors_page(sandbox, 20))
    tape = on_tape(bursty, "BTC", FIRST)
    assert same(good, tape)
    lost = {t["trade_id"] for t in tape} - {t["trade_id"] for t in bad}
    assert 0 < len(lost) < len(tape)
    assert same(bad, tape) is False


def as_collectors_page(sandbox: Sandbox, count: int) -> Iterator[dict[str, Any]]:
    """Backwards by `end = oldest - 1`: what a page could not hold of its oldest ms is gone."""
    end = at(FIRST, 24) - 1
    url = f"{sandbox.url}/history/api/v2/public/get_last_trades_by_currency_and_time"
    while True:
        asked: dict[str, str | int] = {
            "currency": "BTC",
            "kind": "any",
            "start_timestamp": at(FIRST),
            "end_timestamp": end,
            "count": count,
            "sorting": "desc",
        }
        result = requests.get(url, params=asked, timeout=10).json()["result"]
        yield from result["trades"]
        if not result["has_more"]:
            return
        end = result["trades"][-1]["timestamp"] - 1

"""The order in which marts are computed, two at once."""

from __future__ import annotations

from threading import Barrier

import pytest

from pipelines.marts.order import in_order


def test_two_that_need_nothing_of_each_other_run_at_once_and_what_needs_both_comes_after() -> None:
    both = Barrier(2)
    begun: list[str] = []

    def work(name: str) -> None:
        begun.append(name)
        if name in ("rates", "days"):
            both.wait(timeout=60)  # passes only when the other one runs, too

    done = list(in_order({"rates": [], "days": [], "overview": ["rates", "days"]}, work))

    assert sorted(done[:2]) == ["days", "rates"]
    assert done[2:] == ["overview"]
    assert begun[2:] == ["overview"]


def test_an_error_in_one_is_raised_and_nothing_that_needs_it_is_begun() -> None:
    begun: list[str] = []

    def work(name: str) -> None:
        begun.append(name)
        raise ValueError(f"{name} cannot be computed")

    with pytest.raises(ValueError, match="rates cannot be computed"):
        list(in_order({"rates": [], "overview": ["rates"]}, work))

    assert begun == ["rates"]

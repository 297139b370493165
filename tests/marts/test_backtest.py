"""The projection of a month's end against generated months, of which the truth is known."""

from __future__ import annotations

import pytest

from scripts.docs.backtest import MARK, RULES, SHAPES, Result, days_of, measure


@pytest.fixture(scope="module")
def results() -> list[Result]:
    """Every eleventh day of the year: the command measures all."""
    return [measure(name, days_of(shape, seed=7), step=11) for name, shape in SHAPES.items()]


@pytest.mark.thorough
def test_half_of_the_projections_are_within_four_percent(results: list[Result]) -> None:
    assert {each.name: each.median_error for each in results if each.median_error > 0.04} == {}


@pytest.mark.thorough
def test_the_interval_holds_the_truth_on_four_days_of_five(results: list[Result]) -> None:
    assert sum(each.held for each in results) / len(results) >= 0.8
    assert min(each.held for each in results) >= 0.6  # steps to come cannot be foreseen


def test_the_rules_show_every_shape() -> None:
    _, _, shown = RULES.read_text(encoding="utf-8").partition(MARK)
    assert [name for name in SHAPES if f"| {name} |" not in shown] == []

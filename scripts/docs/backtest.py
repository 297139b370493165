"""Measure the projection of a month's end: `python -m scripts.docs.backtest`.

Every day of generated months, of which the truth is known, is projected by the mart
`cost_projection` itself. The table goes into docs/rules.md.
"""

from __future__ import annotations

import calendar
import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.clickhouse.schema.rendering import SQL

RULES = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
MARK, END = "<!-- from scripts/docs/backtest.py -->", "<!-- end -->"
FIRST, DAYS = date(2025, 1, 1), 365
BEGIN = 59  # days of history before the first projection
NOISE = 0.03

Shape = Callable[[int, date, random.Random], float]


@dataclass(frozen=True)
class Result:
    """One shape of cost: how far off projections were, and how many intervals held the truth."""

    name: str
    days: int
    median_error: float
    worst_tenth: float
    held: float


def _steady(n: int, day: date, random_: random.Random) -> float:
    return 100.0


def _weekly(n: int, day: date, random_: random.Random) -> float:
    return 60.0 if day.weekday() >= 5 else 110.0


def _growth(n: int, day: date, random_: random.Random) -> float:
    return 100.0 * math.exp(math.log(1.15) / 30 * n)


def _steps(n: int, day: date, random_: random.Random) -> float:
    steps = ((70, 1.4), (131, 0.75), (190, 1.5), (263, 0.7), (320, 1.25))
    return 100.0 * math.prod(factor for at, factor in steps if n >= at)


def _fees(n: int, day: date, random_: random.Random) -> float:
    return 100.0 + (400.0 if day.day == 1 else 0.0)


def _mixed(n: int, day: date, random_: random.Random) -> float:
    return _weekly(n, day, random_) * _growth(n, day, random_) / 100 + _fees(n, day, random_) - 100


SHAPES: dict[str, Shape] = {
    "steady": _steady,
    "weekends at 55 %": _weekly,
    "growth of 15 % a month": _growth,
    "five steps of 25 to 50 %": _steps,
    "a fee of four days on the 1st": _fees,
    "weekends, growth and the fee": _mixed,
}


def days_of(shape: Shape, seed: int) -> list[float]:
    """A year of daily cost: the shape with noise."""
    random_ = random.Random(seed)
    return [
        shape(n, FIRST + timedelta(days=n), random_) * random_.gauss(1, NOISE) for n in range(DAYS)
    ]


def measure(name: str, costs: Sequence[float], step: int = 1) -> Result:
    """Project the month's end on every `step`th day, and compare."""
    errors, held = [], 0
    for n, to_come, low, high in projections(costs, range(BEGIN, DAYS, step)):
        day = FIRST + timedelta(days=n)
        left = calendar.monthrange(day.year, day.month)[1] - day.day
        so_far, rest = sum(costs[n - day.day + 1 : n + 1]), sum(costs[n + 1 : n + 1 + left])
        errors.append(abs(to_come - rest) / (so_far + rest))
        held += low - 1e-9 <= rest <= high + 1e-9
    errors.sort()
    return Result(
        name,
        len(errors),
        statistics.median(errors),
        errors[int(len(errors) * 0.9)],
        held / len(errors),
    )


def projections(
    costs: Sequence[float], ends: Sequence[int]
) -> Iterator[tuple[int, float, float, float]]:
    """For each day that the data may end on: what the mart says is to come, low and high."""
    select = next(mart.select for mart in mart_selects(SQL) if mart.name == "cost_projection")
    with duckdb.connect(":memory:") as duck:
        duck.execute("set threads = 1")
        duck.execute("create table days (n integer, day date, cost double)")
        rows = [(n, FIRST + timedelta(days=n), cost) for n, cost in enumerate(costs)]
        duck.executemany("insert into days values (?, ?, ?)", rows)
        duck.execute("set variable newest = 0")
        duck.execute(
            "create view cost_days as select 'aws' as source, day, cost as daily_billed, "
            "cost as daily_effective, 0.0 as monthly_billed, 0.0 as monthly_effective "
            "from days where n <= getvariable('newest')"
        )
        duck.execute(
            "create view complete_through as select 'aws' as source, 'live' as state, "
            "day as as_of, day as complete_through from days where n = getvariable('newest')"
        )
        for n in ends:
            duck.execute(f"set variable newest = {n}")
            found = duck.execute(
                f"select to_come_billed, low_billed, high_billed from ({select})"
            ).fetchone()
            if found is None:
                raise ValueError(f"no projection on day {n}")
            yield n, found[0], found[1], found[2]


def table(results: Sequence[Result]) -> str:
    """The results as a table of docs/rules.md."""
    rows = [
        f"| {each.name} | {each.days} | {_percent(each.median_error, 1)} "
        f"| {_percent(each.worst_tenth, 1)} | {_percent(each.held)} |"
        for each in results
    ]
    days = sum(each.days for each in results)
    held = _percent(sum(each.held * each.days for each in results) / days)
    head = "| daily cost, with 3 % of noise | days | median error | nine of ten within | held |"
    return "\n".join([head, "|---|---|---|---|---|", *rows, f"| all | {days} | | | {held} |"])


def _percent(share: float, digits: int = 0) -> str:
    return f"{share * 100:.{digits}f} %"


def main() -> None:
    """Measure every shape and write the table."""
    results = [measure(name, days_of(shape, seed=7)) for name, shape in SHAPES.items()]
    found = table(results)
    text = RULES.read_text(encoding="utf-8")
    before, _, rest = text.partition(MARK)
    _, _, after = rest.partition(END)
    RULES.write_text(f"{before}{MARK}\n{found}\n{END}{after}", encoding="utf-8")
    print(found)


if __name__ == "__main__":
    main()

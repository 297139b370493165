"""Measure what `cost_anomalies` finds of changes put into made-up cost, for docs/rules.md.

Every number is drawn from one seed: services with noise, weekends, growth, fees at the start of
months and older changes of level, then steps, spikes and drops in the last 13 weeks.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.tables import daily
from pipelines.tables.schema import arrow_of, deliveries_schema

RULES = Path(__file__).resolve().parents[2] / "docs" / "rules.md"
BEGIN, END = "<!-- from scripts/docs/anomalies.py -->\n", "<!-- end of anomalies -->\n"
TAGS = ("Team",)
FIRST, DAYS, JUDGED = date(2026, 4, 1), 200, 90
NOISE = (0.02, 0.05, 0.08)
KINDS = ("step", "spike", "drop")
SMALLEST = 0.3  # the share by which a day has to change, and
WORTH = 20.0  # what it has to be worth, for a change to count as one that should be found
_MARTS = "fx_rates", "reporting_rates", "complete_through", "cost_anomalies"
_FX = "rate_date date, currency text, units_per_eur decimal(38, 9)"


@dataclass(frozen=True)
class Change:
    """A service costs `factor` times as much from day `first` to day `last`."""

    kind: str
    first: int
    last: int
    factor: float


@dataclass(frozen=True)
class Service:
    """What one service costs: by day without the change, and the change."""

    name: str
    account: str
    team: str
    noise: float
    plain: tuple[float, ...]
    fees: tuple[float, ...]
    change: Change | None

    def cost(self, day: int) -> float:
        """What it costs on a day, with the change."""
        return self.plain[day] * self.factor(day) + self.fees[day]

    def factor(self, day: int) -> float:
        """By how much the change multiplies a day's usage."""
        change = self.change
        return change.factor if change and change.first <= day <= change.last else 1.0

    def members(self) -> Iterator[tuple[str, str]]:
        """The series that it is a part of."""
        yield "service", self.name
        yield "account", self.account
        yield "tag_team", self.team


@dataclass(frozen=True)
class Score:
    """How many changes there were, were found, and how many of the rows found were none."""

    wanted: int
    found: int
    rows: int
    right: int

    @property
    def recall(self) -> float:
        """The share of the changes that was found."""
        return self.found / self.wanted

    @property
    def precision(self) -> float:
        """The share of what was found that is a change."""
        return self.right / self.rows


def services(seed: int = 16, count: int = 240) -> list[Service]:
    """Made-up services, every second one with a change."""
    chance = random.Random(seed)
    return [_service(chance, number) for number in range(count)]


def _service(chance: random.Random, number: int) -> Service:
    base = math.exp(chance.uniform(math.log(25), math.log(2000)))
    noise, weekend = NOISE[number // 2 % 3], chance.choice((1.0, 0.9, 0.6, 0.3))
    growth = chance.uniform(-0.01, 0.04) / 30
    moved_on = chance.randrange(20, 100) if chance.random() < 0.25 else DAYS
    moved_by = chance.uniform(0.5, 2.0)
    fee = base * chance.uniform(0.5, 3) if chance.random() < 0.25 else 0.0
    plain, fees = [], []
    for number_of_day in range(DAYS):
        day = FIRST + timedelta(days=number_of_day)
        level = base * (1 + growth) ** number_of_day * (weekend if day.weekday() > 4 else 1)
        level *= moved_by if number_of_day >= moved_on else 1
        plain.append(level * math.exp(chance.gauss(0, noise)))
        fees.append(fee if day.day == 1 else 0.0)
    change = _change(chance, KINDS[number // 6 % 3]) if number % 2 else None
    account, team = f"account-{number // 3}", f"team-{number % 60}"
    return Service(f"service-{number}", account, team, noise, tuple(plain), tuple(fees), change)


def _change(chance: random.Random, kind: str) -> Change:
    first = chance.randrange(DAYS - JUDGED, DAYS - 8)
    size = 1 + chance.choice((0.3, 0.4, 0.6, 1.0, 2.0))
    if kind == "step":
        return Change(kind, first, DAYS, size)
    if kind == "spike":
        return Change(kind, first, first + chance.randrange(3), size)
    return Change(kind, first, first + 1 + chance.randrange(4), chance.choice((0.7, 0.6, 0.4, 0)))


def anomalies(made: Sequence[Service]) -> list[tuple[str, str, int, str]]:
    """What the mart finds in their cost: dimension, value, number of the first day, direction."""
    columns = daily.daily_columns(TAGS)
    rows = [_row(each, day) for each in made for day in range(DAYS)]
    names = list(rows[0])
    costs = arrow_of([column for column in columns if column.name in names])
    with duckdb.connect() as duck:
        duck.register("given", pa.Table.from_pylist(rows, costs))
        duck.register("shape", arrow_of(columns).empty_table())
        duck.execute("create view costs_daily as from shape union all by name from given")
        duck.execute(f"create table normalized_fx ({_FX})")
        duck.register("deliveries", deliveries_schema().empty_table())
        for mart in mart_selects(SQL, TAGS):
            if mart.name in _MARTS:
                duck.execute(f"create view {mart.name} as {mart.select}")
        found = duck.execute(
            "select dimension, value, first_day, direction from cost_anomalies"
        ).fetchall()
    return [(dimension, value, (day - FIRST).days, way) for dimension, value, day, way in found]


def _row(service: Service, day: int) -> dict[str, object]:
    return {
        "x_source": "aws",
        "x_usage_date": FIRST + timedelta(days=day),
        "charge_category": "Usage",
        "charge_frequency": "Usage-Based",
        "billing_currency": "USD",
        "x_spans_days": False,
        "service_name": service.name,
        "sub_account_id": service.account,
        "tag_team": service.team,
        "effective_cost": service.cost(day),
        "x_lines": 1,
        "x_lines_without_effective_cost": 0,
    }


def measure(made: Sequence[Service]) -> dict[str, Score]:
    """Scores by dimension, by kind of change, by noise of the service, and of all."""
    found = anomalies(made)
    series: dict[tuple[str, str], list[Service]] = {}
    for each in made:
        for key in each.members():
            series.setdefault(key, []).append(each)
    wanted = [
        (key, each, change)
        for key, members in series.items()
        for each in members
        if (change := each.change) and _is_large(change, each, members)
    ]
    hits = [w for w in wanted if any(_fits(row, w[0], w[2]) for row in found)]
    right = [row for row in found if _cause(row, series.get((row[0], row[1]), []))]
    scores = {"all": Score(len(wanted), len(hits), len(found), len(right))}
    for dimension in ("service", "account", "tag_team"):
        scores[dimension] = Score(
            sum(key[0] == dimension for key, *_ in wanted),
            sum(key[0] == dimension for key, *_ in hits),
            sum(row[0] == dimension for row in found),
            sum(row[0] == dimension for row in right),
        )
    return scores | _by_part(wanted, hits)


def _by_part(
    wanted: Sequence[tuple[object, Service, Change]],
    hits: Sequence[tuple[object, Service, Change]],
) -> dict[str, Score]:
    """The recall of parts; a row that is not a change belongs to none of them."""
    counted: dict[str, list[int]] = {}
    for place, each in enumerate((wanted, hits)):
        for _, service, change in each:
            size = "30 to 50 %" if abs(change.factor - 1) < 0.5 else "more than 50 %"
            for part in (f"{change.kind}s", f"noise of {service.noise:.0%}", size):
                counted.setdefault(part, [0, 0])[place] += 1
    return {part: Score(counts[0], counts[1], 0, 0) for part, counts in sorted(counted.items())}


def _is_large(change: Change, service: Service, members: Sequence[Service]) -> bool:
    day = change.first
    usual = sum(each.plain[day] + each.fees[day] for each in members)
    now = sum(each.cost(day) for each in members)
    moved = service.plain[day] * abs(change.factor - 1)
    # 30 % of what the service costs is 30 % but for floats
    return moved >= (SMALLEST - 1e-9) * usual and max(usual, now) >= WORTH


def _fits(row: tuple[str, str, int, str], key: tuple[str, str], change: Change) -> bool:
    """Whether a row names the change on its first day or the day after."""
    direction = "rise" if change.factor > 1 else "drop"
    return (row[0], row[1]) == key and row[3] == direction and 0 <= row[2] - change.first <= 1


def _cause(row: tuple[str, str, int, str], members: Sequence[Service]) -> Service | None:
    """The service whose change a row is about: it begins on one of its days, in the first week."""
    for each in members:
        change = each.change
        if change is None or row[3] != ("rise" if change.factor > 1 else "drop"):
            continue
        if change.first <= row[2] <= min(change.last, change.first + 6):
            return each
    return None


def table(scores: dict[str, Score]) -> str:
    """The scores as a table of docs/rules.md."""
    lines = ["| | changes | found | recall | rows | precision |", "|---|---|---|---|---|---|"]
    for name, score in scores.items():
        rows = f"{score.rows} | {score.precision:.3f}" if score.rows else " | "
        lines.append(f"| {name} | {score.wanted} | {score.found} | {score.recall:.3f} | {rows} |")
    return "\n".join(lines) + "\n"


def rules() -> str:
    """docs/rules.md with its table of anomalies measured again."""
    before, begin, rest = RULES.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}{table(measure(services()))}{end}{after}"


if __name__ == "__main__":
    RULES.write_text(rules(), encoding="utf-8")

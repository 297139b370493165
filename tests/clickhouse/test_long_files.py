"""Hand-kept files of many lines are tables for whoever computes the marts, on both engines."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.marts import stored
from pipelines.normalize.run import tag_columns
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ, leftovers
from tests.support.world import World

FIRST = date(1990, 1, 1)


def rates(path: Path, days: int, currencies: int) -> None:
    """A line per day and currency; on the n-th day 1.n of each for a euro."""
    lines = ["rate_date:date,currency:currency,units_per_eur:rate"]
    for day in range(days):
        at = FIRST + timedelta(days=day)
        lines += [f"{at},AA{chr(65 + n)},1.{day + 1:05d}" for n in range(currencies)]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("days", "currencies"), [(300, 2), pytest.param(10_000, 10, marks=pytest.mark.thorough)]
)
def test_rates_of_many_lines_are_the_same_on_both_engines(
    clickhouse: ClickHouseConfig,
    aws_bucket: FolderBucket,
    commands: Commands,
    tmp_path: Path,
    days: int,
    currencies: int,
) -> None:
    world = World(aws_bucket, clickhouse, commands)
    commands.set(environ(clickhouse, aws_bucket.root))
    commands.set({"NORMALIZE__FX_RATES": str(tmp_path / "rates.csv")})
    rates(tmp_path / "rates.csv", days, currencies)
    world.deliver("2026-09", [1.0])
    world.both()
    commands.well("normalize", marts=True)
    assert "fx_rates" in stored.compute(clickhouse, tag_columns())
    local = pq.ParquetFile(commands.data / "marts" / "fx_rates" / "data.parquet").read()
    found = world.query(
        "select count(), toString(max(rate_date)), max(units_per_eur) from fx_rates"
    )
    assert [(local.num_rows, str(max(local["rate_date"].to_pylist())))] == [found[0][:2]]
    assert local.num_rows >= days * currencies
    assert max(local["units_per_eur"].to_pylist()) == found[0][2]
    tables = [name for (name,) in world.query("show tables") if name.startswith("kept_")]
    assert [name[:14] for name in tables] == ["kept_fx_rates_"]
    rates(tmp_path / "rates.csv", days + 1, currencies)
    assert "fx_rates" in stored.compute(clickhouse, tag_columns())
    assert stored.compute(clickhouse, tag_columns()) == []
    (other,) = [name for (name,) in world.query("show tables") if name.startswith("kept_")]
    assert other not in tables
    assert leftovers(clickhouse) == []


def test_a_wrong_line_of_a_long_file_is_named(
    aws_bucket: FolderBucket, commands: Commands, tmp_path: Path
) -> None:
    commands.read_from(aws_bucket.url)
    path = tmp_path / "rates.csv"
    rates(path, 300, 2)
    path.write_text(path.read_text().replace("AAB,1.00300", "AAB,0"), encoding="utf-8")
    commands.set({"NORMALIZE__FX_RATES": str(path)})
    ran = commands("normalize")
    assert (ran.status, f"{path}, line 601: '0' is not a rate for units_per_eur." in ran.err) == (
        2,
        True,
    )

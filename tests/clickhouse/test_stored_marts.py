"""The marts that ClickHouse stores: computed by what changes what is published, and only then."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.lease import leased
from pipelines.marts import stored
from pipelines.normalize.run import tag_columns
from tests.conftest import FolderBucket
from tests.support.clickhouse.databases import Template
from tests.support.commands import Commands
from tests.support.kill.harness import Harness
from tests.support.kill.points import THOROUGH, of_tier
from tests.support.kill.worlds import Tables
from tests.support.providers.aws_months import deliver
from tests.support.published_clickhouse import compute_marts, environ, leftovers, query
from tests.support.world import World

STORED = sorted(mart.name for mart in mart_selects() if mart.is_stored)
COMPUTED = (
    "select name, uuid from system.tables where database = currentDatabase() "
    "and comment like 'Computed by sql/marts/%' order by name"
)


@pytest.fixture
def world(aws_bucket: FolderBucket, clickhouse: ClickHouseConfig, commands: Commands) -> World:
    commands.set(environ(clickhouse, aws_bucket.root))
    return World(aws_bucket, clickhouse, commands)


def months(config: ClickHouseConfig) -> list[tuple[Any, ...]]:
    return query(config, "select toString(month), effective from cost_overview order by month")


def test_a_load_computes_them_and_one_that_changes_nothing_leaves_them(world: World) -> None:
    world.deliver("2026-08", [8.0])
    world.deliver("2026-09", [9.0, 1.0])
    assert world.commands("load", marts=True).status == 0
    first = query(world.database, COMPUTED)
    assert [name for name, _ in first] == STORED
    assert months(world.database) == [("2026-08-01", 8.0), ("2026-09-01", 10.0)]
    assert world.commands("load", marts=True).status == 0
    assert query(world.database, COMPUTED) == first
    assert leftovers(world.database) == []


@pytest.mark.thorough
def test_what_does_not_read_a_source_is_left_when_that_source_changes(world: World) -> None:
    world.deliver("2026-08", [8.0])
    assert world.commands("load", marts=True).status == 0
    first = dict(query(world.database, COMPUTED))
    world.deliver("2026-08", [9.0], prefix="restated")
    assert world.commands("load", marts=True).status == 0
    second = dict(query(world.database, COMPUTED))
    assert months(world.database) == [("2026-08-01", 9.0)]
    assert sorted(name for name in STORED if first[name] == second[name]) == [
        "fx_rates",
        "payouts",
        "revenue",
    ]


@pytest.mark.thorough
def test_rows_that_came_without_a_delivery_are_noticed(world: World) -> None:
    stored.compute(world.database, tag_columns())
    assert query(world.database, "select count() from fx_rates where currency = 'USD'") == [(0,)]
    world.change(
        "insert into normalized_fx (rate_date, currency, units_per_eur) "
        "values ('2026-08-03', 'USD', 1.25)"
    )
    assert "fx_rates" in stored.compute(world.database, tag_columns())
    assert query(world.database, "select count() from fx_rates where currency = 'USD'") == [(1,)]


@pytest.mark.thorough
def test_a_month_that_is_pruned_leaves_them(world: World) -> None:
    world.deliver("2020-08", [8.0])
    world.deliver("2026-09", [10.0])
    assert world.commands("load", marts=True).status == 0
    world.commands.well("prune --keep 36 --yes")
    assert months(world.database) == [("2026-09-01", 10.0)]


@pytest.mark.thorough
def test_a_null_where_a_mart_has_none_is_an_error_and_the_old_rows_stay(world: World) -> None:
    insert = "insert into normalized_fx (rate_date, currency, units_per_eur) values"
    world.change(f"{insert} ('2026-08-03', 'USD', 1.25)")
    compute_marts(world.database)
    before = query(world.database, "select * from fx_rates")
    world.change(
        "alter table normalized_fx modify column units_per_eur Nullable(Decimal(38, 9))",
        f"{insert} ('2026-08-04', 'USD', null)",
    )
    with pytest.raises(ClickHouseQueryError, match="NULL"):
        compute_marts(world.database)
    assert ("2026-08-03", "USD") in [(str(row[0]), row[1]) for row in before]
    assert query(world.database, "select * from fx_rates") == before


@pytest.mark.thorough
def test_views_of_an_older_version_become_tables(world: World) -> None:
    world.change("drop table cost_overview", "create view cost_overview as select 1 as month")
    world.change("drop table untagged")
    world.deliver("2026-08", [8.0])
    assert world.commands("load", marts=True).status == 0
    assert months(world.database) == [("2026-08-01", 8.0)]
    assert [name for name, _ in query(world.database, COMPUTED)] == STORED


@pytest.fixture
def restated(
    clickhouse_server: ClickHouseConfig,
    clickhouse_template: Template,
    harness: Harness,
    tmp_path: Path,
) -> Iterator[Tables]:
    """A month that was restated after the marts had been computed."""
    made = Tables(harness, tmp_path, clickhouse_server, template=clickhouse_template)
    deliver(made.bucket, "2026-08", [8.0])
    made.well("load aws")
    deliver(made.bucket, "2026-08", [9.0, 0.5], prefix="restated")
    made.well("load")
    made.keep()
    yield made
    made.close()


@THOROUGH
def test_a_computation_that_was_killed_is_made_good_by_the_next_load(
    restated: Tables, tier: str
) -> None:
    points = [p for p in restated.points("load aws") if re.search("_mart_|exchange", p.what)]
    assert months(restated.database) == [("2026-08-01", 9.5)]
    undisturbed = _rows(restated.database)
    assert len(points) > 3 * 15
    for point in of_tier(points, tier, quick=1, thorough=8):
        restated.back()
        assert restated.run("load aws", point).status is None
        assert months(restated.database)[0][1] in (8.0, 9.5), point
        restated.well("load aws")
        assert _rows(restated.database) == undisturbed, point
        assert restated.leftovers() == [], point


def _rows(config: ClickHouseConfig) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(query(config, f"select * from {name}"), key=repr) for name in STORED}


@pytest.mark.thorough
def test_who_finds_another_run_at_it_waits_and_then_computes_what_that_left(world: World) -> None:
    world.deliver("2026-08", [8.0])
    assert world.load().status == 0
    with leased(world.database, stored.LEASE):
        other = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "load"], stderr=subprocess.PIPE, text=True
        )
        assert other.stderr is not None
        said = next(line for line in other.stderr if "marts" in line)
        assert months(world.database) == []
    assert other.wait() == 0
    assert "another run computes the marts" in said
    other.stderr.close()
    assert months(world.database) == [("2026-08-01", 8.0)]

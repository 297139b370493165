"""kill -9 of a load and a normalise of GCP days, on both destinations, and readers meanwhile.

The framework's own kill tests take every step of AWS months; here are the steps that are GCP's:
landing, publishing and dropping days.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.bigquery.server import BigQueryServer
from tests.support import published_clickhouse as there
from tests.support.clickhouse.databases import Template
from tests.support.kill.harness import Harness
from tests.support.kill.points import THOROUGH, of_tables, of_tier
from tests.support.kill.worlds import (
    Files,
    Tables,
    both_end_as_if_undisturbed,
    end_as_if_undisturbed,
    seen_whole,
)
from tests.support.providers.gcp_days import billed, environ, put
from tests.support.published import published

OLD = {"2026-10-28": [1.0], "2026-10-29": [2.0, 4.0], "2026-10-30": [8.0]}
#: A day is gone at Google and stays published, one has fewer rows, one is new.
NEW = {"2026-10-29": [16.0], "2026-10-30": [8.0], "2026-10-31": [32.0, 64.0]}
AFTER = NEW | {"2026-10-28": [1.0]}


@THOROUGH
def test_a_killed_run_ends_as_if_undisturbed_when_it_is_run_again(
    bigquery_server: BigQueryServer, harness: Harness, tmp_path: Path, tier: str
) -> None:
    put(bigquery_server, OLD)
    world = Files(harness, tmp_path, environ(bigquery_server), ["gcp"])
    world.well("load", "normalize --no-marts")
    put(bigquery_server, NEW)
    both_end_as_if_undisturbed(
        world,
        tier,
        partial(published, world.data, "gcp"),
        lambda step: seen_whole(billed(world.data), OLD, AFTER, step),
        "normalize --no-marts",
    )
    assert billed(world.data) == AFTER


# On ClickHouse.


@pytest.fixture
def tables(
    bigquery_server: BigQueryServer,
    clickhouse_server: ClickHouseConfig,
    clickhouse_template: Template,
    harness: Harness,
    tmp_path: Path,
) -> Iterator[Tables]:
    """Three published days, which have changed since."""
    put(bigquery_server, OLD)
    variables = environ(bigquery_server)
    made = Tables(harness, tmp_path, clickhouse_server, variables, ["gcp"], clickhouse_template)
    made.well("load")
    put(bigquery_server, NEW)
    made.keep()
    yield made
    made.close()


@THOROUGH
def test_a_load_killed_at_a_statement_ends_as_if_undisturbed(tables: Tables, tier: str) -> None:
    gcp = ("gcp_costs__billing_export", "normalized_gcp")
    old, new = ({day: sum(costs) for day, costs in days.items()} for days in (OLD, AFTER))
    assert there.totals(tables.database) == old
    points = of_tables(tables.points("load"), "all")
    assert there.totals(tables.database) == new
    assert len(points) > 20
    end_as_if_undisturbed(
        tables,
        "load",
        of_tier(points, tier, quick=1, thorough=4),
        ["load"],
        partial(there.published, tables.database, *gcp),
        lambda step: seen_whole(there.totals(tables.database), old, new, step),
    )

"""The dashboards without Rill's binary: their files, and every query on both engines."""

from __future__ import annotations

import copy
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from pipelines.clickhouse.manager import ClickHouseManager
from scripts.rill_columns import path_of
from tests import rill_sample
from tests.estate import TAGS, Estate, estate  # noqa: F401 (a fixture)
from tests.rill_project import ROOT, Project, dimensions, measures, problems, table_of
from tests.rill_sql import ClickHouseEngine, DuckEngine, differences, make_models, queries
from tests.stub_shapes import tables

PROJECT = Project.read()
#: They hold the time of a publishing, which is another one on each destination.
TIMED = ("deliveries", "restatements", "freshness")
VIEWS = PROJECT.of("metrics_view")


@dataclass
class Engines:
    """Every model on both engines: demo bills, and seeded rows where they have none."""

    dev: DuckEngine
    prod: ClickHouseEngine


@pytest.fixture(scope="module")
def engines(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:  # noqa: F811
    root = tmp_path_factory.mktemp("viz_rill")
    (root / "data").symlink_to(estate.data)
    shutil.copytree(ROOT / "empty", root / "empty")
    shapes = tables(TAGS)
    sample, rill = (
        estate.clickhouse.with_database(f"{name}_{secrets.token_hex(6)}")
        for name in ("sample", "rill")
    )
    with ClickHouseManager(estate.clickhouse) as manager:
        for each in (sample, rill):
            manager.execute(f"create database {each.database}")
        made = Engines(DuckEngine(root), ClickHouseEngine(rill))
        for table in rill_sample.FILLED:
            data = rill_sample.rows(table, shapes[table])
            rill_sample.as_parquet(table, data, root / "sample")
            rill_sample.in_clickhouse(table, data, sample)
        make_models(PROJECT, made.dev, "dev")
        for table in TIMED:
            data = parquet.read_table(estate.data / Path(path_of(table)).parent)
            rill_sample.in_clickhouse(table, data, sample)
        for name in PROJECT.of("model"):
            is_copied = table_of(PROJECT, name) in (*rill_sample.FILLED, *TIMED)
            source = (sample if is_copied else estate.clickhouse).database
            made.prod.model(name, PROJECT.sql(name, "prod", source_database=source))
        yield made
        made.prod.manager.close()
        for each in (sample, rill):
            manager.execute(f"drop database {each.database} sync")


def test_the_project_breaks_no_rule() -> None:
    assert problems(PROJECT, tables(TAGS)) == []


@pytest.mark.parametrize("name", VIEWS)
def test_every_dimension_and_measure_is_the_same_on_both_engines(
    engines: Engines, name: str
) -> None:
    for what, sql in queries(VIEWS[name]):
        keys = what.count("by ") + what.count("over time")
        mine, theirs = engines.dev.rows(sql), engines.prod.rows(sql)
        assert differences(mine, theirs, keys) == [], (what, sql)
        assert mine, (what, sql)


def test_no_measure_is_empty_over_the_demo_and_the_sample(engines: Engines) -> None:
    """A typing error in a word that a filter compares with gives NULL, not an error."""
    empty = []
    for name, view in VIEWS.items():
        sql = dict(queries(view))["in all"]
        (row,) = engines.dev.rows(sql)
        plain = [each for each, m in measures(view).items() if "window" not in m]
        empty += [f"{name}.{m}" for m, v in zip(plain, row, strict=True) if v is None]
    assert empty == []

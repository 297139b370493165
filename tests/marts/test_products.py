"""Margin by product: what sql/products.csv says, on both destinations, and nothing twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.clickhouse.schema.products import product_of
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import ConfigurationError
from scripts.sandbox.aws import delivery, months
from scripts.sandbox.fx.server import BASES, MORE, FxServer, archive
from scripts.sandbox.stripe.ledger import transactions
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import NOW, TODAY, mart, served
from tests.support.published_clickhouse import environ, query

PRODUCTS = """product,of,column,value
shop,cost,tag_team,checkout
lake,cost,service_name,Amazon Simple Storage Service
lake,cost,tags.user:Team,data
lake,cost,tag_team,data
shop,revenue,account,main
"""
COLUMNS = "date, product, revenue_gross, revenue_net, cost_billed, cost_effective, margin"
TOTALS = "date, revenue_gross, revenue_net, cost_billed, cost_effective, margin"


def product(line: dict[str, Any]) -> str:
    """The same rule, in Python."""
    if line["tag_team"] == "checkout":
        return "shop"
    is_lake = line["service_name"] == "Amazon Simple Storage Service" or line["tag_team"] == "data"
    return "lake" if is_lake else "unassigned"


@pytest.fixture
def loaded(aws_bucket: FolderBucket, commands: Commands, tmp_path: Path) -> Iterator[Commands]:
    """A month of AWS and two weeks of Stripe, with two products, on parquet."""
    lines = months.line_items("2026-10")[::10]
    delivery.deliver_cur2(aws_bucket, "", "daily", "2026-10", lines)
    commands.read_from(aws_bucket.url)
    file = tmp_path / "products.csv"
    file.write_text(PRODUCTS)
    commands.set({"NORMALIZE__PRODUCTS": str(file)})
    made = transactions(TODAY - timedelta(days=14), NOW)
    content = archive(TODAY, TODAY - timedelta(days=100), BASES | MORE)
    with served(*made) as server, FxServer(content) as rates:
        commands.set(server.environ | rates.environ)
        commands.well("load", "normalize", marts=True)
        yield commands


def test_products_divide_cost_and_revenue_exactly(loaded: Commands) -> None:
    local = mart(loaded, "margin_by_product", COLUMNS, "order by 1, 2")
    names = "x_usage_date, tag_team, service_name, effective_cost"
    keys = names.split(", ")
    wanted: dict[tuple[date, str], float] = defaultdict(float)
    for row in mart(loaded, "costs", names):
        line = dict(zip(keys, row, strict=True))
        wanted[line["x_usage_date"], product(line)] += line["effective_cost"]
    found = {row[:2]: row[5] for row in local if row[:2] in wanted}
    assert found == {key: pytest.approx(value, abs=1e-9) for key, value in wanted.items()}
    assert {name for _, name in wanted} == {"shop", "lake", "unassigned"}
    by_day: dict[date, list[float]] = {}
    for day, _, *figures in local:
        sums = by_day.setdefault(day, [0.0] * len(figures))
        by_day[day] = [one + other for one, other in zip(sums, figures, strict=True)]
    whole = {row[0]: list(row[1:]) for row in mart(loaded, "margin_daily", TOTALS)}
    assert {day: whole[day] for day in by_day} == {
        day: pytest.approx(figures, abs=1e-6) for day, figures in by_day.items()
    }
    assert all(not any(figures) for day, figures in whole.items() if day not in by_day)
    assert sum(row[2] for row in local if row[1] == "shop") > 1000
    assert {row[1] for row in local if row[2]} == {"shop"}


@pytest.mark.thorough
def test_products_are_the_same_on_clickhouse(
    loaded: Commands, clickhouse: ClickHouseConfig, aws_bucket: FolderBucket
) -> None:
    local = mart(loaded, "margin_by_product", COLUMNS, "order by 1, 2")
    loaded.set(environ(clickhouse, aws_bucket.root))
    loaded.well("migrate")
    loaded.well("load", marts=True)
    there = query(clickhouse, f"select {COLUMNS} from margin_by_product order by 1, 2")
    assert [row[:2] for row in there] == [row[:2] for row in local]
    for one, other in zip(there, local, strict=True):
        assert one[2:] == pytest.approx(other[2:], abs=1e-6)


@pytest.mark.thorough
def test_a_changed_file_is_a_changed_mart(loaded: Commands, tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text("product,of,column,value\nall,cost,x_source,aws\n")
    loaded.well("normalize", marts=True)
    names = mart(loaded, "margin_by_product", "distinct product", "order by 1")
    assert names == [("all",), ("unassigned",)]


def rendered(folder: Path, text: str, figure: str = "cost") -> str:
    (folder / "products.csv").write_text(text)
    return product_of(figure, folder)


def test_the_first_line_that_fits_counts_and_quotes_are_kept(tmp_path: Path) -> None:
    text = "product,of,column,value\nit's,cost,tags.user:Team,it's\nb,cost,tag_team,x\n"
    assert rendered(tmp_path, text) == (
        "case when tag_team = 'it''s' then 'it''s' "
        "when tag_team = 'x' then 'b' else 'unassigned' end"
    )
    assert rendered(tmp_path, text, "revenue") == "'unassigned'"
    assert rendered(tmp_path, "product,of,column,value\n") == "'unassigned'"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("a,cost,no_such,x", r"line 2: no_such is not a text column of cost"),
        ("a,revenue,tag_team,x", r"line 2: tag_team is not a text column of revenue"),
        ("a,profit,service_name,x", r"line 2: write a product, then cost or revenue"),
        ("a,cost,service_name", r"line 2: write a product"),
        (",cost,service_name,x", r"line 2: write a product"),
        ("a,cost,service_name,x\\", r"line 2: values with a backslash are not supported"),
        ("a,cost,tags.it's,x", r"line 2: the tag it's has no column. Add it to normalize.tag_col"),
        ("a,cost,charge_description,x", r"line 2: charge_description is not a text column of cost"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named(tmp_path: Path, line: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        rendered(tmp_path, f"product,of,column,value\n{line}\n")


def test_another_first_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="its first line has to be product,of,column"):
        rendered(tmp_path, "name,of\nx,cost\n")

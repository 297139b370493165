"""The dashboards without Rill's binary: their files, and every query on both engines."""

from __future__ import annotations

import copy
import math
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.normalize.columns import constants
from pipelines.tables.schema import arrow_of
from pipelines.tables.shapes import published_tables
from scripts.docs.rill_columns import path_of
from tests.support.estate import TAGS, Estate
from tests.support.rill import sample as rill_sample
from tests.support.rill import shown
from tests.support.rill.project import ROOT, Project, dimensions, measures, problems, table_of
from tests.support.rill.sql import (
    ClickHouseEngine,
    DuckEngine,
    at_grain,
    differences,
    make_models,
    queries,
    query,
)

PROJECT = Project.read()
#: They hold the time of a publishing, which is another one on each destination.
TIMED = ("deliveries", "restatements", "freshness")
VIEWS = PROJECT.of("metrics_view")


def tables(tag_columns: Sequence[str]) -> dict[str, pa.Schema]:
    """Every table that a dashboard may read, by its name in ClickHouse."""
    return {name: arrow_of(columns) for name, columns in published_tables(tag_columns).items()}


@dataclass
class Engines:
    """Every model on both engines: demo bills, and seeded rows where they have none."""

    dev: DuckEngine
    prod: ClickHouseEngine


@pytest.fixture(scope="module")
def engines(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
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
            computed = estate.data / "marts" / table / "data.parquet"
            if computed.exists():  # dev reads both folders
                data = pa.concat_tables([data, parquet.read_table(computed).cast(data.schema)])
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


#: Column of `costs` whose sum over all lines, in USD, a measure is.
MONEY = {
    "billed": "billed_cost",
    "effective": "effective_cost",
    "listed": "list_cost",
    "credits": "x_credit_amount",
}


def test_measures_of_money_are_the_sums_of_their_columns(engines: Engines, estate: Estate) -> None:
    files = sorted((estate.data / "marts" / "costs").glob("*.parquet"))
    expected = dict.fromkeys(MONEY, 0.0)
    for path in files:
        rows = parquet.ParquetFile(path).read([*MONEY.values(), "x_currency_rate_usd"]).to_pylist()
        for measure, column in MONEY.items():
            expected[measure] += math.fsum(
                row[column] / row["x_currency_rate_usd"]
                for row in rows
                if row[column] is not None and row["x_currency_rate_usd"]
            )
    asked = query(VIEWS["costs"], {}, list(MONEY))
    for engine in (engines.dev, engines.prod):
        (found,) = engine.rows(asked)
        assert list(found) == pytest.approx([expected[name] for name in MONEY], rel=1e-9)
    assert len({round(total) for total in expected.values()}) == len(MONEY)


def shown_over_time() -> dict[tuple[str, str], list[str]]:
    """Measures that a board shows over time, by metrics view and grain."""
    found: dict[tuple[str, str], list[str]] = {}
    for board in PROJECT.of("canvas").values():
        for item in (each for row in board["rows"] for each in row["items"]):
            (body,) = (value for key, value in item.items() if key != "width")
            view = VIEWS.get(body.get("metrics_view", ""))
            if view is None or not shown.grain(body) or not view.get("timeseries"):
                continue
            wanted = [name for name in shown.fields(body) if name in measures(view)]
            found.setdefault((body["metrics_view"], str(shown.grain(body))), []).extend(wanted)
    return {key: sorted(set(names)) for key, names in found.items() if names}


@pytest.mark.parametrize(
    ("name", "grain"), shown_over_time(), ids=["-".join(key) for key in shown_over_time()]
)
def test_what_a_board_shows_over_time_is_the_same_on_both_engines(
    engines: Engines, name: str, grain: str
) -> None:
    """Window measures, too: at the grain that the board names for them."""
    sql = at_grain(VIEWS[name], grain, shown_over_time()[name, grain])
    mine, theirs = engines.dev.rows(sql), engines.prod.rows(sql)
    assert mine
    assert differences(mine, theirs, 1) == [], sql


def test_the_overview_answers_the_ten_questions_in_their_order() -> None:
    titles = [
        str(value["title"])
        for row in PROJECT.of("canvas")["overview_board"]["rows"]
        for item in row["items"]
        for key, value in item.items()
        if key != "width" and "title" in value
    ]
    numbers = [int(title.split()[0]) for title in titles if title[0].isdigit()]
    assert numbers == [*range(1, 11)]


def test_no_measure_is_empty_over_the_demo_and_the_sample(engines: Engines) -> None:
    """A typing error in a word that a filter compares with gives NULL, not an error."""
    empty = []
    for name, view in VIEWS.items():
        sql = dict(queries(view))["in all"]
        (row,) = engines.dev.rows(sql)
        plain = [each for each, m in measures(view).items() if "window" not in m]
        empty += [f"{name}.{m}" for m, v in zip(plain, row, strict=True) if v is None]
    assert empty == []


def test_a_share_is_a_fraction_over_the_demo(engines: Engines) -> None:
    """A percentage that was multiplied by 100 already would read as 8,500 %."""
    for name, view in VIEWS.items():
        known = measures(view)
        plain = [each for each, m in known.items() if "window" not in m]
        (row,) = engines.dev.rows(dict(queries(view))["in all"])
        shares = {m: v for m, v in zip(plain, row, strict=True) if _is_percentage(known[m])}
        if VIEWS[name]["model"] not in rill_sample.FILLED:  # seeded numbers, without any meaning
            assert {m: v for m, v in shares.items() if not -2 <= v <= 2} == {}


def _is_percentage(measure: Mapping[str, Any]) -> bool:
    return measure.get("format_preset") == "percentage"


def test_every_configured_tag_and_every_part_of_the_cost_explorer_is_a_dimension() -> None:
    shown = set(dimensions(VIEWS["costs"]).values())
    wanted = {f'"tag_{tag.lower()}"' for tag in TAGS}
    wanted |= {f'"{c}"' for c in ("provider_name", "service_name", "charge_category")}
    wanted |= {'"commitment_discount_status"', "COALESCE(region_name, region_id)"}
    wanted |= {"COALESCE(sub_account_name, sub_account_id)"}
    wanted |= {"COALESCE(resource_name, resource_id)"}
    assert wanted - shown == set()


def test_revenue_is_filtered_by_classes_that_the_rules_give() -> None:
    named = {
        name
        for measure in measures(VIEWS["revenue"]).values()
        for name in re.findall(r"class = '(\w+)'", measure["expression"])
    }
    given = set(constants("stripe_categories.csv", "reporting_category", "class").values())
    assert named == {"revenue", "contra", "dispute", "fee", "unclassified"}
    assert named - given == {"unclassified"}


def test_every_metrics_view_has_an_explore_and_every_subject_a_canvas() -> None:
    assert {e["metrics_view"] for e in PROJECT.of("explore").values()} == set(VIEWS)
    assert set(PROJECT.of("canvas")) == {
        f"{name}_board"
        for name in "overview cost finops commitments restatements revenue margin trading".split()
    }


def test_there_is_one_model_for_every_mart_and_it_has_an_empty_file() -> None:
    shapes = {name: s for name, s in tables(TAGS).items() if not name.startswith("normalized_")}
    shown = {table_of(PROJECT, name) for name in PROJECT.of("model")}
    assert shown - shapes.keys() == set()
    for table in shown:
        path = ROOT / "empty" / path_of(table)
        assert parquet.read_schema(path).remove_metadata() == shapes[table], table


def test_a_source_that_was_never_loaded_is_an_empty_dashboard(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "empty", tmp_path / "empty")
    engine = DuckEngine(tmp_path)
    make_models(PROJECT, engine, "dev")
    for view in VIEWS.values():
        for what, sql in queries(view):
            assert engine.rows(sql) == [] or what == "in all", sql


# Every rule, broken in a copy.

Break = Callable[[Project], Any]


def of(project: Project, path: str) -> dict[str, Any]:
    return project.files[f"{path}.yaml"]


def first_measure(project: Project, **values: Any) -> None:
    of(project, "metrics/costs")["measures"][0].update(values)


def first_dimension(project: Project, **values: Any) -> None:
    of(project, "metrics/costs")["dimensions"][0].update(values)


def add_measure(project: Project, **values: Any) -> None:
    good = {"name": "mine", "expression": "SUM(billed_cost)", "format_preset": "humanize"}
    of(project, "metrics/costs")["measures"].append(good | values)


def add_item(project: Project, **item: Any) -> None:
    rows = of(project, "dashboards/cost_board")["rows"]
    rows.append({"height": "100px", "items": [item]})


def add_moment(project: Project) -> None:
    at = {"name": "at", "column": "newest_delivery"}
    of(project, "metrics/freshness")["dimensions"].append(at)
    add_item(project, table={"metrics_view": "freshness", "columns": ["at"]})


BROKEN: dict[str, tuple[Break, list[str]]] = {
    "an unknown key of rill.yaml": (
        lambda p: p.rill.update(olap="x"),
        ["rill.yaml: unknown key olap"],
    ),
    "an unknown key of a metrics view": (
        lambda p: of(p, "metrics/costs").update(database="x"),
        ["metrics/costs.yaml: unknown key database"],
    ),
    "an unknown key of an explore": (
        lambda p: of(p, "dashboards/cost_explorer").update(rows=[]),
        ["dashboards/cost_explorer.yaml: unknown key rows"],
    ),
    "an unknown key of a canvas": (
        lambda p: of(p, "dashboards/cost_board").update(items=[]),
        ["dashboards/cost_board.yaml: unknown key items"],
    ),
    "an unknown key of a measure": (
        lambda p: first_measure(p, lower_better=True),
        ["metrics/costs.yaml: billed: unknown key lower_better"],
    ),
    "an unknown type": (
        lambda p: of(p, "metrics/costs").update(type="metric"),
        [
            "dashboards/cost_board.yaml: row 0: kpi_grid: unknown metrics view costs",
            "metrics/costs.yaml: unknown type 'metric'",
        ],
    ),
    "a model that is not there": (
        lambda p: of(p, "metrics/costs").update(model="cost"),
        ["metrics/costs.yaml: unknown model cost"],
    ),
    "a metrics view that is not there": (
        lambda p: of(p, "dashboards/cost_explorer").update(metrics_view="cost"),
        ["dashboards/cost_explorer.yaml: unknown metrics view cost"],
    ),
    "a theme that is not there": (
        lambda p: of(p, "dashboards/cost_explorer").update(theme="dark"),
        ["dashboards/cost_explorer.yaml: unknown theme dark"],
    ),
    "a connector that is not there": (
        lambda p: p.rill.update(olap_connector="duckdb"),
        ["rill.yaml: olap_connector duckdb is no connector"],
    ),
    "a connector that is templated": (
        lambda p: p.rill.update(olap_connector="{{ .env.olap }}"),
        ["rill.yaml: olap_connector {{ .env.olap }} is no connector"],
    ),
    "a variable without a default": (
        lambda p: p.rill["env"].pop("source_database"),
        ["models/costs.yaml: no default for env source_database"],
    ),
    "a server that dev would have to reach": (
        lambda p: of(p, "connectors/warehouse").update(host="localhost"),
        ["connectors/warehouse.yaml: dev names a server"],
    ),
    "prod on the wrong engine": (
        lambda p: of(p, "connectors/warehouse")["prod"].update(driver="duckdb"),
        ["connectors/warehouse.yaml: prod is not clickhouse"],
    ),
    "a password that is written down": (
        lambda p: of(p, "connectors/warehouse")["prod"].update(password="s3cret"),
        ["connectors/warehouse.yaml: password is written down"],
    ),
    "a password among the defaults": (
        lambda p: p.rill["env"].update(clickhouse_password="s3cret"),
        ["rill.yaml: env clickhouse_password is written down"],
    ),
    "a default that is no text": (
        lambda p: p.rill["env"].update(clickhouse_port=9000),
        ["rill.yaml: env clickhouse_port is no text"],
    ),
    "two tables in dev": (
        lambda p: of(p, "models/costs").update(
            sql="select * from read_parquet('a') join read_parquet('b') using (c)"
        ),
        ["models/costs.yaml: dev is not one read_parquet"],
    ),
    "a rule in prod": (
        lambda p: of(p, "models/costs")["prod"].update(
            sql="select * from {{ .env.source_database }}.costs where billed_cost > 0"
        ),
        ["models/costs.yaml: prod is not a plain select"],
    ),
    "a time series that is no column": (
        lambda p: of(p, "metrics/costs").update(timeseries="usage_date"),
        ["metrics/costs.yaml: time series usage_date by day"],
    ),
    "an explore of its own": (
        lambda p: of(p, "metrics/costs").pop("version"),
        ["metrics/costs.yaml: without version: 1 it makes an explore of its own"],
    ),
    "a name that is there twice": (
        lambda p: add_measure(p, name="service"),
        ["metrics/costs.yaml: service is there twice"],
    ),
    "a column that is not there": (
        lambda p: first_dimension(p, column="provider"),
        ["metrics/costs.yaml: provider: no column provider"],
    ),
    "a dimension of nothing": (
        lambda p: of(p, "metrics/costs")["dimensions"][0].pop("column"),
        ["metrics/costs.yaml: provider: needs a column or an expression"],
    ),
    "a measure with a column's name": (
        lambda p: add_measure(p, name="billed_cost"),
        ["metrics/costs.yaml: billed_cost: has the name of a column"],
    ),
    "a function of one engine": (
        lambda p: add_measure(p, expression="MEDIAN(billed_cost)"),
        ["metrics/costs.yaml: mine: MEDIAN is not the same on both engines"],
    ),
    "a requirement that is not there": (
        lambda p: add_measure(p, expression="bills * 2", requires=["bills"]),
        ["metrics/costs.yaml: mine: requires bills, which is no measure"],
    ),
    "a measure that is used and not required": (
        lambda p: add_measure(p, expression="billed * 2"),
        ["metrics/costs.yaml: mine: uses billed without requires"],
    ),
    "a frame of a range": (
        lambda p: add_measure(
            p,
            expression="AVG(billed)",
            requires=["billed"],
            window={"order": "x_usage_date", "frame": "RANGE BETWEEN 6 PRECEDING AND CURRENT ROW"},
        ),
        ["metrics/costs.yaml: mine: the frame is not of rows"],
    ),
    "a window over what is no dimension": (
        lambda p: add_measure(
            p,
            expression="AVG(billed)",
            requires=["billed"],
            window={"order": "day", "frame": "ROWS BETWEEN 6 PRECEDING AND CURRENT ROW"},
        ),
        ["metrics/costs.yaml: mine: order day is no dimension"],
    ),
    "a format that Rill does not know": (
        lambda p: first_measure(p, format_preset="currency_chf"),
        ["metrics/costs.yaml: billed: format currency_chf"],
    ),
    "a percentage that is none": (
        lambda p: add_measure(
            p,
            expression="100 * billed / NULLIF(usage_listed, 0)",
            requires=["billed", "usage_listed"],
            format_preset="percentage",
        ),
        ["metrics/costs.yaml: mine: a percentage is a fraction"],
    ),
    "a share that reads as money": (
        lambda p: add_measure(
            p,
            name="my_share",
            expression="billed / NULLIF(usage_listed, 0)",
            requires=["billed", "usage_listed"],
        ),
        ["metrics/costs.yaml: my_share: a share without the format percentage"],
    ),
    "a chart of a field that is not there": (
        lambda p: add_item(
            p, bar_chart={"metrics_view": "costs", "x": {"field": "day"}, "y": {"field": "billed"}}
        ),
        ["dashboards/cost_board.yaml: row 5: bar_chart: unknown x day"],
    ),
    "a chart along a measure": (
        lambda p: add_item(
            p,
            bar_chart={"metrics_view": "costs", "x": {"field": "billed"}, "y": {"field": "billed"}},
        ),
        ["dashboards/cost_board.yaml: row 5: bar_chart: unknown x billed"],
    ),
    "a tile of a measure that is not there": (
        lambda p: add_item(p, kpi_grid={"metrics_view": "costs", "measures": ["margin"]}),
        ["dashboards/cost_board.yaml: row 5: kpi_grid: unknown measure margin"],
    ),
    "a component that Rill does not have": (
        lambda p: add_item(p, candlestick={"metrics_view": "costs"}),
        ["dashboards/cost_board.yaml: row 5: no component: candlestick"],
    ),
    "a row that is too wide": (
        lambda p: of(p, "dashboards/cost_board")["rows"][0]["items"].append(
            {"width": 2, "markdown": {"content": "x"}}
        ),
        ["dashboards/cost_board.yaml: row 0: wider than 12"],
    ),
    "a height without its unit": (
        lambda p: of(p, "dashboards/cost_board")["rows"][0].update(height=140),
        ["dashboards/cost_board.yaml: row 0: height 140"],
    ),
    "an average of days that counts months": (
        lambda p: of(p, "dashboards/cost_board")["rows"][1]["items"][1]["line_chart"].pop(
            "time_filters"
        ),
        [
            "dashboards/cost_board.yaml: row 1: line_chart: billed_7d_average counts rows of the "
            "grain, which is not day"
        ],
    ),
    "an explore that asks for totals of a window": (
        lambda p: of(p, "dashboards/cost_explorer").update(measures="*"),
        ["dashboards/cost_explorer.yaml: billed_7d_average is of a window and asked for in totals"],
    ),
    "a measure that is excluded and not there": (
        lambda p: of(p, "dashboards/cost_explorer").update(measures={"exclude": ["bills"]}),
        ["dashboards/cost_explorer.yaml: unknown field bills"],
    ),
    "a tile of a month without its time": (
        lambda p: of(p, "dashboards/commitments_board")["rows"][0]["items"][0]["kpi_grid"].pop(
            "time_filters"
        ),
        [
            "dashboards/commitments_board.yaml: row 0: kpi_grid: a tile of a month under the time "
            "range of the board"
        ],
    ),
    "services and accounts added": (
        lambda p: add_item(
            p,
            leaderboard={
                "metrics_view": "movers",
                "dimensions": ["mover"],
                "measures": ["moved_by"],
                "num_rows": 5,
            },
        ),
        [
            "dashboards/cost_board.yaml: row 5: leaderboard: rows of several kinds are added: "
            "filter by kind_of_mover, or show it"
        ],
    ),
    "a filter of a dimension that is not there": (
        lambda p: add_item(
            p,
            table={
                "metrics_view": "costs",
                "columns": ["billed"],
                "dimension_filters": "cloud IN ('aws')",
            },
        ),
        ["dashboards/cost_board.yaml: row 5: table: unknown filter cloud"],
    ),
    "a filter that Rill does not read": (
        lambda p: add_item(
            p,
            table={
                "metrics_view": "costs",
                "columns": ["billed"],
                "dimension_filters": "provider = 'aws'",
            },
        ),
        ["dashboards/cost_board.yaml: row 5: table: dimension_filters provider = 'aws'"],
    ),
    "a grain that is none": (
        lambda p: add_item(
            p,
            table={
                "metrics_view": "costs",
                "columns": ["billed"],
                "time_filters": "tr=P3M&grain=days",
            },
        ),
        ["dashboards/cost_board.yaml: row 5: table: time_filters tr=P3M&grain=days"],
    ),
    "a title that says day over months": (
        lambda p: add_item(
            p,
            bar_chart={
                "metrics_view": "costs",
                "title": "Cost by day",
                "x": {"field": "x_usage_date"},
                "y": {"field": "billed"},
            },
        ),
        ["dashboards/cost_board.yaml: row 5: bar_chart: the title says day, the grain does not"],
    ),
    "a table that is cut off": (
        lambda p: of(p, "dashboards/cost_board")["rows"].append(
            {
                "height": "100px",
                "items": [
                    {
                        "width": 3,
                        "table": {
                            "metrics_view": "costs",
                            "columns": ["service", "billed", "effective"],
                        },
                    }
                ],
            }
        ),
        ["dashboards/cost_board.yaml: row 5: table: more columns than the 2 that fit"],
    ),
    "a moment in a table": (
        add_moment,
        ["dashboards/cost_board.yaml: row 5: table: at is a moment, not a date"],
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_copy_that_breaks_a_rule_is_rejected(rule: str) -> None:
    broken, expected = BROKEN[rule]
    project = Project(PROJECT.root, copy.deepcopy(PROJECT.files))
    broken(project)
    found = problems(project, tables(TAGS))
    assert [what for what in expected if what not in found] == []
    mine = {what.partition(":")[0] for what in expected}
    assert len(expected) == 1 or mine <= {what.partition(":")[0] for what in found}


#: Measures that load, and are wrong: only running them on both engines shows it.
DIFFERENT = {
    "a sum without rows is 0 on one, NULL on the other": (
        "cost_movers", "SUM(is_newest) FILTER (WHERE kind = 'nothing')",
    ),
    "halves are rounded to even by one of them": ("cost_movers", "ROUND(0.5 + 0 * COUNT(*))"),
    "the quotient of decimals keeps nine digits on one": (
        "revenue", "SUM(fee_reporting) / NULLIF(SUM(gross_reporting), 0)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_measure_on_which_the_engines_differ_is_seen(engines: Engines, what: str) -> None:
    model, expression = DIFFERENT[what]
    measure = {"name": "mine", "expression": expression, "format_preset": "humanize"}
    series = "month" if model == "cost_movers" else "activity_date"
    view = {"model": model, "dimensions": [], "measures": [measure], "timeseries": series}
    sql = dict(queries(view | {"smallest_time_grain": "day"}))["over time"]
    assert differences(engines.dev.rows(sql), engines.prod.rows(sql), 1) != []


def test_a_measure_of_a_column_that_is_not_there_is_an_error(engines: Engines) -> None:
    measure = {"name": "mine", "expression": "SUM(billed_costs)", "format_preset": "humanize"}
    view = {"model": "costs", "dimensions": [], "measures": [measure]}
    for engine in (engines.dev, engines.prod):
        with pytest.raises(Exception, match="billed_costs"):
            engine.rows(dict(queries(view))["in all"])

"""Load AWS into ClickHouse: what is published there after each delivery, on the real server."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.aws.delivery import (
    deliver_cur2,
    deliver_focus,
    deliver_legacy_csv,
    deliver_legacy_parquet,
)
from tests.conftest import FaultyS3, FolderBucket
from tests.support.clickhouse.server import Server
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import (
    NORMALISED,
    RAW,
    add_user,
    environ,
    fingerprints,
    leftovers,
    published,
    query,
    totals,
)
from tests.support.world import World

FORMS: dict[str, Any] = {
    "cur2": deliver_cur2,
    "focus": deliver_focus,
    "legacy-csv": deliver_legacy_csv,
    "legacy-parquet": deliver_legacy_parquet,
}
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
ONE, NOTHING = "aws: 1 loaded, {} unchanged, 0 failed\n", "aws: 0 loaded, {} unchanged, 0 failed\n"


@pytest.fixture
def world(aws_bucket: FolderBucket, clickhouse: ClickHouseConfig, commands: Commands) -> World:
    commands.set(environ(clickhouse, aws_bucket.root))
    return World(aws_bucket, clickhouse, commands)


# What a load publishes.


@pytest.mark.quick("cur2")
@pytest.mark.parametrize("form", FORMS)
def test_a_first_load_publishes_every_month_in_every_form(world: World, form: str) -> None:
    for period, costs in (("2026-09", [9.0]), ("2026-10", [1.0, 2.5])):
        FORMS[form](world.bucket, "billing", "costs", period, lines(period, costs), files=2)
    assert world.well() == "aws: 2 loaded, 0 unchanged, 0 failed\n"
    columns = "x_partition, billed_cost, effective_cost, service_name, tags, tag_environment"
    names = (
        ("Amazon Elastic Compute Cloud", "Amazon Simple Storage Service")
        if form == "focus"
        else ("AmazonEC2", "AmazonS3")
    )
    tags = {"environment" if form == "legacy-parquet" else "Environment": "prod"}
    assert world.query(f"select {columns} from costs order by 1, 2") == [
        ("2026-09", 9.0, 9.0, names[0], tags, "prod"),
        ("2026-10", 1.0, 1.0, names[0], tags, "prod"),
        ("2026-10", 2.5, 2.5, names[1], tags, "prod"),
    ]
    marks = fingerprints(world.database)
    assert marks[RAW] == marks[NORMALISED]
    assert [partition for partition, _ in marks[RAW]] == ["2026-09", "2026-10"]
    assert world.well() == NOTHING.format(2)


def test_a_run_without_change_only_lists_and_loads_nothing(
    faulty_s3: FaultyS3, clickhouse: ClickHouseConfig, commands: Commands
) -> None:
    commands.set(environ(clickhouse, commands.data) | faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.read_from(faulty_s3.url)
    for period in ("2026-09", "2026-10"):
        deliver_cur2(faulty_s3.target, "", "daily", period, lines(period, [1.0, 2.0]), files=2)
    assert commands("load").status == 0
    before = published(clickhouse)
    loads = query(clickhouse, "select count() from aws_costs___dlt_loads")
    faulty_s3.proxy.reset()
    ran = commands("load")
    assert (ran.status, ran.out, ran.err) == (0, NOTHING.format(2), "")
    assert faulty_s3.proxy.requests == [("LIST", "")]
    assert query(clickhouse, "select count() from aws_costs___dlt_loads") == loads
    assert published(clickhouse) == before


RESTATED: dict[str, tuple[list[float], dict[str, Any]]] = {
    "fewer rows": ([1.0], {}),
    "more rows in more files": ([1.0, 2.0, 3.0, 4.0, 5.0], {"files": 5}),
    "other ids": ([1.0, 2.0, 3.0], {"prefix": "other", "files": 3}),
    "other cost under equal ids": ([1.0, 2.0, 30.0], {"files": 3}),
    "credits": ([1.0, -2.0, 0.0], {"files": 3}),
    "no rows": ([], {}),
    "no rows in files that stay": ([], {"files": 3}),
}


@pytest.mark.quick("credits")
@pytest.mark.parametrize("kind", RESTATED)
@pytest.mark.parametrize("mode", ["overwrite", "create"])
def test_a_restated_month_replaces_the_old_one(world: World, kind: str, mode: str) -> None:
    costs, options = RESTATED[kind]
    world.deliver("2026-09", [9.0])
    world.deliver("2026-10", [1.0, 2.0, 3.0], files=3, mode=mode, delivered_at=NOON)
    world.well()
    later = NOON + timedelta(hours=6)
    world.deliver("2026-10", costs, mode=mode, delivered_at=later, **options)
    assert world.well() == ONE.format(1)
    october = "billing_period = '2026-10'"
    assert world.column("line_item_unblended_cost", RAW, october) == sorted(costs, key=repr)
    prefix = options.get("prefix", "line")
    assert world.column("identity_line_item_id", RAW, october) == [
        f"{prefix}-{number}" for number in range(len(costs))
    ]
    assert world.column("billed_cost", where="x_partition = '2026-10'") == sorted(costs, key=repr)
    assert world.column("billed_cost", where="x_partition = '2026-09'") == [9.0]
    assert world.well() == NOTHING.format(2)


@pytest.mark.thorough
@pytest.mark.usefixtures("guarded")
def test_a_month_without_any_file_is_published_empty_and_known_to_be(world: World) -> None:
    made = world.deliver("2026-10", [1.0, 2.0])
    world.well()
    assert made.manifest
    document = json.loads(world.bucket.read(made.manifest)) | {"dataFiles": []}
    world.bucket.put(made.manifest, json.dumps(document).encode())
    world.bucket.delete(made.files[0])
    world.well()
    assert world.column("billed_cost") == [1.0, 2.0]
    assert world.well("--accept-shrunk") == ONE.format(0)
    assert (world.column("billed_cost"), world.column("billing_period", RAW)) == ([], [])
    assert world.query("select partition, rows from raw_partitions") == [("2026-10", 0)]
    assert world.well() == NOTHING.format(1)
    world.deliver("2026-10", [7.0])
    assert world.well() == ONE.format(0)
    assert world.column("billed_cost") == [7.0]


@pytest.mark.thorough
def test_a_month_of_split_costs_alone_has_raw_rows_and_no_published_ones(world: World) -> None:
    world.deliver("2026-10", [1.0, 2.0])
    world.well()
    pods = [row | {"line_item_operation": "EKSPod-EC2"} for row in lines("2026-10", [3.0, 4.0])]
    world.deliver_rows("2026-10", pods)
    assert world.well() == ONE.format(0)
    assert world.column("line_item_unblended_cost", RAW) == [3.0, 4.0]
    assert world.column("billed_cost") == []
    assert world.well() == NOTHING.format(1)
    world.deliver("2026-10", [5.0])
    assert world.well() == ONE.format(0)
    assert world.column("billed_cost") == [5.0]


# Columns.


@pytest.mark.thorough
def test_new_columns_of_a_month_arrive_in_raw_and_older_months_go_on_working(world: World) -> None:
    world.deliver("2026-09", [9.0])
    world.well()
    moment = datetime(2026, 10, 2, 3, 4, 5, tzinfo=UTC)
    new = {
        "my_text": "x",
        "my_number": 1.5,
        "my_count": 7,
        "my_map": {"k": "v"},
        "my_money": Decimal("1.2345"),
        "my_moment": moment,
        "my_day": moment.date(),
        "my_flag": True,
    }
    types = {
        "my_count": pa.int32(),
        "my_map": pa.map_(pa.string(), pa.string()),
        "my_money": pa.decimal128(20, 4),
        "my_moment": pa.timestamp("ms", "UTC"),
        "my_day": pa.date32(),
        "my_flag": pa.bool_(),
    }
    world.deliver_rows("2026-10", [lines("2026-10", [10.0])[0] | new], types=types)
    assert world.well() == ONE.format(1)
    names = ", ".join(new)
    midnight = datetime(2026, 10, 2, tzinfo=UTC)
    assert world.query(f"select billing_period, {names} from {RAW} order by 1") == [
        ("2026-09", None, None, None, {}, None, None, None, None),
        ("2026-10", "x", 1.5, 7, {"k": "v"}, Decimal("1.2345"), moment, midnight, True),
    ]
    world.deliver("2026-09", [8.0, 8.5])
    assert world.well() == ONE.format(1)
    assert totals(world.database) == {"2026-09": 16.5, "2026-10": 10.0}


WIDER: dict[str, tuple[Any, pa.DataType, Any, pa.DataType, list[str] | list[float]]] = {
    "count-then-fraction": (7, pa.int64(), 5.25, pa.float64(), [7.0, 5.25]),
    "count-then-money": (7, pa.int64(), Decimal("5.25"), pa.decimal128(10, 2), ["7", "5.25"]),
    "money-then-finer-money": (
        Decimal("1.25"), pa.decimal128(10, 2), Decimal("1.23456"), pa.decimal128(20, 5),
        ["1.25", "1.23456"],
    ),
    "money-then-fraction": (Decimal("1.25"), pa.decimal128(10, 2), 0.125, pa.float64(),
                            [1.25, 0.125]),
    "fraction-then-count": (1.5, pa.float64(), 3, pa.int64(), [1.5, 3.0]),
    "money-then-less": (Decimal("1.25"), pa.decimal128(10, 2), 3, pa.int16(), ["1.25", "3"]),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("case", WIDER)
def test_a_number_column_of_our_own_grows_rather_than_lose_digits(world: World, case: str) -> None:
    first, first_type, second, second_type, expected = WIDER[case]
    for period, value, kind in (
        ("2026-09", first, first_type),
        ("2026-10", second, second_type),
    ):
        row = lines(period, [1.0])[0] | {"my_number": value}
        world.deliver_rows(period, [row], types={"my_number": kind})
        world.well()
    values = [row[0] for row in world.query(f"select my_number from {RAW} order by billing_period")]
    assert values == [Decimal(each) if isinstance(each, str) else each for each in expected]


def test_files_of_one_month_may_differ_in_columns_and_in_the_width_of_numbers(
    world: World,
) -> None:
    made = world.deliver("2026-10", [1.0, 2.0, 4.0], files=3)
    for number, (key, value) in enumerate(
        zip(made.files, (pa.array([7]), pa.array([0.5]), pa.nulls(1)), strict=True)
    ):
        table = pq.ParquetFile(world.bucket.path(key)).read().append_column("my_number", value)
        if number == 1:
            table = table.drop_columns(["resource_tags", "pricing_public_on_demand_cost"])
        pq.write_table(table, world.bucket.path(key))
    world.well()
    values = world.query(f"select my_number from {RAW} order by line_item_unblended_cost")
    assert values == [(7.0,), (0.5,), (None,)]
    assert world.query("select list_cost, tag_environment from costs order by billed_cost") == [
        (1.0, "prod"),
        (2.0, None),
        (4.0, "prod"),
    ]


@pytest.mark.thorough
def test_a_column_without_any_value_waits_for_its_first_one(world: World) -> None:
    for period, value in (("2026-09", pa.nulls(1)), ("2026-10", pa.array(["x"]))):
        made = world.deliver(period, [1.0])
        path = world.bucket.path(made.files[0])
        pq.write_table(pq.ParquetFile(path).read().append_column("my_text", value), path)
        world.well()
    assert world.query(f"select my_text from {RAW} order by billing_period") == [(None,), ("x",)]


@pytest.mark.thorough
def test_flat_tags_of_a_legacy_report_become_the_map_and_a_later_report_brings_its_own(
    world: World,
) -> None:
    tags = {"user:Team": "core", "user:Cost Center": "7", "user:Empty": "", "aws:createdBy": "me"}
    row = lines("2026-10", [1.0])[0] | {"resource_tags": tags}
    deliver_legacy_parquet(world.bucket, "billing", "costs", "2026-10", [row])
    world.well()
    columns = "tags, tag_team, tag_environment"
    assert world.query(f"select {columns} from costs") == [
        ({"aws_created_by": "me", "cost_center": "7", "team": "core"}, "core", None)
    ]
    deliver_legacy_csv(world.bucket, "billing", "costs", "2026-11", [row])
    world.well()
    assert world.query(f"select {columns} from costs where x_partition = '2026-11'") == [
        ({"Team": "core", "Cost Center": "7", "aws:createdBy": "me"}, "core", None)
    ]


@pytest.mark.thorough
def test_a_focus_delivery_takes_the_place_of_a_cur_of_the_same_month(world: World) -> None:
    world.deliver("2026-10", [1.0, 2.0, 4.0])
    world.well()
    world.commands.read_from((world.bucket.root / "focus").as_uri())
    deliver_focus(world.bucket, "focus", "focus", "2026-10", lines("2026-10", [7.0]))
    assert world.well() == ONE.format(0)
    assert world.query(f"select distinct x_form from {RAW}") == [("FOCUS",)]
    assert world.query("select billed_cost, x_line_item_type from costs") == [(7.0, None)]
    world.commands.read_from((world.bucket.root / "billing").as_uri())
    assert world.well() == ONE.format(0)
    assert world.query("select sum(billed_cost), any(x_line_item_type) from costs") == [
        (7.0, "Usage")
    ]
    assert world.query("select count() from costs") == [(3,)]


# What is refused.


def _number_as_text(world: World) -> str:
    rows = [row | {"line_item_unblended_cost": "12"} for row in lines("2026-10", [12.0])]
    world.deliver_rows("2026-10", rows, types={"line_item_unblended_cost": pa.string()})
    return "line_item_unblended_cost is string, expected a number"


def _own_number_as_text(world: World) -> str:
    rows = [row | {"my_number": "many"} for row in lines("2026-10", [12.0])]
    world.deliver_rows("2026-10", rows)
    return "my_number is string, the table has Nullable(Float64)"


def _own_number_as_text_in_one_file(world: World) -> str:
    made = world.deliver_rows(
        "2026-10", [r | {"new": 1.0} for r in lines("2026-10", [1.0, 2.0])], files=2
    )
    path = world.bucket.path(made.files[1])
    table = pq.ParquetFile(path).read().drop_columns(["new"]).append_column("new", pa.array(["x"]))
    pq.write_table(table, path)
    return "new is double in one file and string in another"


def _list(world: World) -> str:
    made = world.deliver("2026-10", [1.0])
    path = world.bucket.path(made.files[0])
    table = pq.ParquetFile(path).read().append_column("my_list", pa.array([[1, 2]]))
    pq.write_table(table, path)
    return "my_list is list<element: int64>, which cannot be stored in ClickHouse"


def _foreign_partition(world: World) -> str:
    rows = [row | {"billing_period": "2026-09"} for row in lines("2026-10", [12.0])]
    world.deliver_rows("2026-10", rows)
    return "1 rows were staged, 1 of them from another partition"


def _truncated(world: World) -> str:
    made = world.deliver("2026-10", [5.0] * 50)
    path = world.bucket.path(made.files[0])
    path.write_bytes(path.read_bytes()[:-100])
    return f"{made.files[0]} cannot be read"


BAD = {
    "number-as-text": _number_as_text,
    "own-number-as-text": _own_number_as_text,
    "one-file-of-another-type": _own_number_as_text_in_one_file,
    "list": _list,
    "foreign-partition": _foreign_partition,
    "truncated": _truncated,
}


@pytest.mark.quick("truncated")
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name_and_the_other_months_are_loaded(
    world: World, case: str
) -> None:
    rows = [row | {"my_number": 1.0} for row in lines("2026-10", [1.0, 2.0])]
    world.deliver_rows("2026-10", rows)
    world.well()
    before = published(world.database)
    message = BAD[case](world)
    world.deliver("2026-09", [9.0])
    world.deliver("2026-11", [11.0])
    ran = world.load()
    assert (ran.status, ran.out) == (1, "aws: 2 loaded, 0 unchanged, 1 failed\n")
    (line,) = [line for line in ran.err.splitlines() if message in line]
    assert line.startswith("aws 2026-10: ")
    assert "Traceback" not in ran.err
    assert leftovers(world.database) == []
    assert world.column("my_number", RAW, "billing_period = '2026-10'") == [1.0, 1.0]
    after = published(world.database)
    for part in ("costs", "history"):
        assert [row for row in after[part] if "2026-10" in row] == before[part]
    assert totals(world.database) == {"2026-09": 9.0, "2026-10": 3.0, "2026-11": 11.0}
    world.deliver("2026-10", [6.0])
    assert world.well() == ONE.format(2)


# What is remembered, and what is found not to be current.


@pytest.mark.thorough
def test_a_direct_insert_into_raw_fires_the_views_and_the_month_is_loaded_again(
    world: World,
) -> None:
    world.deliver("2026-10", [1.0])
    world.well()
    world.query(
        f"insert into {RAW} (billing_period, line_item_line_item_type, line_item_unblended_cost,"
        " line_item_currency_code) values ('2026-10', 'Usage', 5, 'USD')"
    )
    world.query(
        f"insert into {RAW} (billing_period, charge_category, billed_cost, billing_currency)"
        " values ('2026-12', 'Usage', 3, 'EUR')"
    )
    assert world.query(
        "select x_partition, billed_cost, billing_currency, charge_category from costs "
        "order by 1, 2"
    ) == [
        ("2026-10", 1.0, "USD", "Usage"),
        ("2026-10", 5.0, "USD", "Usage"),
        ("2026-12", 3.0, "EUR", "Usage"),
    ]
    assert world.well() == ONE.format(0)
    assert totals(world.database) == {"2026-10": 1.0, "2026-12": 3.0}
    assert world.column("partition", "deliveries") == ["2026-10", "2026-10"]


@pytest.mark.thorough
def test_the_history_has_a_row_for_each_publishing(world: World) -> None:
    first = world.deliver("2026-10", [1.0, 2.0], files=2)
    world.well()
    euro = [row | {"line_item_currency_code": "EUR"} for row in lines("2026-10", [4.0])]
    second = world.deliver_rows("2026-10", [*lines("2026-10", [8.0]), *euro])
    world.well()
    assert world.load("--force").status == 0
    size = len(world.bucket.read(second.files[0]))
    rows = world.query(
        "select word, partition, files, rows, billed, effective, billing_currency, recipe, "
        "delivered_at from deliveries order by published_at"
    )
    at = first.delivered_at
    assert rows == [
        ("aws", "2026-10", 2, 2, 3.0, 3.0, "USD", None, at),
        ("aws", "2026-10", 1, 2, None, None, None, None, at),
        ("aws", "2026-10", 1, 2, None, None, None, None, at),
    ]
    marks = world.query("select fingerprint, bytes from deliveries order by published_at")
    assert marks[1] == marks[2] != marks[0]
    assert marks[1][1] == size
    assert fingerprints(world.database)[RAW] == [("2026-10", marks[1][0])]


@pytest.mark.thorough
def test_a_missing_row_of_the_history_is_added_by_the_next_run(world: World) -> None:
    world.deliver("2026-10", [1.0, 2.0])
    world.well()
    mark = fingerprints(world.database)[RAW][0][1]
    world.query("truncate table deliveries")
    assert world.well() == NOTHING.format(1)
    assert world.well() == NOTHING.format(1)
    columns = "word, partition, fingerprint, files, rows, billed, billing_currency"
    assert world.query(f"select {columns} from deliveries") == [
        ("aws", "2026-10", mark, None, 2, 3.0, "USD")
    ]


@pytest.mark.thorough
def test_what_the_provider_had_is_noted_whether_or_not_it_could_be_loaded(world: World) -> None:
    world.deliver("2026-09", [9.0])
    _number_as_text(world)
    assert world.load().status == 1
    marks = dict(world.query("select partition, fingerprint from provider_partitions final"))
    assert sorted(marks) == ["2026-09", "2026-10"]
    assert marks["2026-09"] == fingerprints(world.database)[RAW][0][1]
    world.load()
    assert world.query("select count() from provider_partitions") == [(2,)]


@pytest.mark.thorough
@pytest.mark.parametrize("table", [RAW, NORMALISED])
@pytest.mark.parametrize("what", ["replaced", "dropped", "mixed"])
def test_a_month_whose_raw_and_published_rows_are_of_two_deliveries_is_loaded_again(
    world: World, table: str, what: str
) -> None:
    world.deliver("2026-09", [9.0])
    world.deliver("2026-10", [1.0, 2.0])
    world.well()
    state = published(world.database)
    world.query(f"create table other as {table}")
    column = "billing_period" if table == RAW else "x_partition"
    world.query(
        f"insert into other select * replace ('0ther' as x_fingerprint) from {table} "
        f"where {column} = '2026-10'"
    )
    if what == "mixed":
        world.query(f"alter table {table} attach partition '2026-10' from other")
    elif what == "replaced":
        world.query(f"alter table {table} replace partition '2026-10' from other")
    else:
        world.query(f"alter table {table} drop partition '2026-10'")
    world.query("drop table other")
    assert world.load("--dry-run").status == 0
    assert world.well() == ONE.format(1)
    after = published(world.database)
    assert {name: after[name] for name in ("raw", "normalised", "costs", "provider")} == {
        name: state[name] for name in ("raw", "normalised", "costs", "provider")
    }
    assert world.well() == NOTHING.format(2)


@pytest.mark.thorough
def test_private_tables_of_killed_jobs_are_dropped_by_the_next_run(world: World) -> None:
    world.deliver("2026-10", [1.0])
    world.well()
    for name in ("_stage_aws__0123_raw", "_stage_aws__0123_norm", "_stage_gcp__0123_raw"):
        world.query(f"create table {name} (x UInt8) engine = Memory comment '[not one of ours'")
    tables = "to _stage_aws__0123_norm as select x from _stage_aws__0123_raw"
    world.query(f"create materialized view _stage_aws__0123_view0 {tables}")
    world.load()
    assert leftovers(world.database) == ["_stage_gcp__0123_raw"]


@pytest.mark.thorough
def test_a_database_without_its_views_publishes_nothing_and_says_so(world: World) -> None:
    world.deliver("2026-10", [1.0])
    world.well()
    world.query("drop view normalize_aws")
    world.query("drop view normalize_aws_focus")
    world.deliver("2026-10", [2.0])
    ran = world.load()
    assert ran.status == 1
    assert "has no view normalize_aws" in ran.err
    assert "make init-clickhouse" in ran.err
    assert totals(world.database) == {"2026-10": 1.0}
    assert world.commands("migrate").status == 0
    assert world.well() == ONE.format(0)
    assert totals(world.database) == {"2026-10": 2.0}


@pytest.mark.thorough
def test_a_view_with_other_rules_publishes_nothing_and_says_so(world: World) -> None:
    world.deliver("2026-10", [1.0])
    world.well()
    world.query("alter table normalize_aws modify comment 'Of another version.'")
    world.deliver("2026-10", [2.0])
    ran = world.load()
    assert ran.status == 1
    assert "The view normalize_aws of" in ran.err
    assert "has other rules, or other normalize.tag_columns, than this installation" in ran.err
    assert totals(world.database) == {"2026-10": 1.0}
    assert world.commands("migrate").status == 0
    assert world.well() == ONE.format(0)
    assert totals(world.database) == {"2026-10": 2.0}


@pytest.mark.thorough
def test_a_column_of_the_view_that_its_table_lacks_is_named_and_nothing_is_published(
    world: World,
) -> None:
    world.deliver("2026-10", [1.0])
    world.well()
    world.query("alter table normalized_aws drop column charge_description")
    world.deliver("2026-10", [2.0])
    ran = world.load()
    assert ran.status == 1
    assert "normalized_aws has no charge_description, which its view makes. Run: make" in ran.err
    assert world.query("select sum(billed_cost) from normalized_aws") == [(1.0,)]
    assert leftovers(world.database) == []


@pytest.mark.thorough
def test_costs_are_read_by_another_user_from_another_database(
    own_server: Server, aws_bucket: FolderBucket, commands: Commands
) -> None:
    reader = add_user(own_server, "reader", ["SELECT ON *.*"])
    database = own_server.config(database="costs-of-us")
    commands.set(environ(database, aws_bucket.root))
    deliver_cur2(aws_bucket, "", "daily", "2026-10", lines("2026-10", [1.0, 2.5]))
    ran = commands("load")
    assert ran.status == 0, ran
    sql = "select x_partition, sum(billed_cost) from `costs-of-us`.costs group by 1"
    assert query(reader, sql) == [("2026-10", 3.5)]
    deliver_cur2(aws_bucket, "", "daily", "2026-10", lines("2026-10", [7.0]))
    assert commands("load").status == 0
    assert query(reader, sql) == [("2026-10", 7.0)]
    assert str(own_server.password) not in "".join(commands.printed)

"""Bills that other tools get wrong, as AWS delivers them, with their right values.

Each folder of tests/data/aws/cases is a bucket: one billing period, loaded to both destinations.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.aws.delivery import deliver_cur2
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import environ
from tests.support.world import World

CASES = Path(__file__).parents[1] / "data" / "aws" / "cases"


@pytest.fixture
def world(aws_bucket: FolderBucket, clickhouse: ClickHouseConfig, commands: Commands) -> World:
    commands.set(environ(clickhouse, aws_bucket.root))
    return World(aws_bucket, clickhouse, commands)


def load(world: World, case: str) -> None:
    """The case on both destinations."""
    shutil.copytree(CASES / case, world.bucket.root, dirs_exist_ok=True)
    world.both()


def sums(world: World, column: str, period: str = "2026-09") -> list[float]:
    """A column's sum on the filesystem and in ClickHouse."""
    local = math.fsum(row[column] or 0 for row in world.commands.costs(period, column))
    ((there,),) = world.query(f"select sum({column}) from costs where x_partition = '{period}'")
    return [round(total, 9) for total in (local, there)]


def overview(world: World) -> list[dict[str, Any]]:
    """The newest month of `cost_overview` on the filesystem and in ClickHouse."""
    world.marts()
    (local,) = pq.read_table(
        world.commands.data / "marts" / "cost_overview" / "data.parquet"
    ).to_pylist()
    names = ", ".join(f"`{name}`" for name in local)
    (there,) = world.query(f"select {names} from cost_overview")
    return [local, dict(zip(local, there, strict=True))]


@pytest.mark.quick("net_unused_plan")
@pytest.mark.parametrize(
    ("case", "effective", "listed"),
    [
        ("flatrate_kiro", 36.096, 40.096),
        ("sp_refund_edp", -8869.444, 0.096 - 8869.54),
        ("net_unused_plan", 9.0, 20.0),
        ("untagged_discount", 90.0, 100.0),
    ],
)
def test_the_effective_and_list_cost_of_a_bill_are_right(
    world: World, case: str, effective: float, listed: float
) -> None:
    load(world, case)
    assert sums(world, "effective_cost") == [effective, effective]
    assert sums(world, "list_cost") == pytest.approx([listed, listed])


@pytest.mark.thorough
def test_a_discount_is_not_untagged_usage_and_has_no_list_price(world: World) -> None:
    load(world, "untagged_discount")
    for month in overview(world):
        assert (month["usage_effective"], month["untagged_effective"]) == (100.0, 0.0)
        assert (month["billed"], month["list"]) == (90.0, 100.0)


@pytest.mark.thorough
def test_the_overview_counts_lines_that_have_no_known_cost(world: World) -> None:
    rows = lines("2026-09", [1.0, 2.0])
    rows[1]["line_item_line_item_type"] = "SomethingNew"
    deliver_cur2(world.bucket.root, "", "cur", "2026-09", rows)
    world.both()
    for month in overview(world):
        assert (month["billed"], month["effective"]) == (3.0, 1.0)
        assert (month["line_items"], month["line_items_without_cost"]) == (2, 1)
    assert "SomethingNew" in world.commands("check").out


@pytest.mark.quick("None")
@pytest.mark.parametrize("net_of_discount", [None, 0.0, -10.0])
def test_a_discount_in_columns_and_in_rows_is_counted_once(
    world: World, net_of_discount: float | None
) -> None:
    """AWS leaves the net column of a discount's own row empty, writes 0, or has no columns."""
    rows = lines("2026-09", [100.0, -10.0])
    rows[1] |= {"line_item_line_item_type": "EdpDiscount", "pricing_public_on_demand_cost": None}
    if net_of_discount != -10.0:
        rows[0]["line_item_net_unblended_cost"] = 90.0
        rows[1]["line_item_net_unblended_cost"] = net_of_discount
    deliver_cur2(world.bucket.root, "", "cur", "2026-09", rows, files=2)
    world.both()
    for column, right in (("billed_cost", 90.0), ("effective_cost", 90.0), ("list_cost", 100.0)):
        assert sums(world, column) == [right, right]
    assert "0 failed" in world.commands.checked("aws_conservation")


@pytest.mark.thorough
@pytest.mark.quick("future_days_without")
@pytest.mark.parametrize("case", ["future_days", "future_days_without"])
def test_days_billed_ahead_do_not_end_the_month(world: World, case: str) -> None:
    """A savings plan has lines for every day of November; usage ends on the 10th."""
    shutil.copytree(CASES / case, world.bucket.root, dirs_exist_ok=True)
    written = datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()
    for path in world.bucket.root.rglob("*"):
        os.utime(path, (written, written))
    world.both()
    world.marts()
    names = "as_of, billed, previous_billed, projected_billed, month_state"
    select = f"select {names} from cost_overview where is_newest = 1"
    path = world.commands.data / "marts" / "cost_overview" / "data.parquet"
    local = duckdb.execute(select.replace("cost_overview", f"'{path}'")).fetchall()
    right = (date(2026, 11, 10), 1000.0, 1000.0, pytest.approx(3000.0), "open")
    assert local == [right]
    assert world.query(select) == [right]


# Commitments.


def commitments(world: World) -> list[list[dict[str, Any]]]:
    """The mart on the filesystem and in ClickHouse."""
    world.marts()
    local = pq.read_table(
        world.commands.data / "marts" / "commitments" / "data.parquet"
    ).to_pylist()
    there = world.query(f"select {', '.join(local[0])} from commitments order by 1, 2, 3, 4")
    return [local, [dict(zip(local[0], row, strict=True)) for row in there]]


@pytest.mark.thorough
def test_coverage_counts_only_what_a_plan_could_have_covered(world: World) -> None:
    load(world, "coverage_ec2")
    for rows in commitments(world):
        covered = sum(row["covered_list"] for row in rows)
        on_demand = sum(row["on_demand_list"] for row in rows)
        assert (covered, on_demand, covered / (covered + on_demand)) == (90.0, 10.0, 0.9)


@pytest.mark.thorough
def test_a_compute_plan_covers_no_database_and_a_reservation_only_its_service(
    world: World,
) -> None:
    usage = {
        "AmazonEC2": "BoxUsage:m5.large",
        "AWSLambda": "Lambda-GB-Second",
        "AmazonRDS": "InstanceUsage:db.r6g.large",
        "AmazonElastiCache": "NodeUsage:cache.t4g.micro",
    }
    rows = lines("2026-09", [1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    for row, code in zip(rows, [*usage, "AmazonEC2", "AmazonElastiCache"], strict=True):
        row |= {"line_item_product_code": code, "line_item_usage_type": usage[code]}
    rows[4] |= {
        "line_item_line_item_type": "SavingsPlanCoveredUsage",
        "savings_plan_savings_plan_a_r_n": "plan",
        "savings_plan_savings_plan_effective_cost": 10.0,
    }
    rows[5] |= {
        "line_item_line_item_type": "DiscountedUsage",
        "reservation_reservation_a_r_n": "reservation",
        "reservation_effective_cost": 20.0,
    }
    deliver_cur2(world.bucket.root, "", "cur", "2026-09", rows)
    world.both()
    for found in commitments(world):
        assert sorted(
            (r["commitment_type"], r["covered_list"], r["on_demand_list"]) for r in found
        ) == [
            ("On demand", 0.0, 11.0),  # EC2, Lambda and ElastiCache, but not RDS
            ("Reserved Instance", 32.0, 0.0),
            ("Savings Plan", 16.0, 0.0),
        ]


@pytest.mark.thorough
def test_a_reservation_without_amortised_cost_is_null_with_a_count(world: World) -> None:
    rows = lines("2026-09", [0.0, 0.0])
    for row, arn, effective in zip(rows, ("hosts", "instances"), (None, 2.0), strict=True):
        row |= {
            "line_item_line_item_type": "DiscountedUsage",
            "reservation_reservation_a_r_n": arn,
            "reservation_effective_cost": effective,
        }
    deliver_cur2(world.bucket.root, "", "cur", "2026-09", rows)
    world.both()
    names = ("commitment_id", "used_cost", "unused_cost", "line_items_without_cost")
    for found in commitments(world):
        assert sorted(tuple(row[name] for name in names) for row in found) == [
            ("hosts", None, 0.0, 1),
            ("instances", 2.0, 0.0, 0),
        ]


@pytest.mark.thorough
def test_a_plan_that_is_renewed_under_its_id_ends_when_its_newest_bill_says(world: World) -> None:
    for month, ends in (
        ("2026-08", {"kept": "2026-09-30T00:00:00.000Z", "renewed": "2026-09-30T00:00:00.000Z"}),
        ("2026-09", {"kept": None, "renewed": "2027-09-30T23:59:59.000Z"}),
    ):
        rows = lines(month, [1.0, 2.0, 4.0])
        for row, arn in zip(rows, ends, strict=False):
            row |= {
                "line_item_line_item_type": "SavingsPlanCoveredUsage",
                "savings_plan_savings_plan_a_r_n": arn,
                "savings_plan_savings_plan_effective_cost": 1.0,
                "savings_plan_end_time": ends[arn],
            }
        deliver_cur2(world.bucket.root, "", "cur", month, rows)
    world.both()
    names = ("month", "commitment_id", "ends_on", "days_left")
    august, september = date(2026, 8, 1), date(2026, 9, 1)
    kept, renewed = date(2026, 9, 30), date(2027, 9, 30)
    for found in commitments(world):
        assert sorted(tuple(r[name] for name in names) for r in found if r["commitment_id"]) == [
            (august, "kept", kept, 30),
            (august, "renewed", renewed, 395),
            (september, "kept", kept, 29),  # the 1st is the last whole day
            (september, "renewed", renewed, 394),
        ]


# Tags.


@pytest.mark.thorough
def test_lines_with_the_column_tags_of_cur2_are_not_untagged(world: World) -> None:
    load(world, "cur2_tags_column")
    for month in overview(world):
        assert month["usage_effective"] > 0
        assert month["untagged_effective"] == 0.0
    for tagged in (
        world.query("select count() from costs where tag_environment in ('dev', 'prod')"),
        [
            (
                len(
                    {
                        row["tag_environment"]
                        for row in world.commands.costs("2026-09", "tag_environment")
                    }
                ),
            )
        ],
    ):
        assert tagged == [(2,)]


@pytest.mark.thorough
@pytest.mark.parametrize("has_both", [False, True])
def test_the_column_tags_of_cur2_holds_tags_of_all_kinds(world: World, has_both: bool) -> None:
    """Where keys are equal, the values of `resource_tags` and `cost_category` beside it stay."""
    shutil.copytree(CASES / "cur2_tags_column", world.bucket.root, dirs_exist_ok=True)
    period = world.bucket.root / "exports" / "daily" / "data" / "BILLING_PERIOD=2026-09"
    path = period / "daily-00001.snappy.parquet"
    raw = pq.ParquetFile(path).read()
    text_map = pa.map_(pa.string(), pa.string())
    raw = raw.append_column("bill_invoice_id", pa.array(["EUINAT27-1", ""]))
    if has_both:
        tags = pa.array([[("user:Environment", "old")], []], text_map)
        categories = pa.array([[("BU", "old")], [("BU", "other")]], text_map)
        raw = raw.append_column("resource_tags", tags).append_column("cost_category", categories)
    pq.write_table(raw, path)
    world.both()
    names = ("tag_environment", "resource_name", "x_cost_categories", "x_account_tags",
             "invoice_id", "x_billing_entity")  # fmt: skip
    first, second = ("old", "old") if has_both else ("prod", "retail")
    maps = {"x_cost_categories", "x_account_tags"}
    right = [
        ("dev", "db-1", {"BU": "other"} if has_both else {}, {}, None, "AWS"),
        (first, "web-1", {"BU": second}, {"Team": "shop"}, "EUINAT27-1", "AWS"),
    ]
    local = [
        tuple(dict(row[name]) if name in maps else row[name] for name in names)
        for row in world.commands.costs("2026-09", *names)
    ]
    assert sorted(local, key=repr) == sorted(right, key=repr)
    there = world.query(f"select {', '.join(names)} from costs")
    assert sorted(there, key=repr) == sorted(right, key=repr)


# Formats.


def test_maps_of_numbers_in_a_csv_are_maps_of_numbers(world: World) -> None:
    load(world, "cur2_csv_json_maps")
    assert sums(world, "billed_cost") == [100.000012, 100.000012]
    edp = "select sum(discount['edp_discount']) from aws_costs__cur"
    assert world.query(edp) == [(-0.1,)]
    raw = world.commands.raw_table("2026-09")
    assert raw["discount"].to_pylist()[0] == [("edp_discount", -0.1), ("total_discount", -0.1)]


@pytest.mark.thorough
@pytest.mark.quick("formats1")
@pytest.mark.parametrize("formats", [("csv", "parquet", "csv"), ("parquet", "csv", "parquet")])
def test_an_export_may_change_its_file_format(world: World, formats: tuple[str, ...]) -> None:
    """From month to month, and of one month that is delivered again."""
    periods = ["2026-07", "2026-08", "2026-08"]
    for number, (period, file_format) in enumerate(zip(periods, formats, strict=True), start=1):
        rows = lines(period, [float(number), 1.2e-5])
        for row in rows:
            row |= {"discount": {"edp_discount": -0.1}, "product": {"product_name": "EC2"}}
        deliver_as(world.bucket, file_format, period, rows)
        world.both()
    assert sums(world, "billed_cost", "2026-08") == [3.000012, 3.000012]
    columns = ("service_name", "tag_environment")
    assert {tuple(row.values()) for row in world.commands.costs("2026-08", *columns)} == {
        ("EC2", "prod")
    }
    both = [world.commands.raw_table(period)["discount"].type for period in ("2026-07", "2026-08")]
    assert both[0] == both[1]
    assert world.query("select sum(discount['edp_discount']) from aws_costs__cur") == [(-0.4,)]


def deliver_as(bucket: FolderBucket, file_format: str, period: str, rows: list[Any]) -> None:
    """CUR 2.0 in one of its formats; in csv maps are JSON text."""
    folder = "cur/data/BILLING_PERIOD=" + period
    made = deliver_cur2(bucket, "", "cur", period, rows)
    if file_format == "csv":
        table = pq.ParquetFile(bucket.path(made.files[0])).read()
        names = table.schema.names
        maps = {field.name for field in table.schema if pa.types.is_map(field.type)}
        texts = [
            [
                json.dumps(dict(value or [])) if name in maps else value
                for name, value in row.items()
            ]
            for row in table.to_pylist()
        ]
        body = io.StringIO()
        csv.writer(body).writerows([names, *texts])
        bucket.delete(made.files[0])
        bucket.put(f"{folder}/cur-00001.csv.gz", gzip.compress(body.getvalue().encode()))
        assert made.manifest
        manifest = {"dataFiles": [f"s3://b/{folder}/cur-00001.csv.gz"]}
        bucket.put(made.manifest, json.dumps(manifest).encode())


# Which months a bucket has.


@pytest.mark.thorough
def test_months_that_were_copied_in_without_metadata_are_loaded(world: World) -> None:
    load(world, "backfill_without_manifest")
    assert world.commands.partitions() == ["2026-07", "2026-08", "2026-09"]
    assert world.column("distinct x_partition") == ["2026-07", "2026-08", "2026-09"]


@pytest.mark.thorough
def test_an_empty_newest_execution_leaves_the_month_as_it_was(world: World) -> None:
    case = "empty_newest_execution"
    newest = "exports/daily/metadata/BILLING_PERIOD=2026-09/2026-10-02T01:00:00.000Z-b"
    shutil.copytree(CASES / case, world.bucket.root, dirs_exist_ok=True)
    manifest = (world.bucket.root / newest / "daily-Manifest.json").read_bytes()
    shutil.rmtree(world.bucket.root / newest)
    world.both()
    world.bucket.put(f"{newest}/daily-Manifest.json", manifest)
    ran = world.load()
    assert (ran.status, ran.out) == (0, "aws: 0 loaded, 1 unchanged, 0 failed\n")
    assert "has no file; the one before it counts" in ran.err
    world.both()
    assert sums(world, "billed_cost") == [10.0, 10.0]
    for destination in ("filesystem", "clickhouse"):  # if it is right, it is taken
        assert world.load("--accept-shrunk", f"--destination={destination}").status == 0
    world.commands.well("normalize")
    assert (world.commands.billed("2026-09"), world.column("billed_cost")) == ([], [])


@pytest.mark.thorough
@pytest.mark.quick("True")
@pytest.mark.parametrize("is_published", [True, False])
def test_a_month_whose_files_expired_is_history_and_not_an_error(
    world: World, is_published: bool
) -> None:
    shutil.copytree(CASES / "expired_after_publishing", world.bucket.root, dirs_exist_ok=True)
    old = "exports/daily/data/BILLING_PERIOD=2026-01/daily-00001.snappy.parquet"
    if is_published:
        data = world.bucket.read(old.replace("2026-01", "2026-09"))
        world.bucket.put(old, data)
        world.both()
        world.bucket.delete(old)
    for destination in ("filesystem", "clickhouse"):
        for _ in range(2):
            ran = world.load(f"--destination={destination}")
            assert ran.status == 0
            assert ran.err.count("aws 2026-01: the bucket has its manifest but none of") == 1
    world.commands.well("normalize")
    assert world.commands.partitions() == ["2026-01"] * is_published + ["2026-09"]
    assert world.column("distinct x_partition") == ["2026-01"] * is_published + ["2026-09"]
    assert "stale_partitions" not in world.commands("check").out

"""Load and normalise AWS end to end on the filesystem: what is published after each delivery."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.tables.schema import arrow_schema
from scripts.sandbox.aws.delivery import (
    Delivered,
    deliver_cur2,
    deliver_focus,
    deliver_legacy_csv,
    deliver_legacy_parquet,
)
from tests.conftest import FaultyS3, FolderBucket, S3Bucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines
from tests.support.published import leftovers

FORMS: dict[str, Any] = {
    "cur2": deliver_cur2,
    "focus": deliver_focus,
    "legacy-csv": deliver_legacy_csv,
    "legacy-parquet": deliver_legacy_parquet,
}
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
NOTHING = "aws: 0 loaded, {} unchanged, 0 failed\n"


@pytest.fixture
def bucket(aws_bucket: FolderBucket, commands: Commands) -> FolderBucket:
    """The bucket that the commands read from."""
    commands.read_from(aws_bucket.url)
    return aws_bucket


def deliver(bucket: Any, period: str, costs: list[float], **options: Any) -> Delivered:
    """One delivery of a month as CUR 2.0 that overwrites the last one."""
    prefix = options.pop("prefix", "line")
    target = bucket if isinstance(bucket, FolderBucket) else bucket.target
    return deliver_cur2(target, "billing", "daily", period, lines(period, costs, prefix), **options)


@pytest.mark.quick("cur2")
@pytest.mark.parametrize("form", FORMS)
def test_a_first_load_publishes_every_month_in_every_form(
    bucket: FolderBucket, commands: Commands, form: str
) -> None:
    FORMS[form](bucket, "billing", "costs", "2026-09", lines("2026-09", [9.0]), files=1)
    FORMS[form](bucket, "billing", "costs", "2026-10", lines("2026-10", [1.0, 2.5]), files=2)
    loaded = commands("load")
    assert (loaded.status, loaded.out) == (0, "aws: 2 loaded, 0 unchanged, 0 failed\n")
    assert commands.normalised() == "aws: 2 normalised, 0 failed\n"
    assert commands.billed("2026-09") == [9.0]
    assert commands.costs("2026-10", "x_partition", "service_name", "effective_cost", "tags") == [
        {
            "x_partition": "2026-10",
            "service_name": "Amazon Elastic Compute Cloud" if form == "focus" else "AmazonEC2",
            "effective_cost": 1.0,
            "tags": [
                (
                    "Environment" if form in ("cur2", "legacy-csv", "focus") else "environment",
                    "prod",
                )
            ],
        },
        {
            "x_partition": "2026-10",
            "service_name": "Amazon Simple Storage Service" if form == "focus" else "AmazonS3",
            "effective_cost": 2.5,
            "tags": [
                (
                    "Environment" if form in ("cur2", "legacy-csv", "focus") else "environment",
                    "prod",
                )
            ],
        },
    ]
    assert {row["tag_environment"] for row in commands.costs("2026-10")} == {"prod"}
    assert leftovers(commands.data) == []
    checks = ("aws_conservation", "daily_conservation", "mart_complete", "stale_partitions")
    assert "0 failed" in commands.checked(*checks)


def test_everything_lies_where_the_design_says(bucket: FolderBucket, commands: Commands) -> None:
    made = deliver(bucket, "2026-10", [1.0, 2.0], files=2)
    commands.well("load", "normalize")
    mark = commands.delivery("2026-10")["fingerprint"][:12]
    assert set(commands.bytes_of("2026-10")) == {
        f"aws_costs/cur/billing_period=2026-10/{mark}-00001.parquet",
        f"aws_costs/cur/billing_period=2026-10/{mark}-00002.parquet",
        "aws_costs/cur/billing_period=2026-10/_delivery.json",
        "deliveries/aws-2026-10.parquet",
        "marts/costs/aws-2026-10.parquet",
        "marts/costs_daily/aws-2026-10.parquet",
        "normalized_aws/billing_period=2026-10/data.parquet",
    }
    published = commands.data / "normalized_aws/billing_period=2026-10/data.parquet"
    schema = pq.ParquetFile(published).schema_arrow
    assert schema.names == arrow_schema(("Environment", "Team", "Application")).names
    raw = [(commands.raw("2026-10") / f"{mark}-0000{n}.parquet").read_bytes() for n in (1, 2)]
    assert raw == [bucket.read(key) for key in made.files]


def test_delivery_json_tells_where_a_partition_comes_from(
    bucket: FolderBucket, commands: Commands
) -> None:
    made = deliver(bucket, "2026-10", [1.0, 2.0], delivered_at=NOON)
    commands.well("load")
    delivery = commands.delivery("2026-10")
    (file,) = delivery.pop("files")
    mark, load_id = delivery.pop("fingerprint"), delivery.pop("load_id")
    assert (len(mark), float(load_id) > 0) == (32, True)
    assert datetime.fromisoformat(delivery.pop("loaded_at")).tzinfo == UTC
    took = delivery.pop("seconds")
    assert (took.keys(), min(took.values()) >= 0) == ({"read", "stage"}, True)
    assert delivery == {
        "word": "aws",
        "partition": "2026-10",
        "rows": 2,
        "bytes": len(bucket.read(made.files[0])),
        "delivered_at": NOON.isoformat(),
        "form": "CUR, data export",
    }
    assert (file["name"], file["rows"], file["source"]) == (
        f"{mark[:12]}-00001.parquet",
        2,
        made.files[0],
    )


def test_a_run_without_change_only_lists(faulty_s3: FaultyS3, commands: Commands) -> None:
    commands.set(faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.read_from(faulty_s3.url)
    for period in ("2026-08", "2026-09", "2026-10"):
        deliver(faulty_s3, period, [1.0, 2.0], files=3)
    commands.well("load", "normalize")
    before = {period: commands.bytes_of(period) for period in commands.partitions()}
    faulty_s3.proxy.reset()
    ran = commands("load")
    assert (ran.status, ran.out, ran.err) == (0, NOTHING.format(3), "")
    assert faulty_s3.proxy.requests == [("LIST", "")]
    assert commands.normalised() == "aws: 0 normalised, 0 failed\n"
    assert {period: commands.bytes_of(period) for period in commands.partitions()} == before


def test_a_first_load_from_s3_gets_each_file_and_manifest_once(
    faulty_s3: FaultyS3, commands: Commands
) -> None:
    commands.set(faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.read_from(f"{faulty_s3.url}/billing/")
    made = deliver(faulty_s3, "2026-10", [1.0, 2.0], files=2)
    commands.well("load", "normalize")
    assert sorted(faulty_s3.proxy.requests) == [
        ("GET", made.files[0]),
        ("GET", made.files[1]),
        ("GET", made.manifest),
        ("LIST", ""),
    ]
    assert commands.billed("2026-10") == [1.0, 2.0]


def test_only_what_changed_is_loaded(bucket: FolderBucket, commands: Commands) -> None:
    for period in ("2026-08", "2026-09", "2026-10"):
        deliver(bucket, period, [1.0])
    commands.well("load", "normalize")
    before = commands.bytes_of("2026-08"), commands.bytes_of("2026-10")
    deliver(bucket, "2026-09", [7.0])
    assert commands("load").out == "aws: 1 loaded, 2 unchanged, 0 failed\n"
    assert commands.normalised() == "aws: 1 normalised, 0 failed\n"
    assert commands.billed("2026-09") == [7.0]
    assert (commands.bytes_of("2026-08"), commands.bytes_of("2026-10")) == before


RESTATED: dict[str, tuple[list[float], dict[str, Any]]] = {
    "fewer rows": ([1.0], {}),
    "more rows in more files": ([1.0, 2.0, 3.0, 4.0, 5.0], {"files": 5}),
    "fewer files": ([1.0, 2.0, 3.0], {"files": 1}),
    "other ids": ([1.0, 2.0, 3.0], {"prefix": "other", "files": 3}),
    "other cost under equal ids": ([1.0, 2.0, 30.0], {"files": 3}),
    "credits": ([1.0, -2.0, 0.0], {"files": 3}),
    "no rows": ([], {}),
    "no rows in files that stay": ([], {"files": 3}),
}


@pytest.mark.quick("fewer rows")
@pytest.mark.parametrize(
    ("kind", "mode"),
    [(kind, "overwrite") for kind in RESTATED] + [("fewer rows", "create"), ("no rows", "create")],
)
def test_a_restated_month_replaces_the_old_one(
    bucket: FolderBucket, commands: Commands, kind: str, mode: str
) -> None:
    costs, options = RESTATED[kind]
    deliver(bucket, "2026-10", [1.0, 2.0, 3.0], files=3, mode=mode, delivered_at=NOON)
    commands.well("load", "normalize")
    assert commands.billed("2026-10") == [1.0, 2.0, 3.0]
    deliver(bucket, "2026-10", costs, mode=mode, delivered_at=NOON + timedelta(hours=6), **options)
    commands.well("load", "normalize")
    raw = commands.raw_table("2026-10")
    assert sorted(raw["line_item_unblended_cost"].to_pylist()) == sorted(costs)
    prefix = options.get("prefix", "line")
    assert sorted(raw["identity_line_item_id"].to_pylist()) == [
        f"{prefix}-{number}" for number in range(len(costs))
    ]
    assert commands.billed("2026-10") == sorted(costs)
    files = sorted(path.name for path in commands.raw("2026-10").iterdir())
    listed = [file["name"] for file in commands.delivery("2026-10")["files"]]
    assert files == sorted([*listed, "_delivery.json"])
    assert commands("load").out == NOTHING.format(1)


@pytest.mark.usefixtures("guarded")
def test_a_month_without_any_file_is_published_empty_when_that_is_accepted(
    bucket: FolderBucket, commands: Commands
) -> None:
    made = deliver(bucket, "2026-10", [1.0])
    commands.well("load", "normalize")
    assert made.manifest
    document = json.loads(bucket.read(made.manifest)) | {"dataFiles": []}
    bucket.put(made.manifest, json.dumps(document).encode())
    bucket.delete(made.files[0])
    commands.well("load", "normalize", "status")
    assert commands.billed("2026-10") == [1.0]
    commands.well("load --accept-shrunk", "normalize")
    assert (commands.delivery("2026-10")["files"], commands.costs("2026-10")) == ([], [])
    assert "2026-10" in commands("status").out
    assert commands("load").out == NOTHING.format(1)
    assert commands.normalised() == "aws: 0 normalised, 0 failed\n"


def test_a_file_that_changed_without_its_manifest_is_loaded_and_said(
    bucket: FolderBucket, commands: Commands
) -> None:
    made = deliver(bucket, "2026-10", [1.0, 2.0], files=2, delivered_at=NOON)
    commands.well("load", "normalize")
    deliver(
        bucket, "2026-10", [5.0, 6.0], files=2, delivered_at=NOON + timedelta(1), complete=False
    )
    assert made.manifest
    ran = commands("load")
    assert (ran.status, ran.out) == (0, "aws: 1 loaded, 0 unchanged, 0 failed\n")
    assert "aws 2026-10: data files are newer than the manifest" in ran.err
    commands.well("normalize")
    assert commands.billed("2026-10") == [5.0, 6.0]


def test_a_manifest_that_changed_alone_is_loaded(bucket: FolderBucket, commands: Commands) -> None:
    made = deliver(bucket, "2026-10", [1.0, 2.0], files=2)
    commands.well("load", "normalize")
    assert made.manifest
    document = json.loads(bucket.read(made.manifest))
    document["dataFiles"] = document["dataFiles"][:1]
    bucket.put(made.manifest, json.dumps(document).encode())
    assert commands("load").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    commands.well("normalize")
    assert commands.billed("2026-10") == [1.0]


def test_a_manifest_that_moves_between_copies_loads_again_once(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0])
    commands.well("load")
    bucket.path("billing").rename(bucket.path("moved"))
    assert commands("load").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    assert commands("load").out == NOTHING.format(1)


def test_months_may_differ_in_columns_and_types(bucket: FolderBucket, commands: Commands) -> None:
    old = lines("2026-09", [9.0])
    new = [
        row
        | {
            "line_item_net_unblended_cost": 7.5,
            "my_column": 1.0,
            "line_item_usage_amount": Decimal(1),
            "line_item_product_code": "AmazonS3",
            "product": {"product_name": "Amazon Simple Storage Service"},
        }
        for row in lines("2026-10", [10.0])
    ]
    for row in old:
        del row["resource_tags"], row["pricing_public_on_demand_cost"]
        row["my_column"] = "text"
    deliver_cur2(bucket, "", "daily", "2026-09", old)
    types = {
        "line_item_product_code": pa.dictionary(pa.int32(), pa.string()),
        "line_item_usage_amount": pa.decimal128(20, 4),
        "line_item_unblended_cost": pa.int64(),
    }
    deliver_cur2(bucket, "", "daily", "2026-10", new, types=types)
    commands.well("load", "normalize")
    columns = ("service_name", "billed_cost", "list_cost", "consumed_quantity")
    assert commands.costs("2026-09", *columns) == [
        {
            "service_name": "AmazonEC2",
            "billed_cost": 9.0,
            "list_cost": 9.0,
            "consumed_quantity": 1.0,
        }
    ]
    assert commands.costs("2026-10", *columns) == [
        {
            "service_name": "Amazon Simple Storage Service",
            "billed_cost": 7.5,
            "list_cost": 10.0,
            "consumed_quantity": 1.0,
        }
    ]
    assert "0 failed" in commands.checked("aws_conservation")


def test_files_of_one_month_may_differ_in_columns(bucket: FolderBucket, commands: Commands) -> None:
    made = deliver(bucket, "2026-10", [1.0, 2.0], files=2)
    table = pq.ParquetFile(bucket.path(made.files[1])).read()
    sink = pa.BufferOutputStream()
    pq.write_table(table.drop_columns(["pricing_public_on_demand_cost", "resource_tags"]), sink)
    bucket.put(made.files[1], sink.getvalue().to_pybytes())
    commands.well("load", "normalize")
    assert commands.costs("2026-10", "list_cost", "tag_environment") == [
        {"list_cost": 1.0, "tag_environment": "prod"},
        {"list_cost": 2.0, "tag_environment": None},
    ]
    assert "0 failed" in commands.checked("aws_conservation")


def test_the_newest_complete_execution_counts_and_the_older_one_serves_meanwhile(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0], mode="create", delivered_at=NOON)
    later = NOON + timedelta(hours=6)
    half = deliver(
        bucket, "2026-10", [5.0, 6.0], mode="create", delivered_at=later, files=2, complete=False
    )
    commands.well("load", "normalize")
    assert commands.billed("2026-10") == [1.0]
    made = deliver(bucket, "2026-10", [5.0, 6.0], mode="create", delivered_at=later, files=2)
    assert made.files == half.files
    commands.well("load", "normalize")
    assert commands.billed("2026-10") == [5.0, 6.0]


def test_an_execution_that_lost_a_file_falls_back_and_says_so(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0], mode="create", delivered_at=NOON)
    later = NOON + timedelta(hours=6)
    made = deliver(bucket, "2026-10", [5.0, 6.0], mode="create", delivered_at=later, files=2)
    lost = bucket.read(made.files[1])
    bucket.delete(made.files[1])
    ran = commands("load")
    assert ran.status == 0
    assert "aws 2026-10: the newest delivery is incomplete; billing/daily/metadata/" in ran.err
    commands.well("normalize")
    assert commands.billed("2026-10") == [1.0]
    assert commands.delivery("2026-10")["delivered_at"] == NOON.isoformat()
    bucket.put(made.files[1], lost)
    commands.well("load", "normalize")
    assert commands.billed("2026-10") == [5.0, 6.0]


def test_several_exports_need_a_choice(bucket: FolderBucket, commands: Commands) -> None:
    deliver(bucket, "2026-10", [1.0])
    deliver_focus(bucket, "billing", "focus", "2026-10", lines("2026-10", [3.0]))
    ran = commands("load")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"error: {bucket.url} holds 2 exports: billing/daily, billing/focus. Two of one payer "
        "would count the same cost twice: name one in SOURCES__AWS__EXPORT, or of each payer "
        'account one, as ["one","another"].\n'
    )
    assert commands.partitions() == []
    commands.set({"SOURCES__AWS__EXPORT": "focus"})
    commands.well("load", "normalize")
    assert (commands.billed("2026-10"), commands.delivery("2026-10")["form"]) == (
        [3.0],
        "FOCUS, data export",
    )
    commands.set({"SOURCES__AWS__EXPORT": "billing/daily"})
    commands.well("load", "normalize")
    assert (commands.billed("2026-10"), commands.delivery("2026-10")["form"]) == (
        [1.0],
        "CUR, data export",
    )


def test_without_manifest_the_listing_serves_and_the_log_says_so(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0, 2.0], files=2, complete=False)
    ran = commands("load")
    assert ran.status == 0
    assert (
        f"aws: {bucket.url} billing/daily has no manifest; the list of files is used instead"
        in ran.err
    )
    commands.well("normalize")
    assert commands.billed("2026-10") == [1.0, 2.0]


def test_a_month_that_aws_is_delivering_waits_for_its_manifest(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-09", [9.0])
    deliver(bucket, "2026-10", [1.0], complete=False)
    ran = commands("load")
    assert (ran.status, commands.partitions()) == (0, ["2026-09"])
    assert "aws 2026-10: no manifest yet, AWS is still delivering; left for later" in ran.err
    deliver(bucket, "2026-10", [1.0])
    commands.well("load")
    assert commands.partitions() == ["2026-09", "2026-10"]


def test_from_and_to_select_months_inclusive(bucket: FolderBucket, commands: Commands) -> None:
    for month in (7, 8, 9, 10):
        deliver(bucket, f"2026-{month:02d}", [float(month)])
    assert commands("load", "--from", "2026-08", "--to", "2026-09").status == 0
    assert commands.partitions() == ["2026-08", "2026-09"]
    assert commands.normalised("aws", "--from", "2026-09") == "aws: 1 normalised, 0 failed\n"
    assert commands("load", "aws", "--to", "2026-08").out == (
        "aws: 1 loaded, 1 unchanged, 0 failed\n"
    )
    assert commands("load", "--from", "2026-11").out == NOTHING.format(0)
    assert commands.partitions() == ["2026-07", "2026-08", "2026-09"]


def test_force_loads_and_normalises_what_has_not_changed(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-09", [9.0])
    deliver(bucket, "2026-10", [1.0])
    commands.well("load", "normalize")
    first = commands.delivery("2026-10")
    ran = commands("load", "--force", "--from", "2026-10")
    assert ran.out == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    second = commands.delivery("2026-10")
    assert (second["fingerprint"], second["load_id"] != first["load_id"]) == (
        first["fingerprint"],
        True,
    )
    assert commands.normalised("--force") == "aws: 2 normalised, 0 failed\n"
    assert commands.billed("2026-10") == [1.0]


def test_a_load_mends_a_damaged_delivery(bucket: FolderBucket, commands: Commands) -> None:
    deliver(bucket, "2026-10", [1.0])
    commands.well("load", "normalize")
    (commands.raw("2026-10") / "_delivery.json").write_text("{")
    for command in ("normalize", "status", "check"):
        ran = commands(command)
        assert ran.status == 1
        assert "_delivery.json is damaged" in ran.err
        assert "`python -m pipelines load` replaces it." in ran.err
    assert commands("load").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    commands.well("normalize")
    assert commands.billed("2026-10") == [1.0]


@pytest.mark.thorough
def test_a_raw_file_that_was_removed_by_hand_is_told_and_mended_as_told(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0])
    commands.well("load")
    for path in commands.raw("2026-10").glob("*.parquet"):
        path.unlink()
    ran = commands("normalize")
    assert ran.status == 1
    assert (
        "missing. Load it again: python -m pipelines load aws --from 2026-10 --to 2026-10 --force"
        in ran.err
    )
    assert commands("load", "aws", "--from", "2026-10", "--to", "2026-10", "--force").status == 0
    commands.well("normalize")
    assert commands.billed("2026-10") == [1.0]


def test_a_dry_run_says_what_would_be_loaded_and_changes_nothing(
    bucket: FolderBucket, commands: Commands, tmp_path: Path
) -> None:
    deliver(bucket, "2026-08", [8.0])
    deliver(bucket, "2026-09", [9.0])
    commands.well("load")
    deliver(bucket, "2026-09", [7.0], files=2)
    deliver(bucket, "2026-10", [1.0])

    def state() -> dict[str, bytes]:
        roots = (commands.data, tmp_path / "dlt")
        return {
            str(p): p.read_bytes()
            for r in roots
            for p in r.rglob("*")
            if p.suffix in (".parquet", ".json")
        }

    before = state()
    ran = commands("load", "--dry-run")
    assert ran.status == 0
    cells = [line.split("│")[1:4] for line in ran.out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in cells] == [
        ["2026-08", "unchanged", "1"],
        ["2026-09", "changed", "2"],
        ["2026-10", "new", "1"],
    ]
    assert commands.normalised("--dry-run") == "aws: would normalise 2026-08, 2026-09\n"
    assert state() == before


def test_a_file_that_changes_while_it_is_read_makes_its_month_start_over(
    faulty_s3: FaultyS3, commands: Commands
) -> None:
    commands.set(faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.read_from(faulty_s3.url)
    deliver(faulty_s3, "2026-09", [9.0])
    deliver(faulty_s3, "2026-10", [1.0, 2.0], files=2)
    faulty_s3.proxy.before_get(
        "*2026-10/daily-00002*", lambda: deliver(faulty_s3, "2026-10", [5.0, 6.0, 7.0], files=3)
    )
    ran = commands("load")
    assert (ran.status, ran.out) == (0, "aws: 2 loaded, 0 unchanged, 0 failed\n")
    assert "aws 2026-10: billing/daily/data/BILLING_PERIOD=2026-10/daily-0000" in ran.err
    assert "was replaced while it was read (attempt 1)" in ran.err
    assert "to be normalised" in commands("status").out
    commands.well("normalize")
    assert commands.billed("2026-10") == [5.0, 6.0, 7.0]
    assert commands("load").out == NOTHING.format(2)
    assert leftovers(commands.data) == []


@pytest.mark.thorough
def test_a_manifest_that_changes_before_it_is_read_makes_its_month_start_over(
    faulty_s3: FaultyS3, commands: Commands
) -> None:
    commands.set(faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.read_from(faulty_s3.url)
    deliver(faulty_s3, "2026-10", [1.0])
    faulty_s3.proxy.before_get(
        "*Manifest.json", lambda: deliver(faulty_s3, "2026-10", [5.0, 6.0], files=2)
    )
    commands.well("load", "normalize")
    assert commands.billed("2026-10") == [5.0, 6.0]
    assert commands("load").out == NOTHING.format(1)


@pytest.mark.thorough
def test_a_month_that_keeps_changing_is_given_up_clearly_and_the_published_one_stays(
    faulty_s3: FaultyS3, commands: Commands
) -> None:
    commands.set(faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.read_from(faulty_s3.url)
    deliver(faulty_s3, "2026-10", [1.0])
    commands.well("load", "normalize")
    before = commands.bytes_of("2026-10")
    costs = iter(range(100, 200))

    def again() -> None:
        deliver(faulty_s3, "2026-10", [float(next(costs))])

    again()
    deliver(faulty_s3, "2026-11", [11.0])
    for number in range(1, 10):
        faulty_s3.proxy.before_get("*2026-10/*.parquet", again, nth=number)
    ran = commands("load")
    assert (ran.status, ran.out) == (1, "aws: 1 loaded, 0 unchanged, 1 failed\n")
    assert (
        "aws 2026-10: the provider replaced its files 3 times while they were read. Run again when "
        "the delivery is over; the published partition stays." in ran.err
    )
    assert commands.bytes_of("2026-10") == before
    faulty_s3.proxy.reset()
    commands.well("load", "normalize")
    assert commands.billed("2026-10") == [float(next(costs) - 1)]


def test_a_file_of_a_folder_that_changes_while_its_month_is_read_starts_over(
    bucket: FolderBucket, commands: Commands, caplog: pytest.LogCaptureFixture
) -> None:
    from pipelines.buckets.folder import FolderBucket as Folder
    from pipelines.core.partition import Changed

    made = deliver(bucket, "2026-10", [1.0, 2.0], files=2)
    folder = Folder(bucket.url, "SOURCES__AWS")

    def deliver_again() -> None:
        deliver(bucket, "2026-10", [5.0, 6.0], files=2)

    objects = [item for item in folder.list() if item.key in made.files]
    targets = [bucket.root.parent / f"copy-{number}" for number in (1, 2)]
    with caplog.at_level(logging.INFO), pytest.raises(Changed, match=r"daily-00002.* was replaced"):
        folder.fetch(
            list(zip(objects, targets, strict=True)),
            lambda _: deliver_again(),
        )
    with pytest.raises(Changed, match=r"daily-00001.* was replaced"):
        folder.read(objects[0])
    bucket.delete(made.files[0])
    with pytest.raises(Changed, match=r"daily-00001.* has disappeared"):
        folder.read(objects[0])


def test_a_month_that_the_provider_removed_stays_published(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-09", [9.0])
    old = deliver(bucket, "2026-08", [8.0])
    commands.well("load", "normalize")
    before = commands.bytes_of("2026-08")
    for key in (*old.files, old.manifest or ""):
        bucket.delete(key)
    commands.well("load", "normalize")
    assert commands.bytes_of("2026-08") == before


def test_history_remembers_every_delivery(bucket: FolderBucket, commands: Commands) -> None:
    deliver(bucket, "2026-10", [1.0, 2.0], files=2, delivered_at=NOON)
    commands.well("load", "normalize", "load", "normalize")
    deliver(bucket, "2026-10", [5.0], delivered_at=NOON + timedelta(1))
    commands.well("load", "normalize")
    rows = pq.ParquetFile(commands.data / "deliveries/aws-2026-10.parquet").read().to_pylist()
    names = ("word", "partition", "files", "rows", "billed", "effective", "billing_currency")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("aws", "2026-10", 2, 2, 3.0, 3.0, "USD"),
        ("aws", "2026-10", 1, 1, 5.0, 5.0, "USD"),
    ]
    assert [row["delivered_at"] for row in rows] == [NOON, NOON + timedelta(1)]
    assert rows[0]["published_at"] < rows[1]["published_at"]


@pytest.mark.thorough
def test_a_lost_working_directory_costs_nothing(
    bucket: FolderBucket, commands: Commands, tmp_path: Path
) -> None:
    deliver(bucket, "2026-10", [1.0])
    commands.well("load", "normalize")
    commands.set({"DLT_DATA_DIR": str(tmp_path / "another machine")})
    assert commands("load").out == NOTHING.format(1)
    deliver(bucket, "2026-10", [2.0])
    commands.well("load", "normalize")
    assert commands.billed("2026-10") == [2.0]


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["with space", "[1] it's %41 ü"])
def test_bucket_and_destination_may_lie_in_folders_of_any_name(
    tmp_path: Path, commands: Commands, name: str
) -> None:
    bucket = FolderBucket(tmp_path / name / "bucket")
    commands.data = tmp_path / name / "data"
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": str(commands.data)})
    commands.read_from(str(bucket.root))
    deliver(bucket, "2026-10", [1.0])
    commands.well("load", "normalize")
    assert commands("load").out == NOTHING.format(1)
    deliver(bucket, "2026-10", [2.0, 3.0])
    commands.well("load", "normalize")
    assert commands.billed("2026-10") == [2.0, 3.0]
    assert "2026-10" in commands("status").out
    assert "0 failed" in commands.checked("aws_conservation")


@pytest.fixture
def on_s3(s3: S3Bucket, commands: Commands, aws_bucket: FolderBucket) -> S3Bucket:
    """A destination on an object store, fed from a folder."""
    commands.set(s3.dlt_environ("DESTINATION__FILESYSTEM"))
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": f"{s3.url}/my data"})
    commands.read_from(aws_bucket.url)
    return s3


def on_store(s3: S3Bucket, key: str) -> pa.Table:
    body = s3.client.get_object(Bucket=s3.bucket, Key=f"my data/{key}")["Body"].read()
    return pq.ParquetFile(pa.BufferReader(body)).read()


def test_an_object_store_serves_as_destination(
    on_s3: S3Bucket, commands: Commands, aws_bucket: FolderBucket
) -> None:
    deliver(aws_bucket, "2026-10", [1.0, 2.0, 3.0], files=2)
    commands.well("load", "normalize")
    deliver(aws_bucket, "2026-10", [5.0])
    assert commands("load").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"
    assert commands.normalised() == "aws: 1 normalised, 0 failed\n"
    assert commands("load").out == NOTHING.format(1)
    assert commands.normalised() == "aws: 0 normalised, 0 failed\n"
    keys = [key.removeprefix("my data/") for key in on_s3.target.keys("my data/")]
    raw = [key for key in keys if key.startswith("aws_costs/cur/billing_period=2026-10/")]
    assert {key.rsplit("-", 1)[-1] for key in raw} == {"10/_delivery.json", "00001.parquet"}
    for key in (
        "normalized_aws/billing_period=2026-10/data.parquet",
        "marts/costs/aws-2026-10.parquet",
    ):
        assert on_store(on_s3, key)["billed_cost"].to_pylist() == [5.0]
    history = on_store(on_s3, "deliveries/aws-2026-10.parquet")
    assert history["billed"].to_pylist() == [6.0, 5.0]
    status = commands("status")
    assert (status.status, "2026-10" in status.out) == (0, True)


@pytest.mark.thorough
def test_an_object_store_has_every_mart_and_is_checked_and_examined(
    on_s3: S3Bucket, commands: Commands, aws_bucket: FolderBucket
) -> None:
    deliver(aws_bucket, "2026-10", [1.0, 2.0, 3.0], files=3)
    commands.well("load", "normalize")
    deliver(aws_bucket, "2026-10", [5.0])
    commands.well("load")
    commands.well("normalize", marts=True)
    (month,) = on_store(on_s3, "marts/cost_overview/data.parquet").to_pylist()[-1:]
    assert (f"{month['month']:%Y-%m}", month["billed"]) == ("2026-10", 5.0)
    check = commands("check")
    assert check.out.endswith("failed\n") or check.out.endswith("failed: freshness\n")
    doctor = commands("doctor")
    assert "ok   destination: filesystem" in doctor.out

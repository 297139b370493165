"""Deliveries lie where AWS puts them, and come back as they were."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.sandbox.aws import columns as cur_columns
from scripts.sandbox.aws import delivery, focus
from tests.conftest import FolderBucket, S3Bucket

RUN = "0f8fad5b-d9cb-469f-a165-70867728950e"
AT = datetime(2026, 10, 5, 6, 12, 33, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {
        "identity_line_item_id": "a",
        "bill_payer_account_name": "example-payer",
        "bill_billing_period_start_date": datetime(2026, 10, 1, tzinfo=UTC),
        "line_item_line_item_type": "Usage",
        "line_item_usage_start_date": datetime(2026, 10, 2, tzinfo=UTC),
        "line_item_product_code": "AmazonEC2",
        "line_item_unblended_cost": 1.5,
        "line_item_unblended_rate": "0.0625000000",
        "product_instance_type": "t3.large",
        "product": {"product_name": "Amazon Elastic Compute Cloud"},
        "discount": {"edp_discount": -0.09},
        "resource_tags": {"user:Cost Center": "CC-1", "user:a-b": "dash", "user:a_b": "under"},
        "cost_category": {"Unit": "shop"},
    },
    {
        "identity_line_item_id": "b",
        "line_item_line_item_type": "Usage",
        "line_item_unblended_cost": 4e-08,
        "resource_tags": {"user:a_b": "only", "aws:createdBy": "Root"},
        "savings_plan_savings_plan_a_r_n": "arn:sp",
    },
]


def parquet(bucket: FolderBucket, key: str) -> pa.Table:
    return pq.read_table(io.BytesIO(bucket.read(key)))


def csv_rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(body).decode())))


def test_a_cur2_export_lies_where_aws_puts_it(aws_bucket: FolderBucket) -> None:
    made = delivery.deliver_cur2(
        aws_bucket, "exports", "cur", "2026-10", ROWS, files=2, execution_id=RUN, delivered_at=AT
    )
    data = "exports/cur/data/BILLING_PERIOD=2026-10"
    manifest_key = "exports/cur/metadata/BILLING_PERIOD=2026-10/cur-Manifest.json"
    files = [f"{data}/cur-00001.snappy.parquet", f"{data}/cur-00002.snappy.parquet"]
    assert aws_bucket.keys() == [*files, manifest_key]
    assert made == delivery.Delivered("2026-10", 2, files, manifest_key, [], RUN, AT)
    manifest = json.loads(aws_bucket.read(manifest_key))
    assert list(manifest) == [
        "executionId",
        "exportArn",
        "columns",
        "dataFiles",
        "additionalOutputFiles",
    ]
    assert manifest["executionId"] == RUN
    assert manifest["exportArn"].startswith("arn:aws:bcm-data-exports:us-east-1:999988887777:")
    assert manifest["dataFiles"] == [f"s3://example-billing/{key}" for key in files]
    assert manifest["additionalOutputFiles"] == []
    assert manifest["columns"][2:6] == [
        {"name": "bill_billing_period_start_date", "type": "timestamp"},
        {"name": "line_item_line_item_type", "type": "string"},
        {"name": "line_item_usage_start_date", "type": "timestamp"},
        {"name": "line_item_product_code", "type": "string"},
    ]
    assert manifest["columns"][-4:] == [
        {"name": name, "type": "map"}
        for name in ("product", "discount", "resource_tags", "cost_category")
    ]
    assert aws_bucket.path(manifest_key).stat().st_mtime == AT.timestamp()


def test_cur2_rows_come_back_from_parquet_as_they_were(aws_bucket: FolderBucket) -> None:
    made = delivery.deliver_cur2(aws_bucket, "", "cur", "2026-10", ROWS, files=2)
    assert made.files[0] == "cur/data/BILLING_PERIOD=2026-10/cur-00001.snappy.parquet"
    back = [row for key in made.files for row in parquet(aws_bucket, key).to_pylist()]
    columns = cur_columns.columns_of(ROWS)
    maps = {"product", "discount", "resource_tags", "cost_category"}
    assert back == [
        {
            name: list(row[name].items()) if name in maps and name in row else row.get(name)
            for name in columns
        }
        for row in ROWS
    ]
    schema = parquet(aws_bucket, made.files[0]).schema
    assert str(schema.field("line_item_usage_start_date").type) == "timestamp[ms, tz=UTC]"
    assert pa.types.is_map(schema.field("resource_tags").type)


def test_create_new_keeps_every_run_and_its_manifest(aws_bucket: FolderBucket) -> None:
    def deliver(run: str, at: datetime) -> delivery.Delivered:
        return delivery.deliver_cur2(
            aws_bucket,
            "p",
            "cur",
            "2026-10",
            ROWS,
            mode="create",
            execution_id=run,
            delivered_at=at,
        )

    deliver("one", AT)
    second = deliver("two", AT.replace(day=6))
    period, first_run = "BILLING_PERIOD=2026-10", "2026-10-05T06:12:33.000Z-one"
    second_run = "2026-10-06T06:12:33.000Z-two"
    assert aws_bucket.keys() == [
        f"p/cur/data/{period}/{first_run}/cur-00001.snappy.parquet",
        f"p/cur/data/{period}/{second_run}/cur-00001.snappy.parquet",
        f"p/cur/metadata/{period}/{first_run}/cur-Manifest.json",
        f"p/cur/metadata/{period}/{second_run}/cur-Manifest.json",
        f"p/cur/metadata/{period}/cur-Manifest.json",
    ]
    assert second.manifest == f"p/cur/metadata/{period}/cur-Manifest.json"
    assert json.loads(aws_bucket.read(second.manifest))["dataFiles"] == [
        f"s3://example-billing/{second.files[0]}"
    ]


def test_an_incomplete_delivery_has_data_and_no_manifest(aws_bucket: FolderBucket) -> None:
    deliveries: dict[str, Callable[..., delivery.Delivered]] = {
        "cur2": delivery.deliver_cur2,
        "csv": delivery.deliver_legacy_csv,
        "athena": delivery.deliver_legacy_parquet,
        "focus": delivery.deliver_focus,
    }
    for name, deliver in deliveries.items():
        assert deliver(aws_bucket, "", name, "2026-10", ROWS, complete=False).manifest is None
    assert [key for key in aws_bucket.keys(prefix="") if "Manifest" in key] == []
    assert len([key for key in aws_bucket.keys(prefix="") if "-00001" in key]) == 4


def test_a_smaller_overwrite_empties_the_chunks_it_no_longer_needs(
    aws_bucket: FolderBucket,
) -> None:
    delivery.deliver_cur2(aws_bucket, "", "cur", "2026-10", ROWS, files=2)
    made = delivery.deliver_cur2(aws_bucket, "", "cur", "2026-10", ROWS[:1])
    assert made.emptied == ["cur/data/BILLING_PERIOD=2026-10/cur-00002.snappy.parquet"]
    assert parquet(aws_bucket, made.emptied[0]).num_rows == 0
    assert made.manifest is not None
    assert json.loads(aws_bucket.read(made.manifest))["dataFiles"] == [
        "s3://example-billing/cur/data/BILLING_PERIOD=2026-10/cur-00001.snappy.parquet"
    ]


def test_a_month_without_rows_still_has_a_file_with_aws_columns(aws_bucket: FolderBucket) -> None:
    made = delivery.deliver_cur2(aws_bucket, "", "cur", "2026-10", [])
    assert parquet(aws_bucket, made.files[0]).column_names == list(cur_columns.CUR2_COLUMNS)


def test_a_test_can_choose_columns_and_odd_types(aws_bucket: FolderBucket) -> None:
    odd = {
        "line_item_unblended_cost": pa.decimal128(20, 10),
        "line_item_product_code": pa.dictionary(pa.int32(), pa.string()),
        "identity_line_item_id": pa.large_string(),
    }
    rows = [{**row, "line_item_unblended_cost": 2} for row in ROWS]
    made = delivery.deliver_cur2(
        aws_bucket, "", "cur", "2026-10", rows, columns=list(odd), types=odd
    )
    schema = parquet(aws_bucket, made.files[0]).schema
    assert {field.name: field.type for field in schema} == odd


def test_cur2_tag_keys_can_be_spelled_as_aws_does(aws_bucket: FolderBucket) -> None:
    made = delivery.deliver_cur2(aws_bucket, "", "cur", "2026-10", ROWS, tag_keys="snake_case")
    assert parquet(aws_bucket, made.files[0])["resource_tags"].to_pylist() == [
        [("user_cost_center", "CC-1"), ("user_a_b", "dash")],
        [("user_a_b", "only"), ("aws_created_by", "Root")],
    ]


LEGACY_HEADER = [
    "identity/LineItemId",
    "bill/BillingPeriodStartDate",
    "lineItem/LineItemType",
    "lineItem/UsageStartDate",
    "lineItem/ProductCode",
    "lineItem/UnblendedRate",
    "lineItem/UnblendedCost",
    "product/instanceType",
    "product/ProductName",
    "savingsPlan/SavingsPlanARN",
    "discount/EdpDiscount",
    "costCategory/Unit",
    "resourceTags/aws:createdBy",
    "resourceTags/user:Cost Center",
    "resourceTags/user:a-b",
    "resourceTags/user:a_b",
]


def test_a_legacy_csv_report_lies_where_aws_puts_it(aws_bucket: FolderBucket) -> None:
    made = delivery.deliver_legacy_csv(
        aws_bucket, "p", "cur", "2026-10", ROWS, files=2, assembly_id="20261005T061233Z"
    )
    folder = "p/cur/20261001-20261101"
    files = [f"{folder}/cur-00001.csv.gz", f"{folder}/cur-00002.csv.gz"]
    assert aws_bucket.keys() == [*files, f"{folder}/cur-Manifest.json"]
    assert made.manifest == f"{folder}/cur-Manifest.json"
    manifest = json.loads(aws_bucket.read(made.manifest))
    columns = manifest.pop("columns")
    assert [f"{column['category']}/{column['name']}" for column in columns] == LEGACY_HEADER
    assert columns[6] == {
        "category": "lineItem",
        "name": "UnblendedCost",
        "type": "OptionalBigDecimal",
    }
    assert len(manifest.pop("reportId")) == 64
    assert manifest == {
        "assemblyId": "20261005T061233Z",
        "account": "999988887777",
        "charset": "UTF-8",
        "compression": "GZIP",
        "contentType": "text/csv",
        "reportName": "cur",
        "billingPeriod": {"start": "20261001T000000.000Z", "end": "20261101T000000.000Z"},
        "bucket": "example-billing",
        "reportKeys": files,
        "additionalArtifactKeys": [],
    }


def test_a_kept_legacy_csv_report_has_its_manifest_in_both_folders(
    aws_bucket: FolderBucket,
) -> None:
    delivery.deliver_legacy_csv(
        aws_bucket, "", "cur", "2026-12", ROWS, mode="create", assembly_id="run"
    )
    folder = "cur/20261201-20270101"
    assert aws_bucket.keys() == [
        f"{folder}/cur-Manifest.json",
        f"{folder}/run/cur-00001.csv.gz",
        f"{folder}/run/cur-Manifest.json",
    ]
    top, inner = (aws_bucket.read(f"{folder}/{at}cur-Manifest.json") for at in ("", "run/"))
    assert top == inner
    assert json.loads(top)["reportKeys"] == [f"{folder}/run/cur-00001.csv.gz"]


def test_a_legacy_csv_is_written_as_aws_prints_it(aws_bucket: FolderBucket) -> None:
    made = delivery.deliver_legacy_csv(aws_bucket, "", "cur", "2026-10", ROWS)
    assert gzip.decompress(aws_bucket.read(made.files[0])).decode().splitlines() == [
        ",".join(LEGACY_HEADER),
        (
            "a,2026-10-01T00:00:00Z,Usage,2026-10-02T00:00:00Z,AmazonEC2,0.0625000000,1.5,"
            "t3.large,Amazon Elastic Compute Cloud,,-0.09,shop,,CC-1,dash,under"
        ),
        "b,,Usage,,,,0.00000004,,,arn:sp,,,Root,,,only",
    ]


def test_a_legacy_parquet_report_lies_where_athena_reads_it(aws_bucket: FolderBucket) -> None:
    made = delivery.deliver_legacy_parquet(
        aws_bucket, "p", "cur", "2026-09", ROWS, assembly_id="run"
    )
    data = "p/cur/cur/year=2026/month=9"
    assert aws_bucket.keys() == [
        "p/cur/20260901-20261001/cur-Manifest.json",
        "p/cur/20260901-20261001/cur-create-table.sql",
        "p/cur/cost_and_usage_data_status/cost_and_usage_data_status.parquet",
        f"{data}/cur-00001.snappy.parquet",
        f"{data}/cur-Manifest.json",
    ]
    assert made.manifest == "p/cur/20260901-20261001/cur-Manifest.json"
    manifest = json.loads(aws_bucket.read(made.manifest))
    assert manifest["reportKeys"] == [f"{data}/cur-00001.snappy.parquet"]
    assert (manifest["compression"], manifest["contentType"]) == ("Parquet", "Parquet")
    assert manifest["columns"][0] == {
        "category": "identity",
        "name": "identity_line_item_id",
        "type": "STRING",
    }


def test_legacy_parquet_has_flat_names_merged_tags_and_int96_times(
    aws_bucket: FolderBucket,
) -> None:
    made = delivery.deliver_legacy_parquet(aws_bucket, "", "cur", "2026-10", ROWS)
    table = parquet(aws_bucket, made.files[0])
    assert table.column_names == [
        "identity_line_item_id",
        "bill_billing_period_start_date",
        "line_item_line_item_type",
        "line_item_usage_start_date",
        "line_item_product_code",
        "line_item_unblended_rate",
        "line_item_unblended_cost",
        "product_instance_type",
        "product_product_name",
        "savings_plan_savings_plan_a_r_n",
        "discount_edp_discount",
        "cost_category_unit",
        "resource_tags_aws_created_by",
        "resource_tags_user_cost_center",
        "resource_tags_user_a_b",
    ]
    assert table["resource_tags_user_a_b"].to_pylist() == ["dash", "only"]
    assert table["savings_plan_savings_plan_a_r_n"].to_pylist() == ["", "arn:sp"]
    assert table["line_item_unblended_cost"].to_pylist() == [1.5, 4e-08]
    assert str(table.schema.field("line_item_usage_start_date").type) == "timestamp[ns]"


def test_every_cur2_column_comes_back_from_its_legacy_header() -> None:
    scalars = cur_columns.CUR2_COLUMNS[:-4]
    headers = [cur_columns.legacy_header(name) for name in scalars]
    assert [cur_columns.athena_name(header) for header in headers] == list(scalars)
    sample = ["lineItem/UnblendedCost", "savingsPlan/SavingsPlanARN", "pricing/publicOnDemandCost"]
    assert [header for header in sample if header not in headers] == []


@pytest.mark.parametrize(("version", "columns"), [("1.0", 48), ("1.2", 60)])
def test_a_focus_export_lies_where_aws_puts_it(
    aws_bucket: FolderBucket, version: focus.Version, columns: int
) -> None:
    made = delivery.deliver_focus(
        aws_bucket, "p", "focus", "2026-10", ROWS, version=version, execution_id=RUN
    )
    assert aws_bucket.keys() == [
        "p/focus/data/billing_period=2026-10/focus-00001.snappy.parquet",
        "p/focus/metadata/billing_period=2026-10/focus-Manifest.json",
    ]
    table = parquet(aws_bucket, made.files[0])
    assert table.num_columns == columns
    assert table.column_names[:3] == ["AvailabilityZone", "BilledCost", "BillingAccountId"]
    assert table.column_names[-1] == ("x_UsageType" if version == "1.0" else "x_ServiceCode")
    assert table["BilledCost"].to_pylist() == [1.5, 4e-08]
    assert table["ChargeClass"].null_count == 2
    assert table["Tags"].to_pylist()[1] == [("a_b", "only"), ("aws:createdBy", "Root")]


def test_a_focus_csv_leaves_nulls_empty_and_maps_as_json(aws_bucket: FolderBucket) -> None:
    made = delivery.deliver_focus(
        aws_bucket, "", "focus", "2026-10", ROWS, file_format="csv", partition="BILLING_PERIOD"
    )
    assert made.files == ["focus/data/BILLING_PERIOD=2026-10/focus-00001.csv.gz"]
    first, second = csv_rows(aws_bucket.read(made.files[0]))
    assert first["ChargePeriodStart"] == "2026-10-02T00:00:00Z"
    assert (first["ChargeClass"], first["BilledCost"]) == ("", "1.5")
    assert json.loads(second["Tags"]) == {"a_b": "only", "aws:createdBy": "Root"}


def test_s3_gets_the_same_bytes_as_a_folder(s3: S3Bucket, aws_bucket: FolderBucket) -> None:
    aws_bucket.bucket = s3.bucket
    for target in (s3.target, aws_bucket):
        delivery.deliver_cur2(target, "p", "cur", "2026-07", ROWS, files=2)
    assert s3.target.keys() == aws_bucket.keys()
    for key in aws_bucket.keys(prefix=""):
        body = s3.client.get_object(Bucket=s3.bucket, Key=key)["Body"].read()
        assert body == aws_bucket.read(key), key

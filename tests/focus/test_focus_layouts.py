"""Azure's, OCI's, Databricks' and Google's deliveries: which count, whether they are whole."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.sandbox.aws.delivery import deliver_focus
from scripts.sandbox.aws.targets import FolderTarget
from scripts.sandbox.focus import rows as made
from scripts.sandbox.focus.deliveries import azure, databricks, encoded, generic, oci
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines
from tests.support.providers.stripe_ledgers import mart

PERIOD = "x_partition, count(*), round(sum(billed_cost), 6)"
AT = datetime(2026, 11, 2, 5, tzinfo=UTC)
SECOND = "9b8a7c6d-0000-4000-8000-000000000002"


@pytest.fixture
def bucket(tmp_path: Path, commands: Commands) -> FolderTarget:
    """The folder that the only export lies in."""
    target = FolderTarget(tmp_path / "bucket")
    commands.set({"SOURCES__FOCUS__BUCKET_URL": target.root.as_uri()})
    return target


def loaded(commands: Commands) -> list[tuple[Any, ...]]:
    """What a run of both commands publishes."""
    commands.well("load focus", "normalize focus")
    return mart(commands, "costs", PERIOD, "group by 1 order by 1")


def of(kind: Any, month: str, *costs: float) -> list[dict[str, Any]]:
    """A day of usage per cost."""
    return [kind(month, day, cost) for day, cost in enumerate(costs, 1)]


# Azure.


@pytest.mark.quick("gz")
@pytest.mark.parametrize("extension", ["csv", "csv.gz", "parquet"])
def test_azures_newest_complete_run_counts(
    commands: Commands, bucket: FolderTarget, extension: str
) -> None:
    first = of(made.azure, "2026-10", 1.0, 2.0, 4.0)
    azure(bucket, "2026-09", of(made.azure, "2026-09", 0.5), extension=extension, at=AT)
    azure(bucket, "2026-10", first, parts=2, extension=extension, at=AT)
    assert loaded(commands) == [("2026-09@main", 1, 0.5), ("2026-10@main", 3, 7.0)]
    later = AT + timedelta(days=1)
    keys = azure(bucket, "2026-10", of(made.azure, "2026-10", 8.0), run=SECOND,
                 extension=extension, is_complete=False, at=later)  # fmt: skip
    assert loaded(commands) == [("2026-09@main", 1, 0.5), ("2026-10@main", 3, 7.0)]
    azure(bucket, "2026-10", of(made.azure, "2026-10", 8.0), run=SECOND, extension=extension,
          at=later)  # fmt: skip
    assert loaded(commands) == [("2026-09@main", 1, 0.5), ("2026-10@main", 1, 8.0)]
    assert len(keys) == 1


def test_an_overwritten_run_of_azures_replaces_the_one_before(
    commands: Commands, bucket: FolderTarget
) -> None:
    azure(bucket, "2026-10", of(made.azure, "2026-10", 1.0, 2.0), parts=2, at=AT)
    assert loaded(commands) == [("2026-10@main", 2, 3.0)]
    shutil.rmtree(bucket.root / "exports")
    azure(bucket, "2026-10", of(made.azure, "2026-10", 4.0), run=SECOND, at=AT)
    assert loaded(commands) == [("2026-10@main", 1, 4.0)]


@pytest.mark.thorough
def test_azures_runs_without_any_manifest_are_read_by_the_listing(
    commands: Commands, bucket: FolderTarget
) -> None:
    azure(bucket, "2026-10", of(made.azure, "2026-10", 1.0), is_complete=False, at=AT)
    later = AT + timedelta(days=1)
    azure(bucket, "2026-10", of(made.azure, "2026-10", 2.0), run=f"202611030500/{SECOND}",
          is_complete=False, at=later)  # fmt: skip
    assert loaded(commands) == [("2026-10@main", 1, 2.0)]


@pytest.mark.thorough
def test_azures_part_of_a_month_does_not_replace_the_whole_one(
    commands: Commands, bucket: FolderTarget
) -> None:
    azure(bucket, "2026-10", of(made.azure, "2026-10", 1.0, 2.0), at=AT)
    for key in azure(bucket, "2026-10", of(made.azure, "2026-10", 1.0), run=SECOND,
                     at=AT + timedelta(days=1)):  # fmt: skip
        moved = bucket.root / key.replace("20261001-20261031", "20261001-20261007")
        moved.parent.mkdir(parents=True, exist_ok=True)
        (bucket.root / key).rename(moved)
    assert loaded(commands) == [("2026-10@main", 2, 3.0)]


@pytest.mark.quick("missing", "rows")
@pytest.mark.parametrize("case", ["missing", "size", "rows", "json", "list"])
def test_a_run_of_azures_that_is_not_whole_is_refused_by_name(
    commands: Commands, bucket: FolderTarget, case: str
) -> None:
    *parts, manifest = azure(bucket, "2026-10", of(made.azure, "2026-10", 1.0, 2.0), parts=2,
                             extension="csv", at=AT)  # fmt: skip
    document = json.loads((bucket.root / manifest).read_text())
    match case:
        case "missing":
            (bucket.root / parts[1]).unlink()
            expected = "lists part_1_0001.csv, which is not beside it"
        case "size":
            document["blobs"][0]["byteCount"] += 1
            expected = "part_0_0001.csv has"
        case "rows":
            document["blobs"][0]["dataRowCount"] = 3
            expected = "has 1 rows, and its manifest says 3"
        case "json":
            document = None
            expected = "is not a manifest: it is not JSON"
        case _:
            document = {"blobs": "none"}
            expected = "is not a manifest: it lists no blobs"
    body = b"not json" if document is None else json.dumps(document).encode()
    bucket.put(manifest, body, AT)
    ran = commands("load", "focus")
    assert (ran.status, ran.out) == (1, "focus: 0 loaded, 0 unchanged, 1 failed\n")
    assert expected in ran.err


def test_an_older_run_serves_while_azures_newest_is_not_whole(
    commands: Commands, bucket: FolderTarget
) -> None:
    azure(bucket, "2026-10", of(made.azure, "2026-10", 1.0), at=AT)
    keys = azure(bucket, "2026-10", of(made.azure, "2026-10", 2.0), run=SECOND,
                 at=AT + timedelta(days=1))  # fmt: skip
    (bucket.root / keys[0]).unlink()
    assert loaded(commands) == [("2026-10@main", 1, 1.0)]


@pytest.mark.thorough
def test_a_month_of_azures_without_cost_is_published_empty(
    commands: Commands, bucket: FolderTarget
) -> None:
    *parts, manifest = azure(bucket, "2026-10", of(made.azure, "2026-10", 1.0), at=AT)
    document = json.loads((bucket.root / manifest).read_text())
    bucket.put(manifest, json.dumps(document | {"blobs": []}).encode(), AT)
    assert loaded(commands) == []
    assert len(parts) == 1


# OCI.


@pytest.mark.thorough
def test_ocis_files_add_up_to_their_month(commands: Commands, bucket: FolderTarget) -> None:
    oci(bucket, "2026-09-30", [made.oci("2026-09", 30, 1.0)])
    oci(bucket, "2026-10-01", [made.oci("2026-09", 30, 0.5)])  # late, of the month before
    oci(bucket, "2026-10-02", [made.oci("2026-10", 1, 2.0)])
    assert loaded(commands) == [("2026-09@main", 1, 1.0), ("2026-10@main", 2, 2.5)]
    oci(bucket, "2026-10-02", [made.oci("2026-10", 2, 4.0)], number=2)
    assert loaded(commands) == [("2026-09@main", 1, 1.0), ("2026-10@main", 3, 6.5)]
    assert mart(commands, "costs", "sum(billed_cost)", "where x_usage_date = '2026-09-30'") == [
        (1.5,)
    ]
    assert commands("check").out.endswith(" 0 failed\n")


def test_a_month_of_ocis_stays_when_its_first_days_expire(
    commands: Commands, bucket: FolderTarget
) -> None:
    keys = [oci(bucket, f"2026-10-{day:02d}", [made.oci("2026-10", day, 1.0)]) for day in (1, 2, 3)]
    assert loaded(commands) == [("2026-10@main", 3, 3.0)]
    (bucket.root / keys[0]).unlink()
    assert commands("load", "focus").out == "focus: 0 loaded, 1 unchanged, 0 failed\n"
    assert loaded(commands) == [("2026-10@main", 3, 3.0)]


# Databricks.


def test_only_what_databricks_committed_counts(commands: Commands, bucket: FolderTarget) -> None:
    first = databricks(bucket, "2026-10", of(made.databricks, "2026-10", 1.0, 2.0), transaction=1)
    assert loaded(commands) == [("2026-10@main", 2, 3.0)]
    second = of(made.databricks, "2026-10", 4.0)
    databricks(bucket, "2026-10", second, transaction=2, removes=[first], is_committed=False)
    assert commands("load", "focus").out == "focus: 0 loaded, 1 unchanged, 0 failed\n"
    databricks(bucket, "2026-11", second, transaction=3, is_committed=False)
    assert loaded(commands) == [("2026-10@main", 2, 3.0)]
    databricks(bucket, "2026-10", second, transaction=2, removes=[first])
    assert loaded(commands) == [("2026-10@main", 1, 4.0)]
    columns = "pricing_unit, billing_currency, service_name"
    assert mart(commands, "costs", columns) == [("DBU", "USD", "Jobs Compute")]


def test_a_file_that_was_committed_and_is_missing_is_named(
    commands: Commands, bucket: FolderTarget
) -> None:
    name = databricks(bucket, "2026-10", of(made.databricks, "2026-10", 1.0), transaction=1)
    databricks(bucket, "2026-10", of(made.databricks, "2026-10", 2.0), transaction=2)
    (bucket.root / f"focus/billing_period=2026-10/{name}").unlink()
    ran = commands("load", "focus")
    assert (ran.status, f"{name} was committed and is not in the bucket" in ran.err) == (1, True)


# Google, by files that BigQuery exports from its FOCUS view.


def test_files_of_googles_view_are_read_with_their_tags(
    commands: Commands, bucket: FolderTarget
) -> None:
    generic(bucket, "2026-10", of(made.google, "2026-10", 1.0, 2.0), name="000000000000")
    assert loaded(commands) == [("2026-10@main", 2, 3.0)]
    assert mart(commands, "costs", "distinct tags, tag_team, tag_environment") == [
        ({"team": "web", "Environment": "prod"}, "web", "prod")
    ]


# What is not an export of this source.


def test_several_exports_in_one_place_are_named(commands: Commands, bucket: FolderTarget) -> None:
    for export in ("exports/one", "exports/two"):
        azure(bucket, "2026-10", of(made.azure, "2026-10", 1.0), export=export)
    ran = commands("load", "focus")
    assert (ran.status, "holds 2 exports: exports/one, exports/two." in ran.err) == (2, True)


def test_awss_own_export_belongs_to_the_source_aws(
    commands: Commands, aws_bucket: FolderBucket
) -> None:
    deliver_focus(aws_bucket, "", "focus", "2026-10", lines("2026-10", [1.0]))
    commands.set({"SOURCES__FOCUS__BUCKET_URL": aws_bucket.url})
    ran = commands("load", "focus")
    assert (ran.status, "Load it with the source aws" in ran.err) == (2, True)


def test_a_copy_of_awss_data_alone_belongs_to_the_source_aws_too(
    commands: Commands, bucket: FolderTarget
) -> None:
    bucket.put("cur/data/BILLING_PERIOD=2026-10/run/a.csv", b"BilledCost\n")
    ran = commands("load", "focus")
    assert (ran.status, "Load it with the source aws" in ran.err) == (2, True)


@pytest.mark.parametrize("key", ["_delta_log/00000000000000000000.json",
                                 "metadata/v1.metadata.json"])  # fmt: skip
def test_a_table_whose_replaced_files_still_lie_there_is_refused(
    commands: Commands, bucket: FolderTarget, key: str
) -> None:
    generic(bucket, "2026-10", of(made.databricks, "2026-10", 1.0))
    bucket.put(f"focus/{key}", b"{}")
    ran = commands("load", "focus")
    assert (ran.status, "is a table of Delta or Iceberg" in ran.err) == (2, True)


def test_a_place_without_focus_files_says_what_is_expected(
    commands: Commands, bucket: FolderTarget
) -> None:
    bucket.put("some/rows.csv", encoded(of(made.row, "2026-10", 1.0), "csv"))
    ran = commands("load", "focus")
    assert ran.status == 2
    assert "no FOCUS files found. Expected Azure's" in ran.err
    assert "some/rows.csv names no month" in ran.err


def test_a_layout_may_be_configured(commands: Commands, bucket: FolderTarget) -> None:
    bucket.put("x/2026/10/05/a.csv", encoded(of(made.row, "2026-10", 1.0), "csv"))
    commands.set({"SOURCES__FOCUS__LAYOUT": "oci"})
    assert loaded(commands) == [("2026-10@main", 1, 1.0)]
    commands.set({"SOURCES__FOCUS__LAYOUT": "hive"})
    ran = commands("load", "focus")
    assert (ran.status, "Set it to one of azure, oci, databricks, generic" in ran.err) == (2, True)

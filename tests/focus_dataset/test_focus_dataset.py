"""`focus` on the filesystem: what is written, what is left alone, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.tables.focus_dataset.columns import arrow_dataset, focus_columns
from tests.conftest import ROOT, FolderBucket
from tests.support.commands import Commands, Ran
from tests.support.estate import configured
from tests.support.estate import run as run_well
from tests.support.kill.harness import Harness
from tests.support.kill.points import of_tier
from tests.support.providers.aws_months import deliver
from tests.support.tiers import tier

Facts = dict[str, tuple[int, float]]


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of AWS in `bucket`, published in `data`: each test begins with a copy."""
    folder = tmp_path_factory.mktemp("months")
    (folder / "project" / ".dlt").mkdir(parents=True)
    shutil.copy(ROOT / ".dlt" / "config.toml", folder / "project" / ".dlt")
    deliver(folder / "bucket", "2026-08", [8.0, 0.5])
    deliver(folder / "bucket", "2026-09", [9.0])
    places = {
        "SOURCES__AWS__BUCKET_URL": str(folder / "bucket"),
        "DESTINATION__FILESYSTEM__BUCKET_URL": str(folder / "data"),
        "DLT_DATA_DIR": str(folder / "dlt"),
        "DLT_PROJECT_DIR": str(folder / "project"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    with configured(places):
        run_well("load aws", "normalize aws --no-marts")
    return folder


@pytest.fixture
def bucket(months: Path, aws_bucket: FolderBucket, commands: Commands) -> FolderBucket:
    """The two months."""
    shutil.copytree(months / "bucket", aws_bucket.root, dirs_exist_ok=True)
    shutil.copytree(months / "data", commands.data)
    commands.read_from(aws_bucket.url)
    return aws_bucket


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "focus"


def run(commands: Commands, folder: Path, *options: str) -> Ran:
    return commands("focus", "--to", str(folder), *options)


def facts(folder: Path) -> Facts:
    """By period the rows and what is billed."""
    tables = {
        path.stem: pq.ParquetFile(path).read() for path in folder.glob("cost_and_usage/*.parquet")
    }
    return {
        period: (table.num_rows, sum(table["BilledCost"].to_pylist()))
        for period, table in sorted(tables.items())
    }


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Of every file which it is and when it was written."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def said(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    return read


def test_a_period_is_a_file_in_the_shape_of_the_specification(
    bucket: FolderBucket, commands: Commands, folder: Path
) -> None:
    ran = run(commands, folder, "--check")
    lines = ran.out.splitlines()
    assert (ran.status, lines[:3], lines[-1]) == (
        0,
        [
            "2026-08: 2 rows written",
            "2026-09: 1 rows written",
            f"focus 1.2: 2 periods written, 0 unchanged, 0 removed, in {folder}",
        ],
        "focus 1.2 Cost and Usage: 358 rules, 265 passed, 0 failed, 1 advised, 92 not applicable",
    )
    assert "ChargeDescription-filled" in ran.out
    assert facts(folder) == {"2026-08": (2, 8.5), "2026-09": (1, 9.0)}
    file = pq.ParquetFile(folder / "cost_and_usage" / "2026-09.parquet")
    table = file.read().replace_schema_metadata()
    assert table.schema == arrow_dataset("cost_and_usage", "1.2")
    (row,) = table.to_pylist()
    assert {name: row[name] for name in ("ServiceName", "SkuId", "PricingUnit", "Tags")} == {
        "ServiceName": "AmazonEC2",
        "SkuId": "AmazonEC2",
        "PricingUnit": "Unit",
        "Tags": '{"Environment":"prod"}',
    }
    assert sorted(path.name for path in folder.iterdir()) == [
        ".lock",
        "cost_and_usage",
        "metadata.json",
    ]


def test_metadata_names_schema_columns_and_periods(
    bucket: FolderBucket, commands: Commands, folder: Path
) -> None:
    run(commands, folder)
    metadata = said(folder)
    (schema,) = metadata["Schema"]
    assert metadata["FocusVersion"] == schema["FocusVersion"] == "1.2"
    assert [each["ColumnName"] for each in schema["ColumnDefinition"]] == [
        each.column.name for each in focus_columns("cost_and_usage", "1.2")
    ]
    assert schema["ColumnDefinition"][1] == {
        "ColumnName": "BilledCost",
        "DataType": "DECIMAL",
        "NumericPrecision": 64,
    }
    assert metadata["x_BillingPeriods"] == [
        {"BillingPeriod": "2026-08", "File": "cost_and_usage/2026-08.parquet", "Rows": 2},
        {"BillingPeriod": "2026-09", "File": "cost_and_usage/2026-09.parquet", "Rows": 1},
    ]
    footer = pq.ParquetFile(folder / "cost_and_usage" / "2026-09.parquet").metadata.metadata
    assert json.loads(footer[b"focus"])["SchemaId"] == schema["SchemaId"]


def test_a_run_without_a_change_touches_no_file(
    bucket: FolderBucket, commands: Commands, folder: Path
) -> None:
    run(commands, folder)
    before = states(folder)
    assert len(before) == 3
    ran = run(commands, folder)
    assert ran.out == f"focus 1.2: 0 periods written, 2 unchanged, 0 removed, in {folder}\n"
    assert states(folder) == before


def test_only_a_restated_period_is_written_again(
    bucket: FolderBucket, commands: Commands, folder: Path
) -> None:
    commands.well("load", "normalize")  # a copied file is another one to a load
    run(commands, folder)
    before = states(folder)
    deliver(bucket.root, "2026-08", [7.0], prefix="restated")
    commands.well("load", "normalize")
    ran = run(commands, folder)
    assert ran.out.splitlines()[0] == "2026-08: 1 rows written"
    assert facts(folder) == {"2026-08": (1, 7.0), "2026-09": (1, 9.0)}
    same = {name for name, state in states(folder).items() if before[name] == state}
    assert same == {"cost_and_usage/2026-09.parquet"}


@pytest.mark.thorough
def test_a_period_without_lines_leaves_the_dataset(
    bucket: FolderBucket, commands: Commands, folder: Path
) -> None:
    run(commands, folder)
    deliver(bucket.root, "2026-08", [])
    commands.well("load --accept-shrunk", "normalize")
    ran = run(commands, folder)
    assert "2026-08: removed, which is no longer published\n" in ran.out
    assert list(facts(folder)) == [
        each["BillingPeriod"] for each in said(folder)["x_BillingPeriods"]
    ]
    assert "2026-08" not in facts(folder)


def test_a_damaged_file_is_written_again(
    bucket: FolderBucket, commands: Commands, folder: Path
) -> None:
    run(commands, folder)
    whole = facts(folder)
    (folder / "cost_and_usage" / "2026-08.parquet").write_bytes(b"PAR1 no")
    assert run(commands, folder).out.startswith("2026-08: 2 rows written\n")
    assert facts(folder) == whole


def test_a_dataset_stays_when_nothing_is_published_at_the_destination(
    bucket: FolderBucket, commands: Commands, folder: Path, tmp_path: Path
) -> None:
    run(commands, folder)
    before = states(folder)
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": str(tmp_path / "elsewhere")})
    ran = run(commands, folder)
    assert (ran.status, ran.out) == (1, "")
    assert f"No cost lines are published, and {folder} holds 2 billing periods" in ran.err
    assert states(folder) == before


def test_a_folder_that_is_not_a_dataset_is_left_alone(
    bucket: FolderBucket, commands: Commands, folder: Path
) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    ran = run(commands, folder)
    assert (ran.status, ran.out) == (2, "")
    assert "is not a FOCUS dataset" in ran.err
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_another_version_and_the_published_data_are_refused(
    bucket: FolderBucket, commands: Commands, folder: Path
) -> None:
    run(commands, folder)
    ran = run(commands, folder, "--version", "1.3")
    assert (ran.status, ran.out) == (2, "")
    assert f"{folder} holds a dataset of FOCUS 1.2" in ran.err
    ran = run(commands, commands.data / "focus")
    assert (ran.status, ran.out) == (2, "")
    assert "overlap" in ran.err
    ran = commands("focus", "--to", "s3://bucket/focus")
    assert (ran.status, ran.out) == (2, "")


@pytest.mark.thorough
def test_an_export_that_is_killed_at_any_step_is_made_good_by_the_next(
    bucket: FolderBucket,
    commands: Commands,
    folder: Path,
    harness: Harness,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    undisturbed = tmp_path / "undisturbed"
    command = ("focus", "--to", str(folder))
    run(commands, folder)
    deliver(bucket.root, "2026-08", [7.0], prefix="restated")
    commands.well("load", "normalize")
    folder.rename(undisturbed)

    def back() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(undisturbed, folder)

    back()
    steps = harness.run(*command, environ=os.environ, watched=folder).steps
    wanted, metadata = facts(folder), said(folder)
    assert len(steps) > 5
    every = range(1, len(steps) + 1)
    for number in of_tier(every, tier(pytestconfig), quick=3, thorough=len(steps)):
        back()
        ended = harness.run(*command, environ=os.environ, watched=folder, kill_at=number)
        assert ended.status is None
        assert facts(folder) in (facts(undisturbed), wanted)  # an old period or a new one, whole
        assert run(commands, folder).status == 0
        assert (facts(folder), said(folder)) == (wanted, metadata), steps[number - 1]
        assert not (folder / ".staging").exists()

"""What is refused by name: files cut short, wrong types, no columns; wrong configuration."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scripts.sandbox.aws.targets import FolderTarget
from scripts.sandbox.focus.deliveries import encoded, generic
from scripts.sandbox.focus.rows import row
from tests.conftest import FaultyS3
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import mart

GOOD = [row("2026-10", day, 1.0) for day in range(1, 4)]
KEY = "focus/billing_period=2026-10/rows"


@pytest.fixture
def bucket(tmp_path: Path, commands: Commands) -> FolderTarget:
    """An export whose October is published."""
    target = FolderTarget(tmp_path / "bucket")
    commands.set({"SOURCES__FOCUS__BUCKET_URL": target.root.as_uri()})
    generic(target, "2026-10", GOOD)
    commands.well("load focus", "normalize focus")
    (target.root / f"{KEY}.parquet").unlink()
    return target


def _csv(**changes: Any) -> bytes:
    """A CSV of one row with other words in its cells."""
    return encoded([row("2026-10", 1, 1.0, **changes)], "csv")


BAD: Mapping[str, tuple[str, bytes, str]] = {
    "empty": ("csv", b"", "is empty: not even a header"),
    "not-focus": ("csv", b"a,b\n1,2\n", "is missing billed_cost, billing_currency"),
    "twice": (
        "csv",
        b"BilledCost,billed_cost,BillingCurrency,ChargeCategory,ChargePeriodStart\n",
        "several columns are called billed_cost",
    ),
    "a-word-for-an-amount": ("csv", _csv(BilledCost="dear"), "column BilledCost: "),
    "infinity": ("csv", _csv(EffectiveCost="inf"), "column EffectiveCost: an amount is not"),
    "a-german-date": ("csv", _csv(ChargePeriodStart="01.10.2026"), "column ChargePeriodStart:"),
    "half-a-gzip": ("csv.gz", encoded(GOOD, "csv.gz")[:200], "cannot be read: "),
    "half-a-csv": ("csv", encoded(GOOD, "csv")[:-200], "cannot be read: "),
    "not-a-gzip": ("csv.gz", encoded(GOOD, "csv"), "cannot be read: "),
    "half-a-parquet": ("parquet", encoded(GOOD, "parquet")[:-50], "cannot be read: "),
    "text-for-an-amount": (
        "parquet",
        encoded([row("2026-10", 1, 1.0, BilledCost="1.0")], "parquet"),
        "BilledCost is string, expected a number",
    ),
    "tags-that-are-not-json": (
        "parquet",
        encoded([row("2026-10", 1, 1.0, Tags="{team")], "parquet"),
        "column Tags: '{team' is not a JSON object",
    ),
    "a-tag-list": (
        "parquet",
        encoded([row("2026-10", 1, 1.0, Tags=["a", "b"])], "parquet"),
        "column Tags: a tag without key and value",
    ),
    "latin-1": ("csv", _csv(ResourceName="café").decode().encode("latin-1"), "cannot be read: "),
}


@pytest.mark.quick("half-a-gzip", "text-for", "not-focus")
@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_by_name_and_what_is_published_stays(
    commands: Commands, bucket: FolderTarget, case: str
) -> None:
    extension, body, expected = BAD[case]
    bucket.put(f"{KEY}.{extension}", body)
    generic(bucket, "2026-11", [row("2026-11", 1, 2.0)])
    ran = commands("load", "focus")
    assert (ran.status, ran.out) == (1, "focus: 1 loaded, 0 unchanged, 1 failed\n")
    assert f"focus 2026-10@main: {KEY}.{extension}" in ran.err
    assert expected in ran.err, ran.err
    commands.well("normalize focus")
    columns = "x_partition, sum(billed_cost)"
    assert mart(commands, "costs", columns, "group by 1 order by 1") == [
        ("2026-10@main", 3.0),
        ("2026-11@main", 2.0),
    ]


def test_the_preview_and_another_version_in_one_month_are_refused(
    commands: Commands, bucket: FolderTarget
) -> None:
    from scripts.sandbox.focus.rows import azure_preview

    generic(bucket, "2026-10", GOOD)
    generic(bucket, "2026-10", [azure_preview("2026-10", 4, 1.0)], name="old")
    ran = commands("load", "focus")
    assert (ran.status, "files of FOCUS 1.0-preview and of 1.0 in one period" in ran.err) == (
        1,
        True,
    )


def test_forms_of_a_good_file_are_read(commands: Commands, bucket: FolderTarget) -> None:
    """A byte order mark, names in snake_case, zones, dates, tags as text, words for NULL."""
    lines = (
        "\ufeffbilled_cost,EFFECTIVE_COST,List Cost,ContractedCost,BillingCurrency,ChargeCategory,"
        "ChargePeriodStart,ProviderName,ServiceName,Tags\n"
        '1.5,1.5,1.5,1E0,USD,Usage,2026-10-01 02:00:00+00:00,Acme,"a\nb","{""Team"": 5}"\n'
        "2.5,2.5,2.5,NULL,USD,Usage,2026-10-02 00:00:00 UTC,Acme,NULL,\n"
        '4,4,4,4,USD,Usage,2026-10-03,Acme,"NULL","{""a"": null, ""b"": {""c"": true}}"\n'
    )
    bucket.put(f"{KEY}.csv.gz", gzip.compress(lines.encode()))
    commands.well("load focus", "normalize focus")
    columns = "billed_cost, contracted_cost, charge_period_start, service_name, tags"
    assert mart(commands, "costs", columns, "order by 1") == [
        (1.5, 1.0, datetime(2026, 10, 1, 2, tzinfo=UTC), "a\nb", {"Team": "5"}),
        (2.5, None, datetime(2026, 10, 2, tzinfo=UTC), None, {}),
        (4.0, 4.0, datetime(2026, 10, 3, tzinfo=UTC), None, {"b": '{"c": true}'}),
    ]


WRONG = [
    ({"SOURCES__FOCUS__BUCKET_URL": "ftp://host/x"}, "is 'ftp://host/x'. Set it to s3://"),
    ({"SOURCES__FOCUS__EXPORTS": '["Azure"]'}, "'Azure' cannot be a name"),
    ({"SOURCES__FOCUS__EXPORTS": '["credentials"]'}, "'credentials' cannot be a name"),
    ({"SOURCES__FOCUS__EXPORTS": '["a", "a"]'}, "names an export twice"),
    ({"SOURCES__FOCUS__EXPORTS": '["a", "b"]'}, "its cost would be counted twice"),
    (
        {
            "SOURCES__FOCUS__EXPORTS": '["a", "b"]',
            "SOURCES__FOCUS__A__BUCKET_URL": "file:///x/",
            "SOURCES__FOCUS__B__BUCKET_URL": "file:///x/y",
        },
        "Set SOURCES__FOCUS__B__BUCKET_URL to the folder of b",
    ),
    ({"SOURCES__FOCUS__SETTLE_MINUTES": "-1"}, "settle_minutes must be 0 or more"),
]


@pytest.mark.parametrize(("variables", "expected"), WRONG)
def test_a_wrong_configuration_says_how_to_mend_it(
    commands: Commands, variables: dict[str, str], expected: str
) -> None:
    commands.set({"SOURCES__FOCUS__BUCKET_URL": "file:///x"} | variables)
    ran = commands("load", "focus")
    assert (ran.status, expected in ran.err) == (2, True), ran.err


def test_the_right_to_list_is_not_the_right_to_read(
    commands: Commands, faulty_s3: FaultyS3
) -> None:
    place = {"SOURCES__FOCUS__BUCKET_URL": f"{faulty_s3.url}/focus"}
    commands.set(faulty_s3.dlt_environ("SOURCES__FOCUS") | place)
    generic(faulty_s3.target, "2026-10", GOOD)
    good = commands("doctor", "focus").out
    assert "ok   source focus main: an object read: billing_period=2026-10/" in good
    faulty_s3.proxy.fail(kinds="GET")
    refused = commands("doctor", "focus")
    (line,) = (line for line in refused.out.splitlines() if line.startswith("BAD"))
    assert "access denied" in line
    assert refused.status == 1


def test_a_bucket_that_refuses_says_which_right_is_missing(
    commands: Commands, faulty_s3: FaultyS3
) -> None:
    faulty_s3.proxy.fail()
    commands.set(
        faulty_s3.dlt_environ("SOURCES__FOCUS") | {"SOURCES__FOCUS__BUCKET_URL": faulty_s3.url}
    )
    ran = commands("load", "focus")
    assert ran.status != 0
    assert "access denied. The key needs s3:ListBucket" in ran.err
    doctor = commands("doctor")
    assert "BAD  source focus main: " in doctor.out
    assert "test-secret" not in "".join(commands.printed)

"""Which exports and periods a listing shows, which delivery of a period counts, and its files."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.buckets.folder import FolderBucket as Folder
from pipelines.buckets.objects import Object
from pipelines.buckets.s3 import S3Bucket
from pipelines.core.partition import ConfigurationError, Partition
from pipelines.providers.aws.deliveries import NotWhole, emptied, files_of, incomplete, plan
from pipelines.providers.aws.exports import choose, recognise
from scripts.sandbox.aws.delivery import (
    deliver_cur2,
    deliver_focus,
    deliver_legacy_csv,
    deliver_legacy_parquet,
)
from tests.conftest import FolderBucket
from tests.conftest import S3Bucket as MotoBucket
from tests.support.providers.aws_months import lines

NOON = datetime(2026, 10, 2, 12, tzinfo=UTC)
ROWS = lines("2026-10", [1.0, 2.0, 3.0])
URL = "s3://example-billing/exports"


def listed(*keys: str, at: datetime = NOON) -> list[Object]:
    """Objects of one byte, each a minute younger than the one before."""
    return [
        Object(key, f"etag-{number}", 1, at + timedelta(minutes=number))
        for number, key in enumerate(keys)
    ]


def seen(objects: list[Object]) -> dict[str, tuple[str, dict[str, list[str]]]]:
    """Per export its kind and the data keys of each period."""
    return {
        name: (export.kind, {p.key: [o.key for o in p.detail.data] for p in plan(export)})
        for name, export in recognise(objects).items()
    }


def planned(bucket: FolderBucket) -> list[Partition]:
    """The plan of the only export in a folder."""
    return plan(choose(recognise(Folder(bucket.url, "SOURCES__AWS").list()), None, bucket.url))


def files(bucket: FolderBucket, period: str = "2026-10") -> list[str]:
    """The keys that would be read for a period."""
    partition = next(p for p in planned(bucket) if p.key == period)
    return [item.key for item in files_of(Folder(bucket.url, "SOURCES__AWS"), partition)[1]]


def test_a_cur2_export_that_overwrites_is_recognised() -> None:
    objects = listed(
        "exports/daily/data/BILLING_PERIOD=2026-09/daily-00001.snappy.parquet",
        "exports/daily/data/BILLING_PERIOD=2026-10/daily-00001.snappy.parquet",
        "exports/daily/data/BILLING_PERIOD=2026-10/daily-00002.snappy.parquet",
        "exports/daily/metadata/BILLING_PERIOD=2026-09/daily-Manifest.json",
        "exports/daily/metadata/BILLING_PERIOD=2026-10/daily-Manifest.json",
    )
    september, october = "BILLING_PERIOD=2026-09", "BILLING_PERIOD=2026-10"
    assert seen(objects) == {
        "exports/daily": (
            "data export",
            {
                "2026-09": [f"exports/daily/data/{september}/daily-00001.snappy.parquet"],
                "2026-10": [
                    f"exports/daily/data/{october}/daily-00001.snappy.parquet",
                    f"exports/daily/data/{october}/daily-00002.snappy.parquet",
                ],
            },
        )
    }


def test_a_focus_export_spells_its_partition_in_lower_case() -> None:
    objects = listed(
        "focus/data/billing_period=2026-10/focus-00001.csv.gz",
        "focus/metadata/billing_period=2026-10/focus-Manifest.json",
    )
    assert seen(objects) == {
        "focus": (
            "data export",
            {"2026-10": ["focus/data/billing_period=2026-10/focus-00001.csv.gz"]},
        )
    }


@pytest.mark.parametrize("month", ["month=1", "month=01"])
def test_legacy_parquet_knows_january_from_november(month: str) -> None:
    objects = listed(
        f"cur/cur/year=2026/{month}/cur-00001.snappy.parquet",
        "cur/cur/year=2026/month=11/cur-00001.snappy.parquet",
        "cur/20260101-20260201/cur-Manifest.json",
        "cur/20261101-20261201/cur-Manifest.json",
        "cur/20261101-20261201/cur-create-table.sql",
        "cur/cost_and_usage_data_status/cost_and_usage_data_status.parquet",
    )
    assert seen(objects) == {
        "cur": (
            "legacy parquet",
            {
                "2026-01": [f"cur/cur/year=2026/{month}/cur-00001.snappy.parquet"],
                "2026-11": ["cur/cur/year=2026/month=11/cur-00001.snappy.parquet"],
            },
        )
    }


def test_legacy_csv_reads_the_assembly_of_the_newest_manifest() -> None:
    objects = listed(
        "cur/20261001-20261101/20261003T061500Z/cur-00001.csv.gz",
        "cur/20261001-20261101/20261003T061500Z/cur-Manifest.json",
        "cur/20261001-20261101/20261004T061500Z/cur-00001.csv.gz",
        "cur/20261001-20261101/20261004T061500Z/cur-Manifest.json",
        "cur/20261001-20261101/cur-Manifest.json",
    )
    assert seen(objects) == {
        "cur": (
            "legacy csv",
            {"2026-10": ["cur/20261001-20261101/20261004T061500Z/cur-00001.csv.gz"]},
        )
    }


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("prefix", ["billing", "billing/deep er", "data", "20261001-20261101"])
def test_a_prefix_may_be_any_folder_with_or_without_a_slash(
    aws_bucket: FolderBucket, prefix: str, slash: str
) -> None:
    deliver_cur2(aws_bucket, prefix, "my export (1)", "2026-10", ROWS)
    bucket = Folder(aws_bucket.url + slash, "SOURCES__AWS")
    assert list(recognise(bucket.list())) == [f"{prefix}/my export (1)"]
    assert [len(files_of(bucket, p)[1]) for p in planned(aws_bucket)] == [1]


Deliver = Callable[..., Any]
FORMS: dict[str, Deliver] = {
    "cur2": deliver_cur2,
    "focus": deliver_focus,
    "legacy-csv": deliver_legacy_csv,
    "legacy-parquet": deliver_legacy_parquet,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_url_may_be_the_export_s_own_folder(aws_bucket: FolderBucket, form: str) -> None:
    FORMS[form](aws_bucket, "billing", "costs", "2026-10", ROWS, files=2)
    bucket = Folder(aws_bucket.path("billing/costs").as_uri(), "SOURCES__AWS")
    (export,) = recognise(bucket.list()).values()
    assert (export.has_manifests, incomplete(export)) == (True, [])
    (partition,) = plan(export)
    source, objects = files_of(bucket, partition)
    assert source.manifest
    assert [o.key.rsplit("/", 1)[-1].split(".")[0] for o in objects] == [
        "costs-00001",
        "costs-00002",
    ]


def test_an_export_that_the_url_is_can_be_named_all_the_same() -> None:
    objects = listed("data/BILLING_PERIOD=2026-10/daily-00001.snappy.parquet")
    assert choose(recognise(objects), "daily", "s3://b/exports/daily/").name == ""
    with pytest.raises(
        ConfigurationError, match=r"no export is called 'other'\. .*one of: daily\."
    ):
        choose(recognise(objects), "other", "s3://b/exports/daily/")


def test_an_empty_prefix_says_what_was_expected_and_what_to_check() -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose(recognise(listed("readme.txt", "logs/2026/10/x.parquet")), None, URL)
    assert str(caught.value) == (
        f"{URL}: no AWS export found. Expected <export>/data/BILLING_PERIOD=YYYY-MM/… (CUR 2.0 or "
        "FOCUS as parquet or csv.gz) or a Cost and Usage Report as parquet or .csv.gz. Check the "
        "prefix in SOURCES__AWS__BUCKET_URL; a new export needs up to 24 hours for its first "
        "delivery."
    )


def two_exports() -> list[Object]:
    return listed(
        "a/daily/data/BILLING_PERIOD=2026-10/daily-00001.snappy.parquet",
        "b/focus/data/billing_period=2026-10/focus-00001.csv.gz",
    )


def test_two_exports_in_one_bucket_have_to_be_told_apart() -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose(recognise(two_exports()), None, URL)
    assert str(caught.value) == (
        f"{URL} holds 2 exports: a/daily, b/focus. Two of one payer would count the same cost "
        "twice: name one in SOURCES__AWS__EXPORT, or of each payer account one, as "
        '["one","another"].'
    )


@pytest.mark.parametrize("wanted", ["focus", "b/focus", "/b/focus/"])
def test_an_export_is_chosen_by_its_name_or_path(wanted: str) -> None:
    assert choose(recognise(two_exports()), wanted, URL).name == "b/focus"


def test_a_name_that_two_exports_have_needs_the_path() -> None:
    objects = listed(
        "daily/data/BILLING_PERIOD=2026-10/daily-00001.snappy.parquet",
        "a/daily/data/BILLING_PERIOD=2026-10/daily-00001.snappy.parquet",
        "b/daily/data/BILLING_PERIOD=2026-10/daily-00001.snappy.parquet",
    )
    without_exact = {name: e for name, e in recognise(objects).items() if name != "daily"}
    with pytest.raises(ConfigurationError, match="several exports are called 'daily'"):
        choose(without_exact, "daily", URL)
    assert choose(recognise(objects), "daily", URL).name == "daily"


def test_a_name_that_no_export_has_lists_the_names() -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose(recognise(two_exports()), "weekly", URL)
    assert str(caught.value) == (
        f"{URL}: no export is called 'weekly'. "
        "Set SOURCES__AWS__EXPORT to one of: a/daily, b/focus."
    )


MONTH = (
    "x/data/BILLING_PERIOD=2026-10/x-00001.snappy.parquet",
    "x/data/BILLING_PERIOD=2026-10/x-00002.snappy.parquet",
    "x/metadata/BILLING_PERIOD=2026-10/x-Manifest.json",
)


def mark(objects: list[Object]) -> str:
    (partition,) = plan(recognise(objects)["x"])
    return partition.fingerprint


def test_the_fingerprint_does_not_depend_on_the_order_or_time_of_a_listing() -> None:
    objects = listed(*MONTH)
    later = [Object(o.key, o.etag, o.size, o.modified + timedelta(days=1)) for o in objects]
    assert mark(objects) == mark(objects[::-1]) == mark(later)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("what", ["etag", "size"])
def test_the_fingerprint_changes_with_each_file_s_and_the_manifest_s(
    what: str, number: int
) -> None:
    objects = listed(*MONTH)
    old = objects[number]
    changed = objects.copy()
    changed[number] = Object(
        old.key,
        "other" if what == "etag" else old.etag,
        2 if what == "size" else old.size,
        old.modified,
    )
    assert mark(changed) != mark(objects)


def test_the_fingerprint_changes_when_a_file_comes_or_goes() -> None:
    more = listed(*MONTH, "x/data/BILLING_PERIOD=2026-10/x-00003.snappy.parquet")
    assert len({mark(more), mark(listed(*MONTH)), mark(listed(*MONTH)[1:])}) == 3


def test_a_plan_tells_files_bytes_and_when_the_manifest_came() -> None:
    (partition,) = plan(recognise(listed(*MONTH))["x"])
    assert (partition.key, partition.files, partition.bytes, partition.delivered_at) == (
        "2026-10",
        2,
        2,
        NOON + timedelta(minutes=2),
    )


def test_a_period_without_manifest_waits_while_others_have_one() -> None:
    objects = listed(*MONTH, "x/data/BILLING_PERIOD=2026-11/x-00001.snappy.parquet")
    export = recognise(objects)["x"]
    assert ([p.key for p in plan(export)], incomplete(export)) == (["2026-10"], ["2026-11"])


def test_a_month_older_than_the_newest_manifest_is_not_still_being_delivered() -> None:
    objects = listed(
        "x/data/BILLING_PERIOD=2026-08/x-00001.snappy.parquet",
        "x/data/BILLING_PERIOD=2026-09/2026-10-01T00:00:00.000Z-a/x-00001.snappy.parquet",
        *MONTH,
    )
    export = recognise(objects)["x"]
    assert [p.key for p in plan(export)] == ["2026-08", "2026-09", "2026-10"]
    assert incomplete(export) == []


@pytest.mark.parametrize(("hours", "waits"), [(1, True), (25, False)])
def test_a_newer_month_whose_files_are_a_day_older_than_a_manifest_was_copied_in(
    hours: int, waits: bool
) -> None:
    (copied,) = listed("x/data/BILLING_PERIOD=2026-11/x-00001.snappy.parquet")
    export = recognise([copied, *listed(*MONTH, at=NOON + timedelta(hours=hours))])["x"]
    assert incomplete(export) == ["2026-11"] * waits
    assert [p.key for p in plan(export)] == ["2026-10"] + ["2026-11"] * (not waits)


@pytest.mark.parametrize("artefact", ["Redshift", "QuickSight"])
@pytest.mark.parametrize("folder", ["", "20261003T061500Z/"])
def test_the_manifest_of_an_artefact_is_not_the_report_s(artefact: str, folder: str) -> None:
    objects = listed(
        f"cur/20261001-20261101/{folder}cur-00001.csv.gz",
        f"cur/20261001-20261101/{folder}cur-Manifest.json",
        "cur/20261001-20261101/cur-Manifest.json",
        f"cur/20261001-20261101/{folder}cur-{artefact}Manifest.json",
        f"cur/20261001-20261101/{folder}cur-RedshiftCommands.sql",
    )
    (period,) = recognise(objects)["cur"].periods.values()
    assert {item.key.rsplit("/", 1)[-1] for item in period.manifests.values()} == {
        "cur-Manifest.json"
    }


def test_a_report_may_be_called_like_an_artefact() -> None:
    objects = listed(
        "QuickSight/20261001-20261101/QuickSight-00001.csv.gz",
        "QuickSight/20261001-20261101/QuickSight-Manifest.json",
    )
    assert recognise(objects)["QuickSight"].has_manifests


def test_the_first_period_of_an_account_begins_on_its_first_day() -> None:
    objects = listed(
        "cur/20261015-20261101/cur-00001.csv.gz",
        "cur/20261015-20261101/cur-Manifest.json",
        "cur/20261101-20261201/cur-00001.csv.gz",
        "cur/20261101-20261201/cur-Manifest.json",
        "cur/20261315-20261401/cur-00001.csv.gz",
    )
    assert [p.key for p in plan(recognise(objects)["cur"])] == ["2026-10", "2026-11"]


def test_an_execution_without_files_counts_only_when_it_is_accepted() -> None:
    empty = "x/metadata/BILLING_PERIOD=2026-10/2026-10-02T01:00:00.000Z-b/x-Manifest.json"
    export = recognise(listed(*run(1), empty))["x"]
    (kept,), (accepted,) = plan(export), plan(export, accept_empty=True)
    newer = emptied(kept)
    assert newer
    assert (kept.files, newer.key) == (1, empty)
    assert (accepted.files, emptied(accepted)) == (0, None)
    (before,) = plan(recognise(listed(*run(1)))["x"])
    assert kept.fingerprint == before.fingerprint


def run(number: int, *, manifest: bool = True, export: str = "x") -> list[str]:
    folder = f"BILLING_PERIOD=2026-10/2026-10-0{number}T06:15:00.000Z-execution-{number}"
    keys = [f"{export}/data/{folder}/{export}-00001.snappy.parquet"]
    return keys + [f"{export}/metadata/{folder}/{export}-Manifest.json"] * manifest


def chosen_run(objects: list[Object]) -> str:
    (partition,) = plan(recognise(objects)["x"])
    return str(partition.detail.data[0].key.split("/")[3])


def test_of_several_executions_the_newest_counts_whatever_the_time_of_its_copy() -> None:
    assert chosen_run(listed(*run(3), *run(1), *run(2))).endswith("execution-3")


def test_an_execution_without_manifest_is_not_complete() -> None:
    assert chosen_run(listed(*run(1), *run(2), *run(3, manifest=False))).endswith("execution-2")


def test_executions_that_no_manifest_speaks_of_are_read_by_the_newest_folder_alone() -> None:
    objects = listed(*run(1, manifest=False), *run(2, manifest=False))
    assert chosen_run(objects).endswith("execution-2")


def test_a_manifest_resolves_in_a_renamed_copy_of_the_bucket(aws_bucket: FolderBucket) -> None:
    deliver_cur2(aws_bucket, "billing", "costs", "2026-10", ROWS, files=2)
    aws_bucket.path("billing").rename(aws_bucket.path("a copy"))
    assert files(aws_bucket) == [
        "a copy/costs/data/BILLING_PERIOD=2026-10/costs-00001.snappy.parquet",
        "a copy/costs/data/BILLING_PERIOD=2026-10/costs-00002.snappy.parquet",
    ]


def rewrite(bucket: FolderBucket, key: str, **changes: Any) -> None:
    """Change entries of a manifest."""
    document = json.loads(bucket.read(key)) | changes
    bucket.put(key, json.dumps(document).encode())


def test_only_the_files_that_the_manifest_names_are_read(aws_bucket: FolderBucket) -> None:
    deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, files=3)
    made = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, files=1)
    assert len(made.emptied) == 2
    assert files(aws_bucket) == made.files


def test_files_come_in_the_manifest_s_order(aws_bucket: FolderBucket) -> None:
    made = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, files=3)
    assert made.manifest
    backwards = [f"s3://elsewhere/{key}" for key in reversed(made.files)]
    rewrite(aws_bucket, made.manifest, dataFiles=backwards)
    assert files(aws_bucket) == made.files[::-1]


def test_a_manifest_that_names_a_missing_file_says_which(aws_bucket: FolderBucket) -> None:
    made = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, files=2)
    aws_bucket.delete(made.files[1])
    with pytest.raises(NotWhole) as caught:
        files(aws_bucket)
    assert str(caught.value) == (
        f"{made.manifest} lists s3://example-billing/{made.files[1]}, which is not in the bucket. "
        "AWS may still be delivering: run again in a few minutes; if that does not help, copy the "
        "missing file or deliver again."
    )


BROKEN = {
    "no JSON": b"<html>Access denied</html>",
    "cut": b'{"dataFiles": ["s3://b/x',
    "empty": b"",
    "a list": b"[]",
    "a number": b"1",
    "without files": b'{"executionId": "x"}',
    "files not a list": b'{"dataFiles": "x.parquet"}',
    "files not text": b'{"dataFiles": [1]}',
    "not UTF-8": b'{"dataFiles": ["\xff\xfe"]}',
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_manifest_is_named(aws_bucket: FolderBucket, kind: str) -> None:
    made = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS)
    assert made.manifest
    aws_bucket.put(made.manifest, BROKEN[kind])
    with pytest.raises(NotWhole, match=f"^{made.manifest} is not a manifest of a data export or"):
        files(aws_bucket)


def test_a_manifest_may_begin_with_a_byte_order_mark(aws_bucket: FolderBucket) -> None:
    made = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS)
    assert made.manifest
    aws_bucket.put(made.manifest, b"\xef\xbb\xbf" + aws_bucket.read(made.manifest))
    assert files(aws_bucket) == made.files


def test_the_older_execution_serves_when_the_newest_is_not_whole(aws_bucket: FolderBucket) -> None:
    old = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, mode="create", delivered_at=NOON)
    new = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, mode="create", files=2)
    assert files(aws_bucket) == new.files
    aws_bucket.delete(new.files[0])
    assert files(aws_bucket) == old.files


def test_a_manifest_never_resolves_into_another_execution(aws_bucket: FolderBucket) -> None:
    deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, mode="create", delivered_at=NOON)
    new = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, mode="create")
    for manifest in aws_bucket.keys("costs/metadata"):
        if new.execution_id not in manifest:
            aws_bucket.delete(manifest)
    aws_bucket.delete(new.files[0])
    with pytest.raises(NotWhole):
        files(aws_bucket)


def test_a_copy_with_the_period_s_manifest_alone_reads_the_execution_it_names(
    aws_bucket: FolderBucket,
) -> None:
    old = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, mode="create", delivered_at=NOON)
    new = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, mode="create")
    for made in (old, new):
        aws_bucket.delete(
            made.files[0].replace("/data/", "/metadata/").rsplit("/", 1)[0] + "/costs-Manifest.json"
        )
    assert files(aws_bucket) == new.files


def test_an_export_switched_to_create_new_reads_the_newest_execution(
    aws_bucket: FolderBucket,
) -> None:
    deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, delivered_at=NOON)
    later = NOON + timedelta(days=1)
    new = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, mode="create", delivered_at=later)
    assert files(aws_bucket) == new.files


def test_an_export_switched_to_overwrite_reads_the_files_that_were_written_last(
    aws_bucket: FolderBucket,
) -> None:
    deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, mode="create", delivered_at=NOON)
    later = NOON + timedelta(days=1)
    new = deliver_cur2(aws_bucket, "", "costs", "2026-10", ROWS, delivered_at=later)
    assert files(aws_bucket) == new.files


def test_a_legacy_manifest_names_the_assembly_that_is_read(aws_bucket: FolderBucket) -> None:
    old = deliver_legacy_csv(
        aws_bucket, "", "cur", "2026-10", ROWS, mode="create", delivered_at=NOON
    )
    new = deliver_legacy_csv(aws_bucket, "", "cur", "2026-10", ROWS, mode="create")
    assert files(aws_bucket) == new.files
    manifest = "cur/20261001-20261101/cur-Manifest.json"  # an assembly that AWS took back
    aws_bucket.put(manifest, aws_bucket.read(f"{old.files[0].rsplit('/', 1)[0]}/cur-Manifest.json"))
    assert files(aws_bucket) == old.files


def test_a_zipped_report_says_which_formats_can_be_read(aws_bucket: FolderBucket) -> None:
    document = {"reportKeys": ["cur/20261001-20261101/cur-1.csv.zip"]}
    aws_bucket.put("cur/20261001-20261101/cur-1.csv.zip", b"PK")
    aws_bucket.put("cur/20261001-20261101/cur-Manifest.json", json.dumps(document).encode())
    with pytest.raises(NotWhole, match="only parquet and gzipped CSV can be read"):
        files(aws_bucket)


def test_a_manifest_without_files_is_a_month_without_rows(aws_bucket: FolderBucket) -> None:
    key = "costs/metadata/BILLING_PERIOD=2026-10/costs-Manifest.json"
    aws_bucket.put(key, b'{"dataFiles": []}')
    assert files(aws_bucket) == []


def test_keys_of_a_bucket_on_s3_may_hold_any_character(s3: MotoBucket) -> None:
    prefix = "bil ling/a+b%20c?d#e&ü/'q\"uote'"
    made = deliver_cur2(s3.target, prefix, "cöst=s", "2026-10", ROWS)
    s3.client.put_object(Bucket=s3.bucket, Key=f"{prefix}/", Body=b"")  # the console's folder
    from dlt.common.configuration.specs import AwsCredentials

    credentials = AwsCredentials("test-key", "test-secret", region_name="us-east-1")
    credentials.endpoint_url = s3.endpoint_url
    for end in ("", "/"):
        bucket = S3Bucket(f"{s3.url}/{prefix}{end}", credentials, "SOURCES__AWS")
        export = choose(recognise(bucket.list()), None, bucket.url)
        (partition,) = plan(export)
        objects = files_of(bucket, partition)[1]
        assert (export.name, [f"{prefix}/{o.key}" for o in objects]) == ("cöst=s", made.files)
        assert bucket.read(objects[0])[:4] == b"PAR1"


def test_a_folder_bucket_may_have_spaces_and_links(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = FolderBucket(tmp_path / "bil ling %41 (copy)")
    elsewhere = FolderBucket(tmp_path / "elsewhere")
    deliver_cur2(elsewhere, "", "costs", "2026-10", ROWS)
    bucket.path("linked").symlink_to(elsewhere.root)
    bucket.path("broken").symlink_to(tmp_path / "nowhere")
    with caplog.at_level(logging.WARNING):
        assert files(bucket) == [
            "linked/costs/data/BILLING_PERIOD=2026-10/costs-00001.snappy.parquet"
        ]

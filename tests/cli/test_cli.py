"""The commands as a person or a machine sees them: help, exit statuses, lines, tables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.sandbox.aws.delivery import deliver_cur2, deliver_focus
from tests.conftest import ROOT, FaultyS3, FolderBucket, S3Bucket
from tests.support.commands import Commands, Ran
from tests.support.providers.aws_months import lines

NOW = datetime.now(UTC).replace(microsecond=0)
COMMANDS = ("load", "normalize", "check", "status", "doctor")


@pytest.fixture
def bucket(aws_bucket: FolderBucket, commands: Commands) -> FolderBucket:
    """The bucket that the commands read from."""
    commands.read_from(aws_bucket.url)
    return aws_bucket


def deliver(bucket: FolderBucket, period: str, costs: list[float], at: datetime = NOW) -> None:
    deliver_cur2(bucket, "exports", "daily", period, lines(period, costs), delivered_at=at)


def cells(ran: Ran) -> list[list[str]]:
    """The rows of the printed tables."""
    rows = [line for line in ran.out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in rows]


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`python -m pipelines` as a process of its own, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments],
        env=os.environ | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


# Usage.


def test_help_lists_every_command_with_what_it_does(commands: Commands) -> None:
    ran = commands("--help")
    assert ran.status == 0
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s+[A-Z]\w+", ran.out, re.MULTILINE), command


def test_the_version_is_that_of_the_project(commands: Commands) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert commands("--version") == Ran(0, f"pipelines {project['version']}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(commands: Commands, command: str) -> None:
    ran = commands(command, "--help")
    assert (ran.status, ran.err) == (0, "")
    assert f"usage: python -m pipelines {command} " in ran.out
    assert "--debug" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["lode"], "invalid choice: 'lode'"),
        (["load", "--fast"], "unrecognized arguments: --fast"),
        (["load", "--from"], "expected one argument"),
        (["check", "--destination", "oracle"], "invalid choice: 'oracle'"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(
    commands: Commands, arguments: list[str], says: str
) -> None:
    ran = commands(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err


@pytest.mark.parametrize("command", ["load", "normalize", "status", "doctor"])
def test_an_unknown_word_names_the_known_ones(commands: Commands, command: str) -> None:
    ran = commands(command, "azure", "aws")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: Unknown source azure. Known: aws")


@pytest.mark.parametrize("value", ["october", "2026-1", "2026/10", "26", "2026-10x", "2026-13", ""])
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_what_is_no_month_is_refused(
    bucket: FolderBucket, commands: Commands, option: str, value: str
) -> None:
    deliver(bucket, "2026-10", [1.0])
    ran = commands("load", f"{option}={value}")
    assert (ran.status, ran.err) == (
        2,
        f"error: {value!r} is not a valid partition. Use 2026-01 for a month, 2026-01-31 for a "
        "day.\n",
    )
    assert commands.partitions() == []


def test_from_after_to_is_refused(bucket: FolderBucket, commands: Commands) -> None:
    deliver(bucket, "2026-10", [1.0])
    ran = commands("load", "--from", "2026-11", "--to", "2026-10")
    assert (ran.status, ran.err) == (2, "error: --from 2026-11 is after --to 2026-10.\n")


def test_the_same_word_twice_is_loaded_once(bucket: FolderBucket, commands: Commands) -> None:
    deliver(bucket, "2026-10", [1.0])
    assert commands("load", "aws", "aws").out == "aws: 1 loaded, 0 unchanged, 0 failed\n"


# Processes.


def test_a_process_logs_one_line_per_month_and_one_of_result(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-09", [9.0])
    deliver(bucket, "2026-10", [1.0, 2.0])
    ran = run("load")
    assert (ran.returncode, ran.stdout) == (0, "aws: 2 loaded, 0 unchanged, 0 failed\n")
    assert [
        re.sub(r"[\d.]+ kB, [\d.]+ s$", "… kB, … s", line) for line in ran.stderr.splitlines()
    ] == [
        "aws 2026-09: 1 rows, … kB, … s",
        "aws 2026-10: 2 rows, … kB, … s",
    ]
    normalized = commands("normalize", "aws")
    assert (normalized.status, normalized.out) == (0, "aws: 2 normalised, 0 failed\n")
    said = [re.sub(r"[\d.]+ s$", "… s", line) for line in normalized.err.splitlines()]
    assert [line for line in said if not line.startswith("mart ")] == [
        "aws 2026-09: 1 rows normalised, … s",
        "aws 2026-10: 2 rows normalised, … s",
    ]
    assert "mart cost_overview: 2 rows" in said


@pytest.mark.thorough
def test_a_process_that_cannot_load_ends_with_1_and_without_traceback(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0])
    bucket.put("exports/daily/data/BILLING_PERIOD=2026-10/daily-00001.snappy.parquet", b"")
    ran = run("load")
    assert (ran.returncode, ran.stdout) == (1, "aws: 0 loaded, 0 unchanged, 1 failed\n")
    assert len(ran.stderr.splitlines()) == 2, ran.stderr  # files newer than the manifest; the error
    assert "Traceback" not in ran.stderr


def test_a_process_without_configuration_ends_with_2() -> None:
    ran = run("load", "aws")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: Missing configuration: bucket_url. Set ")
    assert len(ran.stderr.splitlines()) == 1


def test_a_source_that_is_not_configured_is_left_out_unless_it_is_named(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0])
    ran = commands("load")
    assert (ran.status, ran.out) == (0, "aws: 1 loaded, 0 unchanged, 0 failed\n")
    assert (
        "skip source gcp: not configured; set SOURCES__GCP__DATASETS or SOURCES__GCP__TABLES"
        in (commands("doctor").out)
    )
    assert commands("load", "gcp").status == 2


# Checks.


def test_a_check_can_be_left_out_and_an_unknown_one_is_named(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0], at=NOW - timedelta(days=5))
    commands.well("load", "normalize")
    assert commands.checked("freshness").endswith("1 checks, 1 failed: freshness\n")
    ran = commands("check", "--without", "freshness")
    assert (ran.status, ran.out.endswith(" checks, 0 failed\n")) == (0, True)
    ran = commands("check", "--without", "taste")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: Unknown check taste. Known: aws_conservation, ")


# Status.


def test_status_of_an_empty_project_says_that_nothing_is_loaded(commands: Commands) -> None:
    ran = commands("status", "aws")
    assert (ran.status, ran.err, cells(ran)) == (0, "", [])
    assert ran.out.startswith("aws")


def test_status_shows_each_month_with_its_cost_and_state(
    bucket: FolderBucket, commands: Commands
) -> None:
    two_days, hours = NOW - timedelta(days=2, minutes=1), NOW - timedelta(hours=5, minutes=1)
    deliver(bucket, "2026-09", [9.0, 0.5], at=two_days)
    deliver(bucket, "2026-10", [1000.0, 234.5], at=hours)
    commands.well("load", "normalize")
    deliver(bucket, "2026-09", [7.25], at=hours)
    commands.well("load", "normalize")
    deliver(bucket, "2026-11", [1.0], at=two_days)
    commands.well("load")
    rows = cells(commands("status"))
    kept = [row[:6] + row[7:8] + row[9:] for row in rows]
    assert kept == [
        [
            "2026-09",
            "1",
            "7.25",
            "7.25",
            "USD",
            "1",
            f"{hours:%Y-%m-%d %H:%M}",
            "5 h",
            "1",
            "current",
        ],
        [
            "2026-10",
            "2",
            "1,234.50",
            "1,234.50",
            "USD",
            "1",
            f"{hours:%Y-%m-%d %H:%M}",
            "5 h",
            "",
            "current",
        ],
        [
            "2026-11",
            "1",
            "",
            "",
            "",
            "1",
            f"{two_days:%Y-%m-%d %H:%M}",
            "2 d",
            "",
            "to be normalised",
        ],
    ]


def test_status_tells_what_waits(bucket: FolderBucket, commands: Commands) -> None:
    deliver(bucket, "2026-10", [1.0])
    commands.well("load", "normalize")
    deliver(bucket, "2026-10", [2.0])
    bucket.put("exports/daily/data/BILLING_PERIOD=2026-10/daily-00001.snappy.parquet", b"")
    assert commands("load").status == 1
    ((_, *_, state),) = cells(commands("status"))
    assert state == "a newer delivery is waiting"


# Doctor.


def doctor(commands: Commands) -> tuple[int, list[str]]:
    ran = commands("doctor", "aws")
    assert ran.err == ""
    return ran.status, ran.out.splitlines()


def test_doctor_of_a_good_project_says_ok_and_where_each_value_comes_from(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-09", [9.0])
    deliver(bucket, "2026-10", [1.0], at=NOW - timedelta(hours=2, minutes=1))
    status, found = doctor(commands)
    smallest = next(line for line in found if "one of them read" in line)
    assert smallest.startswith("ok   source aws: one of them read: exports/daily/metadata/")
    assert found[1:] == [
        "ok   tag columns: Environment, Team, Application (from config.toml)",
        f"ok   destination: filesystem, {commands.data} (from Environment Variables)",
        f"ok   source aws: bucket {bucket.url} (from Environment Variables)",
        "ok   source aws: bucket reachable, 4 objects listed",
        smallest,
        "ok   source aws: export exports/daily: data export, 2 billing periods, with manifests",
        "ok   source aws: newest period 2026-10, delivered 2 h ago",
    ]
    assert re.fullmatch(r"ok   python: 3\.\d+\.\d+ in /.*", found[0])
    assert status == 0
    assert not commands.data.exists()


def test_doctor_of_an_empty_project_names_what_to_set(commands: Commands) -> None:
    status, found = doctor(commands)
    assert status == 2
    assert [line for line in found if not line.startswith("ok ")] == [
        "BAD  source aws: Missing configuration: bucket_url",
        "     fix: Set SOURCES__AWS__BUCKET_URL (Environment Variables) or "
        "sources.aws.bucket_url (config.toml).",
    ]


def test_doctor_of_no_source_at_all_says_what_to_set(commands: Commands) -> None:
    ran = commands("doctor")
    assert ran.status == 2
    assert (
        "BAD  sources: No source is configured\n     fix: Set SOURCES__AWS__BUCKET_URL" in ran.out
    )
    assert (
        "skip source gcp: not configured; set SOURCES__GCP__DATASETS or SOURCES__GCP__TABLES"
        in ran.out
    )


def test_doctor_reads_one_object_since_the_right_to_list_is_not_enough(
    faulty_s3: FaultyS3, commands: Commands
) -> None:
    rows = lines("2026-10", [1.0])
    deliver_cur2(faulty_s3.target, "exports", "daily", "2026-10", rows, delivered_at=NOW)
    commands.set(faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.read_from(f"{faulty_s3.url}")
    faulty_s3.proxy.fail(kinds="GET")
    status, found = doctor(commands)
    assert status == 1
    (bad,) = [line for line in found if line.startswith("BAD")]
    assert "access denied" in bad
    assert "s3:GetObject" in "".join(found)


def test_doctor_names_a_stale_export(bucket: FolderBucket, commands: Commands) -> None:
    deliver(bucket, "2026-10", [1.0], at=NOW - timedelta(days=5))
    assert doctor(commands)[1][-2:] == [
        "BAD  source aws: newest period 2026-10, delivered 5 d ago",
        "     fix: AWS delivers at least daily: look at the export's status in the AWS console.",
    ]


def test_doctor_lists_the_exports_among_which_to_choose(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0])
    deliver_focus(bucket, "", "focus", "2026-10", lines("2026-10", [1.0]), delivered_at=NOW)
    status, found = doctor(commands)
    assert (status, found[-4:]) == (
        2,
        [
            "ok   source aws: export exports/daily: data export, 1 billing periods, with manifests",
            "ok   source aws: export focus: data export, 1 billing periods, with manifests",
            f"BAD  source aws: {bucket.url} holds 2 exports: exports/daily, focus",
            "     fix: Two of one payer would count the same cost twice: name one in "
            'SOURCES__AWS__EXPORT, or of each payer account one, as ["one","another"].',
        ],
    )
    commands.set({"SOURCES__AWS__EXPORT": "focus"})
    assert doctor(commands)[0] == 0


def test_doctor_sees_an_export_without_a_whole_delivery(
    bucket: FolderBucket, commands: Commands
) -> None:
    rows = lines("2026-10", [1.0])
    old = deliver_cur2(bucket, "", "daily", "2026-09", rows, mode="create", delivered_at=NOW)
    bucket.delete(old.manifest or "")
    deliver_cur2(bucket, "", "daily", "2026-10", rows, complete=False, delivered_at=NOW)
    status, found = doctor(commands)
    assert status == 0
    assert found[-1].startswith("ok   source aws: newest period 2026-09")


def test_doctor_says_whose_key_it_is_and_never_which(s3: S3Bucket, commands: Commands) -> None:
    deliver_cur2(s3.target, "", "daily", "2026-10", lines("2026-10", [1.0]))
    commands.read_from(s3.url)
    commands.set(s3.environ)
    status, found = doctor(commands)
    assert "ok   source aws: credentials (found by AWS's standard chain)" in found
    commands.set(s3.dlt_environ("SOURCES__AWS"))
    again, found = doctor(commands)
    assert "ok   source aws: credentials (from Environment Variables)" in found
    assert (status, again) == (0, 0)
    assert "test-secret" not in "".join(commands.printed)


def test_doctor_tries_to_write_to_an_object_store(faulty_s3: FaultyS3, commands: Commands) -> None:
    commands.set(faulty_s3.dlt_environ("DESTINATION__FILESYSTEM"))
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": f"{faulty_s3.url}/data"})
    root = f"{faulty_s3.bucket}/data"
    assert (
        f"ok   destination: filesystem, {root} (from Environment Variables)" in doctor(commands)[1]
    )
    assert faulty_s3.target.keys("") == []
    faulty_s3.proxy.fail("*", 403, "AccessDenied", kinds="PUT POST")
    found = doctor(commands)[1]
    assert any(line.startswith(f"BAD  destination: filesystem, {root}") for line in found), found
    assert (
        "     fix: Check DESTINATION__FILESYSTEM__CREDENTIALS__*: the key must be able to write "
        "and delete objects." in found
    )


def test_doctor_names_a_destination_that_is_no_folder(
    bucket: FolderBucket, commands: Commands, tmp_path: Path
) -> None:
    deliver(bucket, "2026-10", [1.0])
    (tmp_path / "file").write_text("x")
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": str(tmp_path / "file" / "data")})
    status, found = doctor(commands)
    assert status == 1
    assert (
        f"     fix: Make {tmp_path}/file a writable folder, or set "
        "DESTINATION__FILESYSTEM__BUCKET_URL." in found
    )


def test_doctor_names_two_tag_keys_of_one_column(bucket: FolderBucket, commands: Commands) -> None:
    deliver(bucket, "2026-10", [1.0])
    commands.set({"NORMALIZE__TAG_COLUMNS": '["Cost Center", "cost-center"]'})
    status, found = doctor(commands)
    assert status == 2
    assert any(
        line.startswith("BAD  tag columns: ") and "tag_cost_center" in line for line in found
    )
    ran = commands("normalize")
    assert ran.status == 2
    assert "tag_cost_center" in ran.err


def test_other_tag_columns_normalise_every_month_again(
    bucket: FolderBucket, commands: Commands
) -> None:
    deliver(bucket, "2026-10", [1.0])
    commands.well("load", "normalize")
    commands.set({"NORMALIZE__TAG_COLUMNS": '["Environment"]'})
    assert commands.normalised() == "aws: 1 normalised, 0 failed\n"
    (row,) = commands.costs("2026-10")
    assert [name for name in row if name.startswith("tag_")] == ["tag_environment"]
    assert row["tag_environment"] == "prod"


def test_where_nothing_is_published_check_and_status_say_so(commands: Commands) -> None:
    status, check = commands("status"), commands("check")
    assert (status.status, status.out) == (
        0,
        "nothing is published and no source is configured: `make doctor` shows what is missing\n",
    )
    assert check.status == 0
    assert check.out.splitlines()[-2] == (
        "nothing is published yet: `make run-etl` loads what is configured"
    )

"""What bad input gets: one clear message with the fix, no traceback, and nothing else changed."""

from __future__ import annotations

import ctypes
import gzip
import io
import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.sandbox.aws.delivery import Delivered, deliver_cur2, deliver_legacy_csv
from tests.conftest import FaultyS3, FolderBucket, S3Bucket
from tests.support.commands import Commands, Ran
from tests.support.providers.aws_months import lines
from tests.support.published import files_with

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY+EXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ"


def assert_clear(ran: Ran, *parts: str) -> None:
    """It failed with one message on stderr that has these parts, and no traceback anywhere."""
    assert ran.status != 0
    for part in parts:
        assert part in ran.err, (part, ran.err)
    for text in ("Traceback", 'File "', "Unexpected", "Error(", "dlt."):
        assert text not in ran.out + ran.err, (text, ran.err)


# What concerns the whole source.


def test_a_wrong_scheme_says_which_urls_there_are(commands: Commands) -> None:
    commands.read_from("https://example-billing.s3.amazonaws.com/exports")
    ran = commands("load")
    assert_clear(ran, "AWS delivers to s3://bucket/prefix", "Set SOURCES__AWS__BUCKET_URL")
    assert ran.status == 2


def test_a_bucket_without_its_scheme_is_told_to_begin_with_s3(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands.read_from("example-billing/exports")
    ran = commands("load")
    assert_clear(ran, "is not a folder.", "A bucket on S3 is written s3://example-billing/exports.")
    assert ran.status == 2


def test_a_missing_url_says_where_it_may_be_set(commands: Commands) -> None:
    ran = commands("load", "aws")
    assert_clear(ran, "Missing configuration: bucket_url. Set ", "SOURCES__AWS__BUCKET_URL")
    assert ran.status == 2
    ran = commands("load")
    assert_clear(ran, "No source is configured. Set SOURCES__AWS__BUCKET_URL for aws; ")
    assert ran.status == 2


def test_a_missing_folder_is_named(commands: Commands, tmp_path: Path) -> None:
    commands.read_from((tmp_path / "nowhere").as_uri())
    ran = commands("load")
    assert_clear(ran, f"{tmp_path}/nowhere is not a folder. Set SOURCES__AWS__BUCKET_URL")
    assert ran.status == 2


@pytest.mark.parametrize("content", [None, "readme.txt", "2026/10/costs.xlsx"])
def test_an_empty_prefix_or_an_unknown_format_says_what_was_expected(
    commands: Commands, aws_bucket: FolderBucket, content: str | None
) -> None:
    commands.read_from(aws_bucket.url)
    if content:
        aws_bucket.put(content, b"x")
    ran = commands("load")
    assert_clear(ran, "no AWS export found. Expected <export>/data/BILLING_PERIOD=YYYY-MM/")
    assert ran.status == 2


def test_no_credentials_say_where_to_set_them(commands: Commands) -> None:
    commands.read_from("s3://example-billing/exports")
    ran = commands("load")
    assert_clear(
        ran, "Missing configuration: credentials", "SOURCES__AWS__CREDENTIALS__AWS_ACCESS_KEY_ID"
    )
    assert ran.status == 2


def test_half_the_credentials_say_which_half_is_missing(commands: Commands) -> None:
    commands.read_from("s3://example-billing/exports")
    commands.set({"SOURCES__AWS__CREDENTIALS__AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"})
    ran = commands("load")
    assert_clear(ran, "SOURCES__AWS__CREDENTIALS__AWS_")
    assert ran.status == 2


def test_an_unknown_profile_is_named(commands: Commands) -> None:
    commands.read_from("s3://example-billing/exports")
    commands.set({"SOURCES__AWS__CREDENTIALS__PROFILE_NAME": "finance"})
    assert_clear(commands("load"), "finance")


def test_a_bucket_that_cannot_exist_is_no_question_for_s3(commands: Commands, s3: S3Bucket) -> None:
    commands.set(s3.dlt_environ("SOURCES__AWS"))
    commands.read_from("s3://Example Billing/exports")
    ran = commands("load")
    assert_clear(ran, "s3://Example Billing is not a valid bucket name.")
    assert ran.status == 2


def test_a_missing_bucket_is_named(commands: Commands, s3: S3Bucket) -> None:
    commands.set(s3.dlt_environ("SOURCES__AWS"))
    commands.read_from("s3://no-such-bucket/exports")
    assert_clear(
        commands("load"),
        "s3://no-such-bucket/exports: there is no such bucket. Correct SOURCES__AWS__BUCKET_URL.",
    )


REFUSALS = {
    "InvalidAccessKeyId": (403, "the access key is unknown. Set SOURCES__AWS__CREDENTIALS__AWS_AC"),
    "SignatureDoesNotMatch": (
        403,
        "the secret key does not match the access key. Set SOURCES__AWS__CR",
    ),
    "ExpiredToken": (400, "the session token has expired. Log in again."),
    "AccessDenied": (403, "access denied. The key needs s3:ListBucket on the bucket and s3:GetO"),
    "AuthorizationHeaderMalformed": (400, "the bucket is in another region. Set SOURCES__AWS__C"),
}


@pytest.mark.quick("InvalidAccessKeyId")
@pytest.mark.parametrize("code", REFUSALS)
def test_a_wrong_key_says_what_is_wrong_with_it(
    commands: Commands, faulty_s3: FaultyS3, code: str
) -> None:
    status, message = REFUSALS[code]
    commands.set(faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.set({"SOURCES__AWS__CREDENTIALS__AWS_SECRET_ACCESS_KEY": SECRET})
    commands.read_from(f"{faulty_s3.url}/exports")
    faulty_s3.proxy.fail("*", status, code)
    ran, doctor = commands("load"), commands("doctor")
    assert_clear(ran, f"error: {faulty_s3.url}/exports: {message}")
    assert (ran.status, doctor.status) == (1, 1)
    what, _, fix = message.partition(". ")
    assert f"BAD  source aws: {faulty_s3.url}/exports: {what}\n     fix: {fix}" in doctor.out
    assert SECRET not in ran.out + ran.err + doctor.out + doctor.err


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_no_network_says_what_to_check(commands: Commands, s3: S3Bucket, closed_port: int) -> None:
    endpoint = f"http://127.0.0.1:{closed_port}"
    commands.set(s3.dlt_environ("SOURCES__AWS"))
    commands.set({"SOURCES__AWS__CREDENTIALS__ENDPOINT_URL": endpoint})
    commands.read_from(s3.url)
    assert_clear(
        commands("load"),
        f"error: {s3.url}: cannot connect to the S3 endpoint. Check the network, the region and "
        "SOURCES__AWS__CREDENTIALS__ENDPOINT_URL.",
    )


# What concerns one month: it fails, the published one stays, the others go on.


class Months:
    """Two published months of which 2026-09 is delivered again, badly; 2026-11 is new."""

    def __init__(self, commands: Commands, bucket: FolderBucket | FaultyS3) -> None:
        self.commands, self.bucket = commands, bucket
        target = bucket if isinstance(bucket, FolderBucket) else bucket.target
        self.target = target
        self.deliver("2026-09", [9.0, 0.9])
        self.deliver("2026-10", [1.0])
        commands.well("load", "normalize")
        self.before = commands.bytes_of("2026-09"), commands.bytes_of("2026-10")

    def deliver(self, period: str, costs: list[float]) -> Delivered:
        """A delivery of two files."""
        return deliver_cur2(self.target, "", "daily", period, lines(period, costs), files=2)

    def restate(self, **columns: pa.Array) -> Delivered:
        """2026-09 again; its second file has these columns in place of its own."""
        made = self.deliver("2026-09", [99.0, 0.99])
        if columns:
            body = self.read(made.files[1])
            table = pq.ParquetFile(pa.BufferReader(body)).read()
            for name, values in columns.items():
                table = table.drop_columns([name])
                table = table if values is None else table.append_column(name, values)
            self.put(made.files[1], table)
        return made

    def read(self, key: str) -> bytes:
        """An object."""
        assert isinstance(self.bucket, FolderBucket)
        return self.bucket.read(key)

    def put(self, key: str, content: bytes | pa.Table) -> None:
        """An object."""
        if isinstance(content, pa.Table):
            sink = io.BytesIO()
            pq.write_table(content, sink)
            content = sink.getvalue()
        self.target.put(key, content)

    def assert_refused(self, *parts: str) -> Ran:
        """2026-09 fails, for this reason; the others load; what was published stays."""
        self.deliver("2026-10", [7.0])
        self.deliver("2026-11", [11.0])
        ran = self.commands("load")
        assert ran.status == 1
        assert ran.out == "aws: 2 loaded, 0 unchanged, 1 failed\n"
        assert_clear(ran, *parts)
        assert len(re.findall("2026-09", ran.err.splitlines()[0])) >= 1
        assert self.commands.normalised() == "aws: 2 normalised, 0 failed\n"
        assert self.commands.bytes_of("2026-09") == self.before[0]
        assert (self.commands.billed("2026-10"), self.commands.billed("2026-11")) == ([7.0], [11.0])
        return ran

    def assert_mended(self) -> None:
        """A whole delivery replaces what failed."""
        self.deliver("2026-09", [3.0])
        assert self.commands("load").out == "aws: 1 loaded, 2 unchanged, 0 failed\n"
        self.commands.well("normalize")
        assert self.commands.billed("2026-09") == [3.0]
        left = [p for p in (self.commands.data / ".staging").rglob("*") if p.is_file()]
        assert left == []


@pytest.fixture
def months(commands: Commands, aws_bucket: FolderBucket) -> Months:
    commands.read_from(aws_bucket.url)
    return Months(commands, aws_bucket)


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "half of it": lambda whole: whole[: len(whole) // 2],
    "the middle is missing": lambda whole: (
        whole[:1000] + whole[-int.from_bytes(whole[-8:-4], "little") - 8 :]
    ),
    "an error page": lambda _: b"<Error><Code>SlowDown</Code></Error>",
}


@pytest.mark.thorough
@pytest.mark.parametrize("cut", CUTS)
def test_a_damaged_parquet_file_stops_its_month(months: Months, cut: str) -> None:
    made = months.restate()
    months.put(made.files[1], CUTS[cut](months.read(made.files[1])))
    ran = months.assert_refused(f"aws 2026-09: {made.files[1]}")
    assert "cannot be read" in ran.err or "footer points to bytes" in ran.err
    months.assert_mended()


def test_a_number_that_became_text_stops_its_month(months: Months) -> None:
    made = months.restate(line_item_unblended_cost=pa.array(["0.99"]))
    months.assert_refused(
        f"aws 2026-09: {made.files[1]}: line_item_unblended_cost is string, expected a number."
    )
    months.assert_mended()


@pytest.mark.thorough
def test_tags_that_a_copy_made_a_struct_stop_their_month(months: Months) -> None:
    months.restate(resource_tags=pa.array([{"user:Environment": "prod"}]))
    months.assert_refused("expected a map", "a job that copied the file made a struct of one")
    months.assert_mended()


@pytest.mark.thorough
def test_a_required_column_that_went_stops_its_month(months: Months) -> None:
    made = months.restate(line_item_line_item_type=None)
    months.assert_refused(f"aws 2026-09: {made.files[1]} is missing line_item_line_item_type")
    assert "stale_partitions" in months.commands("check").out
    assert "a newer delivery is waiting" in months.commands("status").out


@pytest.mark.thorough
def test_a_manifest_that_names_a_missing_file_stops_its_month(months: Months) -> None:
    made = months.restate()
    assert isinstance(months.bucket, FolderBucket)
    months.bucket.delete(made.files[1])
    months.assert_refused(f"{made.manifest} lists s3://example-billing/{made.files[1]}, which")
    months.assert_mended()


@pytest.mark.thorough
def test_a_manifest_that_is_no_json_stops_its_month(months: Months) -> None:
    made = months.restate()
    assert made.manifest
    months.put(made.manifest, b"\x00not JSON")
    months.assert_refused(f"{made.manifest} is not a manifest of a data export")
    months.assert_mended()


@pytest.fixture
def csv_months(commands: Commands, aws_bucket: FolderBucket) -> str:
    """Two published months of a legacy csv.gz report; the key of the first one's file."""
    commands.read_from(aws_bucket.url)
    made = deliver_legacy_csv(aws_bucket, "", "cur", "2026-09", lines("2026-09", [9.0]))
    deliver_legacy_csv(aws_bucket, "", "cur", "2026-10", lines("2026-10", [1.0]))
    commands.well("load", "normalize")
    return made.files[0]


CSV_FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a truncated gz": (lambda body: body[: len(body) // 2], "cannot be read"),
    "a number that became text": (
        lambda body: gzip.compress(gzip.decompress(body).replace(b",9.0,", b",nine,")),
        "column lineItem/UnblendedCost: ",
    ),
    "a missing required column": (
        lambda body: gzip.compress(gzip.decompress(body).replace(b"UnblendedCost", b"Cost")),
        "is missing line_item_unblended_cost",
    ),
}


@pytest.mark.quick("a truncated gz")
@pytest.mark.parametrize("fault", CSV_FAULTS)
def test_a_damaged_csv_stops_its_month(
    csv_months: str, commands: Commands, aws_bucket: FolderBucket, fault: str
) -> None:
    spoil, message = CSV_FAULTS[fault]
    before = commands.bytes_of("2026-09")
    aws_bucket.put(csv_months, spoil(aws_bucket.read(csv_months)))
    deliver_legacy_csv(aws_bucket, "", "cur", "2026-10", lines("2026-10", [7.0]))
    ran = commands("load")
    assert_clear(ran, f"aws 2026-09: {csv_months}", message)
    assert (ran.status, ran.out) == (1, "aws: 1 loaded, 0 unchanged, 1 failed\n")
    commands.well("normalize")
    assert commands.bytes_of("2026-09") == before
    assert commands.billed("2026-10") == [7.0]


@contextmanager
def unprivileged() -> Iterator[None]:
    """Take from root the capabilities by which it reads what it may not; others have none."""

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    class Sets(ctypes.Structure):
        _fields_ = (
            ("effective", ctypes.c_uint32),
            ("permitted", ctypes.c_uint32),
            ("inheritable", ctypes.c_uint32),
        )

    library = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0:
        yield
        return
    if not hasattr(library, "capget"):
        pytest.skip("root reads every file here, and there are no capabilities to give up")
    header, sets = Header(0x20080522, 0), (Sets * 2)()
    assert library.capget(ctypes.byref(header), sets) == 0
    effective = sets[0].effective
    sets[0].effective = effective & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert library.capset(ctypes.byref(header), sets) == 0
    try:
        yield
    finally:
        sets[0].effective = effective
        assert library.capset(ctypes.byref(header), sets) == 0


@pytest.mark.thorough
@pytest.mark.parametrize("what", ["data", "manifest"])
def test_a_file_that_may_not_be_read_stops_its_month(months: Months, what: str) -> None:
    made = months.restate()
    assert isinstance(months.bucket, FolderBucket)
    path = months.bucket.path(made.files[0] if what == "data" else made.manifest or "")
    path.chmod(0)
    with unprivileged():
        ran = months.commands("load")
    path.chmod(0o644)
    assert_clear(ran, f"{path}: Permission denied. Make it readable for this user.")
    assert months.commands.bytes_of("2026-09") == months.before[0]


def test_a_folder_that_may_not_be_listed_hides_no_month(months: Months) -> None:
    assert isinstance(months.bucket, FolderBucket)
    folder = months.bucket.path("daily/data")
    folder.chmod(0)
    with unprivileged():
        ran = months.commands("load")
    folder.chmod(0o755)
    assert_clear(ran, f"{folder}: Permission denied. Make it readable for this user.")


@pytest.fixture
def s3_months(commands: Commands, faulty_s3: FaultyS3) -> Months:
    commands.set(faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.read_from(faulty_s3.url)
    months = Months(commands, faulty_s3)
    faulty_s3.proxy.reset()
    return months


@pytest.mark.thorough
def test_a_403_on_one_object_stops_its_month(s3_months: Months, faulty_s3: FaultyS3) -> None:
    made = s3_months.restate()
    faulty_s3.proxy.fail("*2026-09/daily-00002*", 403, "AccessDenied", kinds="GET")
    s3_months.assert_refused(
        f"s3://{faulty_s3.bucket}: {made.files[1]}: access denied. The key needs s3:ListBucket on "
        "the bucket and s3:GetObject on its objects."
    )
    faulty_s3.proxy.reset()
    s3_months.assert_mended()


@pytest.mark.thorough
def test_an_object_in_an_archive_says_to_restore_it(s3_months: Months, faulty_s3: FaultyS3) -> None:
    made = s3_months.restate()
    faulty_s3.proxy.fail("*2026-09/daily-00002*", 403, "InvalidObjectState", kinds="GET")
    s3_months.assert_refused(
        f"s3://{faulty_s3.bucket}: {made.files[1]}: the object is in an archive (Glacier) and "
        "cannot be read. Restore it (aws s3api restore-object), and"
    )
    faulty_s3.proxy.reset()
    s3_months.assert_mended()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDenied", "User x is not authorized to perform: kms:Decrypt on this resource"),
        ("KMS.DisabledException", ""),
    ],
)
def test_a_key_that_refuses_names_the_permission(
    s3_months: Months, faulty_s3: FaultyS3, code: str, message: str
) -> None:
    made = s3_months.restate()
    faulty_s3.proxy.fail("*2026-09/daily-00002*", 403, code, kinds="GET", message=message)
    s3_months.assert_refused(
        f"s3://{faulty_s3.bucket}: {made.files[1]}: its objects are encrypted with a KMS key that "
        "these credentials may not use. Allow kms:Decrypt on that key"
    )
    faulty_s3.proxy.reset()
    s3_months.assert_mended()


@pytest.mark.thorough
def test_500s_on_one_object_stop_its_month(s3_months: Months, faulty_s3: FaultyS3) -> None:
    made = s3_months.restate()
    faulty_s3.proxy.fail("*2026-09/daily-00001*", 500, "InternalError", kinds="GET")
    s3_months.assert_refused(
        f"s3://{faulty_s3.bucket}: {made.files[0]}: S3 answered InternalError after several tries."
    )


def test_a_500_that_passes_is_tried_again(s3_months: Months, faulty_s3: FaultyS3) -> None:
    s3_months.restate()
    faulty_s3.proxy.fail("*2026-09/daily-00001*", 503, "SlowDown", kinds="GET", times=1)
    faulty_s3.proxy.cut("*2026-09/daily-00002*", after_bytes=100)
    s3_months.commands.well("load", "normalize")
    assert s3_months.commands.billed("2026-09") == [0.99, 99.0]


@pytest.mark.thorough
def test_a_body_that_always_ends_in_the_middle_stops_its_month(
    s3_months: Months, faulty_s3: FaultyS3
) -> None:
    made = s3_months.restate()
    faulty_s3.proxy.cut("*2026-09/daily-00002*", after_bytes=1000, times=None)
    s3_months.assert_refused(
        f"s3://{faulty_s3.bucket}: {made.files[1]}: the connection broke repeatedly"
    )


@pytest.mark.thorough
@pytest.mark.parametrize("size", [0, 3])
def test_an_object_of_nearly_no_bytes_stops_its_month(s3_months: Months, size: int) -> None:
    made = s3_months.restate()
    s3_months.put(made.files[1], b"PAR"[:size])
    s3_months.assert_refused(f"aws 2026-09: {made.files[1]} cannot be read: ")


@pytest.mark.thorough
def test_a_manifest_whose_body_is_cut_stops_its_month(
    s3_months: Months, faulty_s3: FaultyS3
) -> None:
    s3_months.restate()
    faulty_s3.proxy.cut("*2026-09/*Manifest.json", after_bytes=20, times=None)
    s3_months.assert_refused("2026-09/daily-Manifest.json: the connection broke")


def test_a_refused_manifest_is_no_reason_to_load_an_older_execution(
    commands: Commands, faulty_s3: FaultyS3
) -> None:
    commands.set(faulty_s3.dlt_environ("SOURCES__AWS"))
    commands.read_from(faulty_s3.url)
    for cost in (1.0, 2.0):
        deliver_cur2(
            faulty_s3.target,
            "",
            "daily",
            "2026-10",
            lines("2026-10", [cost]),
            mode="create",
            execution_id=f"execution-{cost:.0f}",
        )
    faulty_s3.proxy.fail("*execution-2/*Manifest.json", 403, "AccessDenied", kinds="GET")
    ran = commands("load")
    assert_clear(ran, "execution-2/daily-Manifest.json: access denied.")
    assert commands.partitions() == []


# --debug, and secrets.


@pytest.mark.thorough
def test_debug_shows_the_traceback(months: Months) -> None:
    made = months.restate()
    months.put(made.files[1], b"")
    ran = months.commands("load", "--debug")
    assert ran.status == 1
    assert "Traceback (most recent call last)" in ran.err
    assert "pipelines/providers/aws/landing.py" in ran.err


def test_debug_shows_the_traceback_of_a_configuration_error(commands: Commands) -> None:
    ran = commands("load", "--debug")
    assert ran.status == 2
    assert "Traceback (most recent call last)" in ran.err


def test_secrets_appear_nowhere(
    faulty_s3: FaultyS3,
    commands: Commands,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for section in ("SOURCES__AWS", "DESTINATION__FILESYSTEM"):
        commands.set(faulty_s3.dlt_environ(section))
        commands.set(
            {
                f"{section}__CREDENTIALS__AWS_SECRET_ACCESS_KEY": SECRET,
                f"{section}__CREDENTIALS__AWS_SESSION_TOKEN": TOKEN,
            }
        )
    commands.read_from(f"{faulty_s3.url}/in")
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": f"{faulty_s3.url}/out"})
    for period in ("2026-09", "2026-10"):
        deliver_cur2(faulty_s3.target, "in", "daily", period, lines(period, [1.0]))
    faulty_s3.proxy.fail("*2026-09/*.parquet", 403, "SignatureDoesNotMatch", kinds="GET", times=9)
    assert commands("load", "--debug").status == 1
    again = ("load", "normalize --no-marts", "status", "doctor")
    assert [commands(*words.split()).status for words in again][:3] == [1, 0, 0]
    faulty_s3.proxy.reset()
    assert commands("load", "--debug").status == 0
    faulty_s3.proxy.fail("*", 403, "SignatureDoesNotMatch")
    assert [commands("load").status, commands("load", "--debug").status] == [1, 1]
    faulty_s3.proxy.reset()
    bucket = tmp_path / "copy of the bucket"
    for key in faulty_s3.target.keys(""):
        body = faulty_s3.client.get_object(Bucket=faulty_s3.bucket, Key=key)["Body"].read()
        FolderBucket(bucket).put(key, body)
    printed = "".join(commands.printed) + caplog.text
    for secret in (SECRET, TOKEN):
        assert secret not in printed
        assert files_with(secret, bucket, tmp_path / "dlt", tmp_path / "project") == []


def test_a_secret_in_the_url_is_not_repeated(commands: Commands) -> None:
    commands.read_from(f"s3://AKIAEXAMPLE:{SECRET.replace('/', '%2F')}@example-billing/exports")
    ran = commands("load")
    assert ran.status == 2
    assert SECRET.replace("/", "%2F") not in ran.out + ran.err


# The destination.


def test_a_destination_that_cannot_be_written_is_named(
    months: Months, commands: Commands, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": str(tmp_path / "file" / "data")})
    ran = commands("load")
    assert_clear(ran, str(tmp_path / "file"))


@pytest.mark.thorough
def test_a_destination_bucket_that_refuses_is_named(
    months: Months, commands: Commands, faulty_s3: FaultyS3
) -> None:
    commands.set(faulty_s3.dlt_environ("DESTINATION__FILESYSTEM"))
    commands.set({"DESTINATION__FILESYSTEM__BUCKET_URL": f"{faulty_s3.url}/out"})
    faulty_s3.proxy.fail("*.parquet", 403, "AccessDenied", kinds="PUT POST")
    ran = commands("load")
    assert_clear(ran, "Access Denied")
    assert ran.out == "aws: 0 loaded, 0 unchanged, 2 failed\n"
    assert json.dumps(faulty_s3.target.keys("out/aws_costs/cur/")) == "[]"

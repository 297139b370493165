"""What goes wrong between BigQuery and a published day: what is said, and what stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import Commands, Ran
from tests.support.estate import configured, run
from tests.support.providers.gcp_days import (
    OTHER,
    OTHER_TABLE,
    billed,
    environ,
    put,
    rows,
    table_of,
)
from tests.support.providers.raw_gcp import TABLE

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

OLD = {"2026-10-29": [4.0], "2026-10-30": [8.0, 8.0]}
NEW = {"2026-10-29": [5.0], "2026-10-30": [8.0, 8.0, 8.0]}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A destination with the days of OLD, for each test to begin with a copy of it."""
    from scripts.sandbox.bigquery.server import BigQueryServer

    folder = tmp_path_factory.mktemp("old")
    (folder / "project" / ".dlt").mkdir(parents=True)
    places = {
        "DESTINATION__FILESYSTEM__BUCKET_URL": str(folder / "data"),
        "DLT_DATA_DIR": str(folder / "dlt"),
        "DLT_PROJECT_DIR": str(folder / "project"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    with BigQueryServer() as server, configured(environ(server) | places):
        put(server, OLD)
        run("load gcp", "normalize gcp --no-marts")
    return folder / "data"


@pytest.fixture
def server(
    old: Path, bigquery_server: BigQueryServer, commands: Commands
) -> Iterator[BigQueryServer]:
    """Two published days, both of which have changed since."""
    shutil.copytree(old, commands.data)
    commands.set(environ(bigquery_server))
    put(bigquery_server, NEW)
    yield bigquery_server
    key = bigquery_server.service_account()
    said = "".join(commands.printed)
    assert [
        part for part in (key["private_key"], key["private_key_id"], "ya29.") if part in said
    ] == []
    assert "Traceback" not in said


def stopped(commands: Commands, status: int) -> Ran:
    """A load that ends so and leaves every published day as it was; then one that is well."""
    ran = commands("load", "gcp")
    assert ran.status == status, ran
    commands.well("normalize gcp")
    assert billed(commands.data) == OLD
    return ran


def well(commands: Commands) -> None:
    commands.well("load", "normalize")
    assert billed(commands.data) == NEW


@pytest.mark.quick("notFound")
@pytest.mark.parametrize(
    ("reason", "status", "text"),
    [
        ("accessDenied", 2, "access denied (Access Denied: User does not have"),
        ("quotaExceeded", 1, "BigQuery's quota is used up (Quota exceeded"),
        ("notFound", 2, f"error: {TABLE}: not found (Not found"),
        ("authError", 2, "Google refuses the credentials"),
        ("backendError", 1, "BigQuery went on failing (Error encountered during execution"),
    ],
)
def test_a_plan_that_is_refused_says_why_and_what_to_do(
    server: BigQueryServer, commands: Commands, reason: str, status: int, text: str
) -> None:
    server.fail("jobs.query", reason, times=None)
    ran = stopped(commands, status)
    assert text in ran.err
    assert TABLE in ran.err
    server.reset()
    well(commands)


def test_a_table_that_is_denied_names_the_roles(server: BigQueryServer, commands: Commands) -> None:
    server.deny(TABLE)
    ran = stopped(commands, 2)
    assert "Grant roles/bigquery.dataViewer on its dataset and roles/bigquery.jobUser" in ran.err


def test_a_table_that_has_gone_is_named(server: BigQueryServer, commands: Commands) -> None:
    server.drop(TABLE)
    assert "Correct sources.gcp.tables or sources.gcp.datasets" in stopped(commands, 2).err


def test_one_day_that_cannot_be_read_does_not_keep_the_others(
    server: BigQueryServer, commands: Commands
) -> None:
    server.fail("jobs.query", "quotaExceeded", after=1)  # the first is the plan
    ran = commands("load", "gcp")
    assert (ran.status, ran.out) == (1, "gcp: 1 loaded, 0 unchanged, 1 failed\n")
    assert f"{TABLE}, day 2026-10-29: BigQuery's quota is used up" in ran.err
    commands.well("normalize gcp")
    assert billed(commands.data) == {
        "2026-10-29": OLD["2026-10-29"],
        "2026-10-30": NEW["2026-10-30"],
    }
    well(commands)


@pytest.mark.thorough
def test_a_new_day_that_failed_is_tried_again_however_old_it_is(
    server: BigQueryServer, commands: Commands
) -> None:
    days = {"2026-10-26": [1.0]} | {f"2026-11-{n:02d}": [2.0] for n in range(1, 3)}
    put(server, days)
    commands.well("load", "normalize")
    put(server, {"2026-10-22": [0.5]} | days)
    server.fail("jobs.query", "quotaExceeded", after=2)
    assert commands("load", "gcp", "--from", "2026-10-22", "--to", "2026-10-22").status == 1
    commands.well("load", "normalize")
    assert billed(commands.data)["2026-10-22"] == [0.5]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["jobs.query", "jobs.getQueryResults", "tables.get"])
def test_a_service_that_is_away_for_a_moment_is_asked_again(
    server: BigQueryServer, commands: Commands, kind: str
) -> None:
    server.set_pace(page_rows=1, polls=1)
    server.fail(kind, "backendError")
    well(commands)


@pytest.mark.thorough
def test_an_expired_token_is_renewed(server: BigQueryServer, commands: Commands) -> None:
    server.anonymous = False
    server.before("jobs.query", server.expire_tokens, nth=2)
    well(commands)
    assert server.counts["token"] > 1


@pytest.mark.quick("1")
@pytest.mark.parametrize("times", [1, None])
def test_a_truncated_answer_is_asked_for_again_or_refused(
    server: BigQueryServer, commands: Commands, times: int | None
) -> None:
    server.cut("jobs.query", 300, after=1, times=times)
    if times:
        well(commands)
    else:
        assert "BigQuery" in stopped(commands, 1).err


def test_a_table_that_changes_while_it_is_read_is_planned_again(
    server: BigQueryServer, commands: Commands
) -> None:
    newest = NEW | {"2026-10-29": [5.0, 6.0]}
    server.before("jobs.query", lambda: put(server, newest), nth=2)
    commands.well("load", "normalize")
    assert billed(commands.data) == newest


@pytest.mark.thorough
def test_a_table_that_never_rests_is_left_as_it_was(
    server: BigQueryServer, commands: Commands
) -> None:
    for number in range(2, 20):
        grown = {"2026-10-29": [1.0] * number, "2026-10-30": OLD["2026-10-30"]}
        server.before("jobs.query", lambda grown=grown: put(server, grown), nth=number)  # type: ignore[misc]  # mypy takes no default of a lambda
    ran = stopped(commands, 1)
    assert "the provider replaced its files 3 times while they were read" in ran.err


def without(name: str) -> Any:
    return table_of(rows(NEW)).drop_columns([name])


@pytest.mark.quick("credits")
@pytest.mark.parametrize("name", ["credits", "currency", "cost_type", "usage_start_time"])
def test_a_table_that_lacks_a_column_is_refused_by_name(
    server: BigQueryServer, commands: Commands, name: str
) -> None:
    server.load(TABLE, without(name))
    assert (
        f"{TABLE} is missing {name}: it is not a complete billing export"
        in stopped(commands, 1).err
    )


def test_a_cost_that_is_text_is_refused(server: BigQueryServer, commands: Commands) -> None:
    table = without("currency_conversion_rate")
    server.load(TABLE, table.append_column("currency_conversion_rate", [["0.9"] * len(table)]))
    ran = stopped(commands, 1)
    assert "currency_conversion_rate is string, expected double" in ran.err


@pytest.mark.thorough
def test_a_table_that_is_not_partitioned_is_read_and_said_to_be_slower(
    server: BigQueryServer, commands: Commands
) -> None:
    server.load(TABLE, without("_PARTITIONTIME"))
    ran = commands("load", "gcp")
    assert (ran.status, ran.out) == (0, "gcp: 2 loaded, 0 unchanged, 0 failed\n")
    assert "slower, since each query scans all of it" in ran.err


@pytest.mark.parametrize(
    "key",
    [
        '{"type": "service_account", "private_key": "S3CRET-PEM"',
        "S3CRET-PEM",
        '{"a": "S3CRET-PEM"}',
    ],
)
def test_a_key_that_is_no_key_is_never_shown(
    server: BigQueryServer, commands: Commands, key: str
) -> None:
    commands.set({"SOURCES__GCP__CREDENTIALS": key, "NO_GCE_CHECK": "true"})
    for command in ("load", "doctor"):
        ran = commands(command, "gcp")
        assert ran.status == 2, ran
        assert "S3CRET" not in ran.out + ran.err


def test_a_key_with_a_broken_pem_is_never_shown(server: BigQueryServer, commands: Commands) -> None:
    account = server.service_account() | {"private_key": "-----BEGIN PRIVATE KEY-----\nS3CRET"}
    commands.set({"SOURCES__GCP__CREDENTIALS": json.dumps(account)})
    for arguments in (("load", "gcp"), ("load", "gcp", "--debug"), ("doctor", "gcp")):
        ran = commands(*arguments)
        assert ran.status == 2, ran
        assert "the private key cannot be read" in ran.out + ran.err
        assert "S3CRET" not in ran.out + ran.err
    commands.printed.clear()  # --debug shows tracebacks


def test_another_table_goes_on_being_read_with_its_account(
    server: BigQueryServer, commands: Commands
) -> None:
    put(server, {"2026-10-30": [100.0]}, OTHER_TABLE, **OTHER)
    server.deny(OTHER_TABLE)
    commands.set(environ(server, TABLE, OTHER_TABLE))
    stopped(commands, 2)  # half a day's accounts would be a wrong sum

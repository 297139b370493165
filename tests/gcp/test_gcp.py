"""GCP from a BigQuery export to `costs`: which tables, which days, restatements, second runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from pipelines.core.partition import ConfigurationError, Selection
from pipelines.providers.gcp import days as planning
from pipelines.providers.gcp.exports import Export, choose_exports, parse_tables
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.providers.gcp_days import (
    OTHER,
    OTHER_TABLE,
    STANDARD_TABLE,
    billed,
    environ,
    put,
    raw,
    rows,
    table_of,
)
from tests.support.providers.raw_gcp import LINE, TABLE, credit, labels

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

DAYS = {"2026-10-28": [1.0, 2.0], "2026-10-29": [4.0], "2026-10-30": [8.0, 8.0]}
ALL_OF_IT = {"2026-10-28": [1.0, 2.0], "2026-10-29": [4.0], "2026-10-30": [8.0, 8.0]}


@pytest.fixture
def server(bigquery_server: BigQueryServer, commands: Commands) -> Iterator[BigQueryServer]:
    """Three days in one table, which the commands read."""
    put(bigquery_server, DAYS)
    commands.set(environ(bigquery_server))
    yield bigquery_server
    # a line out of the middle of the key, in whatever was printed or left on disk
    secret = bigquery_server.service_account()["private_key"].splitlines()[5]
    assert secret not in "".join(commands.printed)
    files = [path for path in commands.data.parent.rglob("*") if path.is_file()]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


def load(commands: Commands, *options: str) -> str:
    """Load and normalise; what `load` said."""
    ran = commands("load", "gcp", *options)
    assert ran.status == 0, ran
    commands.well("normalize gcp")
    return ran.out


# What is loaded.


@pytest.mark.thorough
def test_every_day_is_loaded_and_identical_rows_stay(
    server: BigQueryServer, commands: Commands
) -> None:
    assert load(commands) == "gcp: 3 loaded, 0 unchanged, 0 failed\n"
    assert billed(commands.data) == ALL_OF_IT


def test_raw_keeps_every_column_whole(server: BigQueryServer, commands: Commands) -> None:
    twice = [*labels(a="1"), *labels(a="2")]
    row = LINE | {"labels": twice, "credits": [credit(-0.1, "PROMOTION", 'say "hi"')]}
    server.load(TABLE, table_of(rows({"2026-10-30": [8.0]}, labels=twice, credits=row["credits"])))
    load(commands)
    (found,) = raw(commands.data, "2026-10-30").to_pylist()
    assert json.loads(found["labels"]) == twice
    assert json.loads(found["credits"]) == row["credits"]
    assert json.loads(found["tags"]) == LINE["tags"]
    assert json.loads(found["system_labels"]) == LINE["system_labels"]
    assert json.loads(found["project_ancestors"]) == LINE["project"]["ancestors"]
    assert found["service_description"] == "Compute Engine"
    assert found["price_effective_price"] == LINE["price"]["effective_price"]
    assert found["export_time"] == datetime(2026, 10, 30, 5, tzinfo=UTC)
    assert (found["cost"], found["x_credit_total"], found["x_export_table"]) == (8.0, -0.1, TABLE)


def test_columns_that_google_adds_come_along(server: BigQueryServer, commands: Commands) -> None:
    table = table_of(rows({"2026-10-30": [8.0]}))
    server.load(TABLE, table.append_column("new_field", [["yes"]]))
    load(commands)
    assert raw(commands.data, "2026-10-30")["new_field"].to_pylist() == ["yes"]


@pytest.mark.thorough
def test_many_pages_are_one_day(server: BigQueryServer, commands: Commands) -> None:
    costs = [number / 4 for number in range(1, 301)]
    put(server, {"2026-10-30": costs})
    server.set_pace(page_rows=7, polls=2)
    load(commands)
    assert billed(commands.data) == {"2026-10-30": costs}


@pytest.mark.thorough
def test_two_billing_accounts_are_one_day_of_two_files(
    server: BigQueryServer, commands: Commands
) -> None:
    put(server, {"2026-10-30": [100.0]}, OTHER_TABLE, **OTHER)
    commands.set(environ(server, TABLE, OTHER_TABLE))
    load(commands)
    assert billed(commands.data)["2026-10-30"] == [8.0, 8.0, 100.0]
    status = commands("status", "gcp").out
    assert "2026-10-30" in status


@pytest.mark.thorough
def test_costs_has_both_clouds(
    server: BigQueryServer, commands: Commands, aws_bucket: FolderBucket
) -> None:
    commands.read_from(aws_bucket.url)
    deliver(aws_bucket.root, "2026-10", [100.0])
    commands.well("load", "normalize")
    names = sorted(path.name for path in commands.data.glob("marts/costs/*"))
    assert names == ["aws-2026-10.parquet", *(f"gcp-{day}.parquet" for day in DAYS)]
    shapes = {
        str(pq.read_schema(path).remove_metadata()) for path in commands.data.glob("marts/costs/*")
    }
    assert len(shapes) == 1


# One export per billing account.


@pytest.mark.thorough
def test_of_two_exports_of_an_account_the_detailed_one_is_loaded(
    server: BigQueryServer, commands: Commands
) -> None:
    """The standard and the detailed export hold the same spend: loading both would double it."""
    put(server, DAYS, STANDARD_TABLE)
    put(server, {"2026-10-30": [100.0]}, OTHER_TABLE, **OTHER)
    commands.monkeypatch.delenv("SOURCES__GCP__TABLES")
    commands.set({"SOURCES__GCP__DATASETS": '["billing_export"]'})
    load(commands)
    assert billed(commands.data) == ALL_OF_IT | {"2026-10-30": [8.0, 8.0, 100.0]}
    assert raw(commands.data, "2026-10-30")["x_export_table"].unique().to_pylist() == [
        TABLE,
        OTHER_TABLE,
    ]
    commands.set({"SOURCES__GCP__ACCOUNTS": '["0F1E2D-3C4B5A-697887"]'})
    load(commands)  # what is published of an account that is not wanted any more stays
    assert billed(commands.data)["2026-10-30"] == [8.0, 8.0, 100.0]


@pytest.mark.thorough
def test_of_two_exports_that_are_named_each_month_is_read_once(
    server: BigQueryServer, commands: Commands
) -> None:
    put(server, DAYS, STANDARD_TABLE)
    commands.set(environ(server, STANDARD_TABLE, TABLE))
    load(commands)
    assert billed(commands.data) == ALL_OF_IT
    assert raw(commands.data, "2026-10-30")["x_export_table"].unique().to_pylist() == [TABLE]


@pytest.mark.thorough
def test_a_copy_under_another_name_counts_nothing_twice(
    server: BigQueryServer, commands: Commands
) -> None:
    copy = "example-billing.billing_export.my_copy"
    put(server, DAYS, copy)
    commands.set(environ(server, TABLE, copy))
    load(commands)
    assert billed(commands.data) == ALL_OF_IT
    commands.set(environ(server, copy))
    load(commands)
    assert billed(commands.data) == ALL_OF_IT


def test_exports_are_told_by_their_tables_names() -> None:
    standard, detailed = Export.of(STANDARD_TABLE), Export.of(TABLE)
    assert (standard.account, standard.detailed) == ("01A2B3-C4D5E6-F70819", False)
    assert (detailed.account, detailed.detailed) == ("01A2B3-C4D5E6-F70819", True)
    assert Export.of("p.d.cloud_pricing_export").is_export is False
    assert choose_exports([STANDARD_TABLE, "p.d.cloud_pricing_export"], (), "p.d") == [standard]
    assert choose_exports([STANDARD_TABLE, TABLE], (), "p.d") == [standard, detailed]
    assert parse_tables([TABLE, OTHER_TABLE]) == [detailed, Export.of(OTHER_TABLE)]
    for tables, accounts, text in (
        (["p.d.other"], [], "p.d holds no table gcp_billing_export_v1_"),
        ([TABLE], ["0-0-0"], "p.d holds no export of 0-0-0. It holds: 01A2B3-C4D5E6-F70819."),
    ):
        with pytest.raises(ConfigurationError, match=text):
            choose_exports(tables, accounts, "p.d")


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"SOURCES__GCP__TABLES": '["no table"]'}, "'no table' is not a table"),
        ({"SOURCES__GCP__TABLES": '["p.d.t`; drop"]'}, "is not a table"),
        ({"SOURCES__GCP__DATASETS": '["d"]'}, "both are set"),
        ({"SOURCES__GCP__LOOKBACK_DAYS": "-1"}, "must not be negative"),
    ],
)
def test_wrong_configuration_is_refused(
    server: BigQueryServer, commands: Commands, variables: dict[str, str], text: str
) -> None:
    commands.set(variables)
    ran = commands("load", "gcp")
    assert (ran.status, ran.out) == (2, "")
    assert text in ran.err


# Second runs, and what changed.


def test_a_run_without_change_asks_once_per_table_over_few_partitions(
    server: BigQueryServer, commands: Commands
) -> None:
    load(commands)
    server.reset()
    assert load(commands) == "gcp: 0 loaded, 3 unchanged, 0 failed\n"
    assert [kind for kind, _ in server.requests if kind != "token"] == ["jobs.query"]


def test_history_is_not_scanned_again(server: BigQueryServer, commands: Commands) -> None:
    begin = date(2026, 9, 1)
    put(server, {str(begin + timedelta(days=n)): [1.0] for n in range(5)})
    assert load(commands).startswith("gcp: 5 loaded")
    server.reset()
    assert load(commands) == "gcp: 0 loaded, 4 unchanged, 0 failed\n"
    assert len(server.queries) == 1


def test_restated_days_replace_the_old_ones(server: BigQueryServer, commands: Commands) -> None:
    """More rows, fewer, other ones: whatever a day has now is what is published.

    A day that BigQuery no longer has stays: its partition expired.
    """
    commands.set({"SOURCES__MAX_SHRINK": "1"})
    load(commands)
    changed = {"2026-10-28": [1.0], "2026-10-30": [8.0, 8.0, 8.0], "2026-10-31": [16.0]}
    put(server, changed)
    assert load(commands) == "gcp: 3 loaded, 0 unchanged, 0 failed\n"
    assert billed(commands.data) == changed | {"2026-10-29": [4.0]}
    server.reset()
    assert load(commands) == "gcp: 0 loaded, 3 unchanged, 0 failed\n"


@pytest.mark.thorough
def test_late_rows_and_corrections_are_loaded_with_their_export_day(
    server: BigQueryServer, commands: Commands
) -> None:
    """Equal rows but for cost, and an export later the same day: only that day is read."""
    load(commands)
    late = rows({"2026-10-30": [-8.0, 6.0]}, at=21)
    server.load(TABLE, table_of([*rows(DAYS), *late]))
    assert load(commands) == "gcp: 1 loaded, 2 unchanged, 0 failed\n"
    assert billed(commands.data)["2026-10-30"] == [-8.0, 6.0, 8.0, 8.0]


@pytest.mark.thorough
def test_a_changed_cost_alone_is_a_change(server: BigQueryServer, commands: Commands) -> None:
    load(commands)
    put(server, DAYS | {"2026-10-29": [4.000001]})
    assert load(commands) == "gcp: 1 loaded, 2 unchanged, 0 failed\n"
    assert billed(commands.data)["2026-10-29"] == [4.000001]


@pytest.mark.thorough
def test_a_row_that_is_ingested_the_next_day_belongs_to_its_export_day(
    server: BigQueryServer, commands: Commands
) -> None:
    moment = datetime(2026, 10, 30, 23, 59, 59, tzinfo=UTC)
    partition = datetime(2026, 10, 31, tzinfo=UTC)
    edge = LINE | {"cost": 32.0, "export_time": moment, "_PARTITIONTIME": partition}
    buffered = LINE | {"cost": 64.0, "export_time": moment, "_PARTITIONTIME": None}
    server.load(TABLE, table_of([*rows(DAYS), edge, buffered]))
    load(commands)
    assert billed(commands.data)["2026-10-30"] == [8.0, 8.0, 32.0, 64.0]


@pytest.mark.thorough
def test_from_and_to_load_these_days_and_later_runs_go_on_from_there(
    server: BigQueryServer, commands: Commands
) -> None:
    load(commands, "--from", "2026-10-29", "--to", "2026-10-29")
    assert list(billed(commands.data)) == ["2026-10-29"]
    assert load(commands) == "gcp: 1 loaded, 1 unchanged, 0 failed\n"
    assert load(commands, "--from", "2026-10") == "gcp: 1 loaded, 2 unchanged, 0 failed\n"
    assert billed(commands.data) == ALL_OF_IT


@pytest.mark.thorough
def test_force_reads_days_that_have_not_changed(server: BigQueryServer, commands: Commands) -> None:
    load(commands)
    assert load(commands, "--force", "--to", "2026-10-28").startswith("gcp: 1 loaded")


def day(number: int) -> str:
    return f"2026-10-{number:02d}"


@pytest.mark.parametrize(
    ("published", "first"),
    [
        ({}, "1970-01-01"),
        ({day(10): "", day(11): ""}, "1970-01-01"),  # listed, but nothing is published yet
        ({day(n): "x" for n in range(10, 21)}, day(17)),
        ({day(20): "x"}, day(20)),  # a history that begins on purpose
        ({day(n): "x" for n in range(10, 21) if n != 12}, day(12)),  # one is missing
        ({day(n): "x" for n in range(10, 21)} | {day(9): ""}, day(9)),  # one failed
    ],
)
def test_planning_begins_where_something_can_be_new(published: dict[str, str], first: str) -> None:
    assert planning.first_day(Selection(), published, 3).isoformat() == first


# What it costs.


def test_a_dry_run_says_what_would_be_scanned_and_its_price(
    server: BigQueryServer, commands: Commands
) -> None:
    ran = commands("load", "gcp", "--dry-run")
    assert ran.status == 0
    assert ran.out.splitlines()[-1] == (
        "gcp: BigQuery would scan 30 MiB, about 0.0002 USD at 6.25 USD per TiB; its Storage Read "
        "API would charge at most 0.0000 USD, at 1.1 USD per TiB read"
    )
    assert billed(commands.data) == {}
    assert server.counts["jobs.query"] == 1  # the plan; the rest are dry runs


def test_a_limit_of_bytes_stops_a_run_before_it_costs(
    server: BigQueryServer, commands: Commands
) -> None:
    commands.set({"SOURCES__GCP__MAXIMUM_BYTES": str(20 * 1024**2)})
    ran = commands("load", "gcp")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "error: gcp: reading 3 days would scan 30 MiB (about 0.00 USD), more than "
        "sources.gcp.maximum_bytes, 20 MiB. Nothing was read. Raise it, or load fewer days at a "
        "time with --from and --to.\n"
    )
    assert server.counts["jobs.query"] == 1
    assert load(commands, "--from", "2026-10-29").startswith("gcp: 2 loaded")
    commands.set({"SOURCES__GCP__MAXIMUM_BYTES": "1000"})
    ran = commands("load", "gcp")
    assert ran.status == 2
    assert "Query exceeded limit for bytes billed" in ran.err
    assert "Nothing was charged. Raise sources.gcp.maximum_bytes" in ran.err


@pytest.mark.thorough
def test_only_the_partitions_that_are_needed_are_scanned(
    server: BigQueryServer, commands: Commands
) -> None:
    load(commands)
    put(server, DAYS | {"2026-10-30": [8.0, 8.0, 8.0]})
    server.reset()
    load(commands)
    plan, _, read = server.queries  # the one between them is the dry run of the limit
    assert "_PARTITIONTIME >= @since" in plan
    assert "_PARTITIONTIME between @first_0 and @last_0" in read


# Doctor.


def test_the_doctor_names_exports_and_accounts_with_several(
    server: BigQueryServer, commands: Commands
) -> None:
    put(server, DAYS, STANDARD_TABLE)
    commands.monkeypatch.delenv("SOURCES__GCP__TABLES")
    commands.set({"SOURCES__GCP__DATASETS": '["example-billing.billing_export"]'})
    found = [line for line in commands("doctor", "gcp").out.splitlines() if "source gcp" in line]
    assert found[:7] == [
        "ok   source gcp: datasets example-billing.billing_export (from Environment Variables)",
        "ok   source gcp: credentials (from Environment Variables)",
        "ok   source gcp: queries run in project example-billing, at most 1,024 GiB a run",
        "ok   source gcp: days are read by the Storage Read API",
        f"ok   source gcp: export {TABLE}: detailed, billing account 01A2B3-C4D5E6-F70819",
        f"ok   source gcp: export {STANDARD_TABLE}: standard, billing account 01A2B3-C4D5E6-F70819",
        "ok   source gcp: billing account 01A2B3-C4D5E6-F70819 has 2 tables: each usage month is "
        "read from one of them, the detailed export where it has all of the month",
    ]
    assert found[7].startswith(("BAD ", "warn", "ok  "))

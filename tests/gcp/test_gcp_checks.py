"""The checks that GCP adds: silent on good data, on both destinations, and naming what is bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from tests.support.commands import Commands
from tests.support.providers.gcp_days import environ, put, rows, table_of
from tests.support.providers.raw_gcp import TABLE, credit
from tests.support.published_clickhouse import environ as clickhouse_environ
from tests.support.published_clickhouse import query

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

DAYS = {"2026-10-30": [8.0, 8.0], "2026-10-31": [1.0]}


def offending(commands: Commands, *names: str) -> dict[str, list[list[str]]]:
    """The rows that `check` prints, by check; the data is old, which freshness says.

    Of the checks with these names alone, or of every check.
    """
    found: dict[str, list[list[str]]] = {}
    name = ""
    printed = commands.checked(*names) if names else commands("check").out
    for text in printed.splitlines():
        if text.startswith("│"):
            found[name].append([cell.strip() for cell in text.split("│")[1:-1]])
        elif ": one row per" in text:
            name = text.partition(": ")[0]
            found[name] = []
    found.pop("freshness", None)
    return found


@pytest.fixture(params=["filesystem", "clickhouse"])
def loaded(
    request: pytest.FixtureRequest, bigquery_server: BigQueryServer, commands: Commands
) -> tuple[BigQueryServer, ClickHouseConfig | None]:
    """A server whose two days `publish` loads into either destination."""
    config: ClickHouseConfig | None = None
    if request.param == "clickhouse":
        config = request.getfixturevalue("clickhouse")
        assert config
        commands.set(clickhouse_environ(config, commands.data))
        commands.monkeypatch.delenv("SOURCES__AWS__BUCKET_URL")
    commands.set(environ(bigquery_server))
    given = [credit(-0.1, "PROMOTION"), credit(-0.2, "FREE_TIER")]
    bigquery_server.load(TABLE, table_of(rows(DAYS, credits=given)))
    publish(commands, config)
    return bigquery_server, config


def publish(commands: Commands, config: ClickHouseConfig | None, *options: str) -> None:
    assert commands("load", "gcp", *options).status == 0
    if config is None:
        commands.well(" ".join(["normalize", "gcp", *options]))


Loaded = tuple["BigQueryServer", ClickHouseConfig | None]


@pytest.mark.thorough
@pytest.mark.quick("filesystem")
def test_good_days_are_silent_and_a_day_that_shrank_is_named(
    loaded: Loaded, commands: Commands
) -> None:
    server, config = loaded
    assert offending(commands) == {}
    put(server, {"2026-10-30": [8.0], "2026-10-31": [1.0, 2.0]})
    publish(commands, config)
    ((day, before, now, _),) = offending(commands)["gcp_shrunk_day"]
    assert (day, before, now) == ("2026-10-30", "2", "1")
    publish(commands, config, "--force")
    assert offending(commands) == {}


@pytest.mark.quick("filesystem")
def test_a_currency_without_rate_and_an_unknown_cost_type_are_named(
    loaded: Loaded, commands: Commands
) -> None:
    server, config = loaded
    euros = rows({"2026-10-31": [5.0]}, currency="EUR", currency_conversion_rate=None)
    unknown = rows({"2026-10-31": [7.0]}, cost_type="future")
    server.load(TABLE, table_of([*rows({"2026-10-30": [8.0, 8.0]}), *euros, *unknown]))
    publish(commands, config)
    assert offending(commands) == {
        "missing_rate": [["gcp", "2026-10-31", "EUR", "1", "5.00"]],
        "unclassified_line_items": [["gcp", "2026-10-31", "future", "1", "7.00"]],
    }


@pytest.mark.thorough
def test_raw_rows_that_do_not_add_up_are_named(
    clickhouse: ClickHouseConfig, bigquery_server: BigQueryServer, commands: Commands
) -> None:
    """On ClickHouse, where raw can be spoiled behind a load's back."""
    commands.set(clickhouse_environ(clickhouse, commands.data))
    commands.monkeypatch.delenv("SOURCES__AWS__BUCKET_URL")
    commands.set(environ(bigquery_server))
    put(bigquery_server, DAYS)
    publish(commands, clickhouse)
    raw = "gcp_costs__billing_export"
    query(
        clickhouse,
        f"insert into {raw} select * replace ('other' as x_export_table, "
        f"toDateTime64('2026-10-29 00:00:00', 6, 'UTC') as export_time) from {raw} "
        "where export_date = '2026-10-31'",
    )
    found = offending(commands)
    exported = "2026-10-29 00:00"
    assert found["gcp_counted_twice"] == [
        ["2026-10-01", "01A2B3-C4D5E6-F70819", "1", TABLE, "other", "4"]
    ]
    assert found["gcp_foreign_day"] == [["2026-10-31", exported, exported, "1"]]
    assert "gcp_conservation" not in found  # the view published the row as well
    query(
        clickhouse,
        f"alter table {raw} update x_credit_total = -1 where export_date = '2026-10-30' "
        "settings mutations_sync = 2",
    )
    assert offending(commands)["gcp_conservation"] == [["2026-10-30", "2", "2", "14.00", "16.00"]]

"""What there is to tell: every kind of event with its figures, on both destinations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.alerts.events import Event, read
from pipelines.alerts.settings import alert_settings
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.marts.catalogue import local_connection
from pipelines.marts.checks import ClickHouseConnection, Connection
from pipelines.tables.overview import runs_schema
from pipelines.tables.schema import arrow_of
from pipelines.tables.shapes import mart_columns
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ

AT = datetime(2026, 11, 20, 4, tzinfo=UTC)
Row = dict[str, Any]


def anomaly(value: str, first: date, last: date) -> Row:
    return {
        "first_day": first, "last_day": last, "days": (last - first).days + 1, "is_ongoing": 0,
        "source": "aws", "dimension": "service", "value": value, "name": value,
        "direction": "rise", "reporting_currency": "USD", "expected": 1000.0, "actual": 2234.5,
        "impact": 1234.5,
    }  # fmt: skip


def budget(month: date, service: str, burned: float, projected: float | None) -> Row:
    texts = dict.fromkeys(("provider", "account", "tag_column", "tag_value", "product"), "")
    return texts | {
        "month": month, "as_of": date(2026, 11, 18), "service": service,
        "reporting_currency": "USD", "budget": 1000.0, "burned": burned, "projected": projected,
        "burned_share": 0.0, "projected_share": 0.0, "line_items": 1,
        "line_items_without_cost": 0,
    }  # fmt: skip


def run(source_name: str, day: int, outcome: str) -> Row:
    ended = datetime(2026, 11, day, 2, 10, tzinfo=UTC)
    counts = dict.fromkeys(("loaded", "unchanged", "failed", "kept"), 0)
    return counts | {
        "word": source_name, "command": "load", "started_at": ended, "ended_at": ended,
        "outcome": outcome,
    }  # fmt: skip


def restated(partition: str, change: float, at: datetime, kind: str = "restated") -> Row:
    return {
        "source": "aws", "source_partition": partition, "month": partition,
        "billing_currency": "USD", "delivery": 2, "kind": kind, "is_current": 1,
        "line_items": 10, "billed": 5000.0, "effective": 5000.0, "line_items_change": 0,
        "billed_change": change, "effective_change": change, "month_billed": 5000.0,
        "month_effective": 5000.0, "delivered_at": at, "published_at": at,
    }  # fmt: skip


def commitment(month: date, name: str, end: date | None) -> Row:
    amounts = dict.fromkeys(("used_cost", "unused_cost", "covered_list", "on_demand_list"), 1.0)
    return amounts | {
        "month": month, "is_partial": 0, "reporting_currency": "USD", "provider_name": "AWS",
        "commitment_type": "Savings Plan", "commitment_id": f"arn:aws:savingsplans::1:{name}",
        "line_items_without_cost": 0, "ends_on": end, "days_left": 30 if end else None,
    }  # fmt: skip


NOVEMBER = date(2026, 11, 1)
LATE = datetime(2026, 11, 19, 2, 10, tzinfo=UTC)
TABLES: dict[str, Sequence[Row]] = {
    "cost_anomalies": [
        anomaly("Amazon EC2", date(2026, 11, 16), date(2026, 11, 18)),
        anomaly("Amazon S3", date(2026, 11, 18), date(2026, 11, 18)),
        anomaly("AWS Lambda", date(2026, 11, 1), date(2026, 11, 2)),  # too long ago
    ],
    "budgets": [
        budget(NOVEMBER, "", 600.0, 1200.0),
        budget(NOVEMBER, "Amazon EC2", 1010.0, 1500.0),
        budget(NOVEMBER, "Amazon S3", 10.0, 20.0),
        budget(NOVEMBER, "AWS Lambda", 10.0, None),  # nothing can be projected
        budget(date(2026, 9, 1), "", 5000.0, 5000.0),  # two months ago
    ],
    "restatements": [
        restated("2026-09", -120.5, LATE),
        restated("2026-08", 99.0, LATE),  # below the limit
        restated("2026-11", 900.0, LATE),  # of an open month
        restated("2026-07", 900.0, datetime(2026, 11, 1, tzinfo=UTC)),  # too long ago
        restated("2026-06", 900.0, LATE, "recalculated"),
    ],
    "commitments": [
        commitment(NOVEMBER, "savingsplan/first", date(2026, 11, 21)),
        commitment(date(2026, 10, 1), "savingsplan/first", date(2026, 11, 21)),
        commitment(NOVEMBER, "savingsplan/last", date(2026, 12, 20)),
        commitment(NOVEMBER, "savingsplan/later", date(2026, 12, 21)),
        commitment(NOVEMBER, "savingsplan/over", date(2026, 11, 19)),
        commitment(NOVEMBER, "savingsplan/unknown", None),
    ],
    "runs": [
        run("aws", 18, "well"), run("aws", 19, "failed"), run("aws", 20, "partly"),
        run("gcp", 19, "failed"), run("gcp", 20, "well"),
        run("stripe", 17, "well"),
        run("deribit", 1, "well"),  # not configured any more
    ],
}  # fmt: skip


@pytest.fixture(params=["filesystem", pytest.param("clickhouse", marks=pytest.mark.thorough)])
def connection(
    request: pytest.FixtureRequest, commands: Commands, tmp_path: Path
) -> Iterator[Connection]:
    """The tables of a destination, and what AWS offers and nobody loaded."""
    commands.set(
        {
            "SOURCES__AWS__BUCKET_URL": (tmp_path / "bucket").as_uri(),
            "SOURCES__GCP__DATASETS": '["p.d"]',
            "SOURCES__STRIPE__STRIPE_SECRET_KEY": "rk_test",
        }
    )
    if request.param == "filesystem":
        yield in_parquet(commands.data)
        return
    config: ClickHouseConfig = request.getfixturevalue("clickhouse")
    commands.set(environ(config, tmp_path / "bucket"))
    with ClickHouseManager(config) as manager:
        for name, rows in TABLES.items():
            manager.execute_many(
                f"insert into {name} ({', '.join(rows[0])}) values",
                [tuple(row.values()) for row in rows],
            )
        manager.execute(
            "insert into provider_partitions (word, partition, fingerprint, delivered_at) "
            "values ('aws', '2026-10', 'f', '2026-11-01 00:00:00')"
        )
    with connect(config) as client:
        yield ClickHouseConnection(client, config)


def in_parquet(data: Path) -> Connection:
    columns = mart_columns(["Environment", "Team", "Application"])
    files = {f"marts/{n}/data.parquet": (n, TABLES[n]) for n in TABLES if n != "runs"}
    for path, (name, rows) in files.items():
        write(data / path, pa.Table.from_pylist(list(rows), arrow_of(columns[name])))
    write(data / "runs" / "all.parquet", pa.Table.from_pylist(list(TABLES["runs"]), runs_schema()))
    offered = {
        "partition": "2026-10", "fingerprint": "f", "delivered_at": "2026-11-01T00:00:00+00:00"
    }  # fmt: skip
    listing = data / "aws_costs" / "_provider_cur.json"
    listing.parent.mkdir(parents=True)
    listing.write_text(json.dumps([offered]))
    return local_connection(configured_store())


def write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)


def test_what_happened_is_read_with_its_figures(connection: Connection) -> None:
    found = read(connection, alert_settings(), AT, ["aws", "check", "report"])
    assert [event for event in found if event.kind != "check"] == [
        Event(
            "budget/2026-11///////projected",
            "Budget of all cost for 2026-11 is projected to be passed",
            "1,200.00 USD of 1,000.00 (120%), as of 2026-11-18.",
        ),
        Event(
            "budget/2026-11///Amazon%20EC2////passed",
            "Budget of Amazon EC2 for 2026-11 is passed",
            "1,010.00 USD of 1,000.00 (101%), as of 2026-11-18.",
        ),
        Event(
            "anomaly/aws/service/Amazon%20EC2/rise/2026-11-16",
            "Unusual cost: service Amazon EC2 of aws rose",
            "2,234.50 USD instead of 1,000.00 on 3 days from 2026-11-16 to 2026-11-18: "
            "1,234.50 USD.",
        ),
        Event(
            "anomaly/aws/service/Amazon%20S3/rise/2026-11-18",
            "Unusual cost: service Amazon S3 of aws rose",
            "2,234.50 USD instead of 1,000.00 on 2026-11-18: 1,234.50 USD.",
        ),
        Event(
            "source/aws/2026-11-18T02%3A10%3A00%2B00%3A00",
            "Source aws failed",
            "Last good load: 2026-11-18 02:10 UTC; last load: 2026-11-20 02:10 UTC.",
        ),
        Event(
            "source/stripe/2026-11-17T02%3A10%3A00%2B00%3A00",
            "Source stripe is late",
            "Last good load: 2026-11-17 02:10 UTC; last load: 2026-11-17 02:10 UTC.",
        ),
        Event(
            "restatement/aws/2026-09/2026-11-19T02%3A10%3A00%2B00%3A00",
            "aws restated 2026-09",
            "-120.50 USD: billed is 5,000.00 USD now, 5,120.50 before.",
        ),
        *(
            Event(
                f"commitment/AWS/arn%3Aaws%3Asavingsplans%3A%3A1%3Asavingsplan%2F{name}/{end}",
                f"Savings Plan {name} of AWS ends {when}",
                f"arn:aws:savingsplans::1:savingsplan/{name} ends on {end}: renew it, or what it "
                "pays for costs the on-demand price.",
            )
            for name, end, when in (
                ("first", "2026-11-21", "in 1 day"),
                ("last", "2026-12-20", "in 30 days"),
            )
        ),
        # aws and check have events of their own
        Event("step/report", "Nightly run: report failed", "Its log says why."),
    ]
    failed = {event.key: event for event in found if event.kind == "check"}
    assert failed["check/stale_partitions"] == Event(
        "check/stale_partitions",
        "Check stale_partitions failed",
        "1 row, one per partition whose published rows are older than what the provider has "
        "delivered.",
    )


def test_limits_are_the_configured_ones(connection: Connection, commands: Commands) -> None:
    commands.set(
        {
            "ALERT__DAYS": "60", "ALERT__RESTATED_AMOUNT": "50", "ALERT__LATE_HOURS": "100",
            "ALERT__RESTATED_AFTER_DAYS": "-40", "ALERT__ENDING_DAYS": "31",
        }
    )  # fmt: skip
    titles = [event.title for event in read(connection, alert_settings(), AT)]
    assert "Unusual cost: service AWS Lambda of aws rose" in titles
    assert "Source stripe is late" not in titles
    assert "Savings Plan later of AWS ends in 31 days" in titles
    assert [title for title in titles if "restated" in title] == [
        "aws restated 2026-07",
        "aws restated 2026-08",
        "aws restated 2026-09",
        "aws restated 2026-11",
    ]

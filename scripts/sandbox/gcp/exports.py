"""A deterministic GCP billing export: an example company's four months, two accounts.

The account in USD has both exports, the standard and the detailed one, of the same spend; the
account in CHF has the standard one alone. No clock and no unseeded random number.

`restated=True` is the same export a day later: late rows in two export days that were there
before, the day 2026-11-01 with the rest of October and with corrections.

    python -m scripts.sandbox gcp [--port 9050] [--key FILE] [--restated]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from scripts.sandbox.gcp import charges, estate, lines, schema
from scripts.sandbox.gcp.estate import Account
from scripts.sandbox.gcp.lines import Line, Moment
from scripts.sandbox.gcp.meters import Meter
from scripts.sandbox.gcp.workloads import workloads

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

PROJECT = "example-billing"
DATASET = "billing_export"
STANDARD_USD = f"{PROJECT}.{DATASET}.gcp_billing_export_v1_{estate.USD.suffix}"
DETAILED_USD = f"{PROJECT}.{DATASET}.gcp_billing_export_resource_v1_{estate.USD.suffix}"
STANDARD_CHF = f"{PROJECT}.{DATASET}.gcp_billing_export_v1_{estate.CHF.suffix}"
#: Each table's account and schema.
TABLES: dict[str, tuple[Account, pa.Schema]] = {
    STANDARD_USD: (estate.USD, schema.STANDARD),
    DETAILED_USD: (estate.USD, schema.DETAILED),
    STANDARD_CHF: (estate.CHF, schema.STANDARD),
}
INVOICES = ("202607", "202608", "202609", "202610")
FIRST_DAY, LAST_DAY = date(2026, 7, 1), date(2026, 10, 31)
#: Export days that get more rows when restated, and the day that is new then.
LATE_DAYS = (date(2026, 10, 29), date(2026, 10, 30))
NEW_DAY = date(2026, 11, 1)
_CORRECTED_DAY = date(2026, 9, 20)


def tables(
    *, restated: bool = False, shrunk_day: date | None = None, since: date = date.min
) -> dict[str, pa.Table]:
    """Every table by its full name, `_PARTITIONTIME` included; rows by export.

    `shrunk_day` is an export day of which every second row is gone, as a source must notice.
    `since` is the day on which the export was set up: there is nothing before.
    """
    rows = [row for row in _arrived(restated=restated) if row["export_time"].date() >= since]
    if shrunk_day:
        rows = [
            row
            for number, row in enumerate(rows)
            if row["export_time"].date() != shrunk_day or number % 2
        ]
    return {name: _table(rows, *of) for name, of in TABLES.items()}


def load_into(
    server: BigQueryServer,
    *,
    restated: bool = False,
    shrunk_day: date | None = None,
    since: date = date.min,
) -> None:
    """Create or replace every table."""
    for name, table in tables(restated=restated, shrunk_day=shrunk_day, since=since).items():
        server.load(name, table)


def totals(table: pa.Table) -> dict[tuple[str, str, str], int]:
    """Net micros by invoice month, currency and cost type."""
    found: Counter[tuple[str, str, str]] = Counter()
    for row in table.select(["invoice", "currency", "cost_type", "cost", "credits"]).to_pylist():
        key = (row["invoice"]["month"], row["currency"], row["cost_type"])
        found[key] += charges.net(row)
    return dict(sorted(found.items()))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--port", type=int, default=9050, help="loopback port, 0 for any")
    parser.add_argument("--key", type=Path, help="write the service account's key file here")
    parser.add_argument("--restated", action="store_true", help="the export a day later")


def main(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from scripts.sandbox.bigquery.server import BigQueryServer  # the other sources start without it

    with BigQueryServer(PROJECT, port=arguments.port) as server:
        for name, table in tables(restated=arguments.restated).items():
            server.load(name, table)
            print(f"gcp {name}: {table.num_rows:,} rows")
        if arguments.key:
            arguments.key.write_text(json.dumps(server.service_account(), indent=2))
            print(f"key file: {arguments.key}")
        print(f"SOURCES__GCP__STORAGE_URL={server.storage_url}")
        print(f"BIGQUERY_EMULATOR_HOST={server.url}", flush=True)
        server.wait()
    return 0


@cache
def _everything() -> tuple[Line, ...]:
    """All rows that are ever exported, by export run."""
    rows = []
    for number in range((LAST_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(days=number)
        used = [row for meter in workloads() for row in _metered(meter, day)]
        rows += [*used, *charges.commitments(day, used)]
        if day.day == 1:
            rows += charges.monthly(day)
    rows += list(charges.adjustments(rows))
    rows += _corrections(rows, date(2026, 9, 12), _CORRECTED_DAY)
    for month in INVOICES[:-1]:  # the last invoice is open
        rows += charges.closing(month, [row for row in rows if row["invoice"]["month"] == month])
    rows += _corrections(rows, date(2026, 10, 21), NEW_DAY)
    return tuple(sorted(rows, key=lambda row: row["export_time"]))


def _arrived(*, restated: bool) -> list[Line]:
    """What the tables hold; the late rows are a tenth of their days."""
    end = datetime.combine(NEW_DAY + timedelta(days=restated), time(), UTC)
    made = []
    for number, row in enumerate(_everything()):
        is_late = row["export_time"].date() in LATE_DAYS and number % 10 == 3
        if row["export_time"] < end and (restated or not is_late):
            made.append(row)
    return made


def _metered(meter: Meter, day: date) -> list[Line]:
    """A meter's rows of one Pacific day: one, or one for each of its hours."""
    windows = [(lines.pacific(day, hour), timedelta(hours=1)) for hour in meter.hours]
    if not windows:
        start = lines.pacific(day)
        windows = [(start, lines.pacific(day + timedelta(days=1)) - start)]
    made = []
    for start, length in windows:
        delay = timedelta(hours=3)
        is_last = (day + timedelta(days=1)).day == 1
        if lines.chance(meter.key, start) < (0.2 if is_last else 0.02):
            delay = timedelta(days=3)  # reported late
        moment = Moment(start, start + length, lines.next_run(start + length + delay))
        row = lines.usage(meter, moment, 1 / len(windows))
        if is_last and delay.days:  # rolls over to the next invoice
            row["invoice"]["month"] = lines.month_of(day + timedelta(days=1))
        made.append(row)
        if meter.credit == "identical" and day.day % 9 == 0 and start == windows[0][0]:
            made.append(row)  # legal: nothing makes a row unique
    return made


def _corrections(rows: list[Line], used: date, exported: date) -> list[Line]:
    """Three rows of a day's usage, taken back and said again at 80 %."""
    run = datetime.combine(exported, lines.RUNS[2], UTC)
    names = {"web-3", "lake-raw", "erp-1"}
    skus: set[str] = set()
    made = []
    for row in rows:
        resource = (row.get("resource") or {}).get("name")
        if resource in names and row["usage_start_time"] == lines.pacific(used):
            if resource in skus:
                continue
            skus.add(resource)
            made += charges.corrected(row, run, 80)
    return made


def _table(rows: list[Line], account: Account, columns: pa.Schema) -> pa.Table:
    own = [
        row
        | {
            schema.PARTITION_TIME: datetime.combine(row["export_time"].date(), time(), UTC),
        }
        for row in rows
        if row["billing_account_id"] == account.id
    ]
    return pa.Table.from_pylist(own, schema=columns)

"""Section on the marts: how long each takes to read, and what a night with one change costs.

`python -m scripts.bench marts`. On files the marts of a night are computed, one month of 6, 24 and
48 changed. On ClickHouse every mart is read, and every query of Rill's Overview and Cost
boards is sent, over 24 months of a million cost lines. The server generates them: half are of
resources that run all month, half of resources that live for a day.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator

from scripts.bench.data import nights
from scripts.bench.data.boards import RILL_SETTINGS, queries
from scripts.bench.figures import Figure, Section
from scripts.bench.process import Workplace, run
from scripts.bench.runs import Bench
from scripts.bench.servers.clickhouse import Server

MARTS = (
    "cost_overview",
    "cost_movers",
    "commitments",
    "margin_daily",
    "margin_by_product",
    "restatements",
    "freshness",
)
BOARDS = {"overview_board": "Overview", "cost_board": "Cost"}
NIGHTS = 6, 24, 48
LINES = 1_000_000  # of a month, if the bench has as many rows
TIMES = 5  # the server compiles an expression when it has seen it three times
COLUMNS = (
    "provider_name",
    "publisher_name",
    "invoice_issuer_name",
    "invoice_id",
    "billing_account_id",
    "billing_account_name",
    "sub_account_id",
    "sub_account_name",
    "billing_period_start",
    "billing_period_end",
    "charge_period_start",
    "charge_period_end",
    "charge_category",
    "charge_frequency",
    "service_category",
    "service_name",
    "sku_id",
    "region_id",
    "region_name",
    "resource_id",
    "consumed_quantity",
    "consumed_unit",
    "pricing_quantity",
    "pricing_unit",
    "pricing_category",
    "billed_cost",
    "effective_cost",
    "list_cost",
    "contracted_cost",
    "billing_currency",
    "commitment_discount_id",
    "commitment_discount_type",
    "commitment_discount_category",
    "commitment_discount_status",
    "tag_environment",
    "tag_team",
    "x_commitment_family",
    "x_commitment_end",
    "x_usage_date",
    "x_source",
    "x_partition",
    "x_line_item_type",
    "x_credit_amount",
    "x_currency_rate_usd",
    "x_billed_cost_usd",
    "x_effective_cost_usd",
    "x_fingerprint",
    "x_dlt_load_id",
)


def marts(bench: Bench) -> Section:
    """Both destinations."""
    figures = [*_on_files(bench), *_on_clickhouse(bench)]
    return Section(
        "marts",
        "Files: a night in which one month changed. "
        f"ClickHouse: {bench.periods} months of {_lines(bench):,} cost lines, medians of {TIMES}.",
        figures,
    )


def _on_files(bench: Bench) -> Iterator[Figure]:
    for months in NIGHTS:
        bench.say(f"marts: a night with {months} months on files")
        place = Workplace(bench.home / "work" / f"night-{months}", bench.home)
        rows = min(nights.ROWS, bench.rows)
        command = ["-m", nights.__name__, str(months), str(rows)]
        said = run(command, place.environ).said
        key, what = f"night_{months}", f"night with {months} months, marts on files"
        yield Figure(f"{key}_s", what, said["seconds"], "s", limit=1.0)
        yield Figure(f"{key}_cpu_s", f"{what}, processor", said["cpu_seconds"], "s")
        yield Figure(f"{key}_mb", f"{what}, memory", said["peak_mb"], "MB", limit=500)
        shutil.rmtree(place.folder)


def _on_clickhouse(bench: Bench) -> Iterator[Figure]:
    folder = bench.home / "work" / "marts-server"
    shutil.rmtree(folder, ignore_errors=True)
    with Server(folder) as server:
        into = server.environ | {"DLT_DESTINATION": "clickhouse"}
        place = Workplace(bench.home / "work" / "marts", bench.home, into)
        place.pipelines("migrate")
        for number in range(bench.periods):
            bench.say(f"marts: month {number + 1} of {bench.periods}")
            server.ask(_month(number, _lines(bench)))
        bench.say("marts: summing up by day")
        place.pipelines("migrate")  # what a database without daily rows gets
        server.settle()
        yield Figure("marts_days", "daily rows", _count(server, "costs_daily"), "rows")
        yield Figure("marts_lines", "cost lines", _count(server, "costs"), "rows")
        for name in MARTS:
            took = _timed(server, f"select * from {name}")
            yield Figure(f"marts_{name}_s", f"read {name}", took, "s", limit=0.3)
        for board, title in BOARDS.items():
            yield from _board(server, board, title)
        shutil.rmtree(place.folder)


def _board(server: Server, board: str, title: str) -> Iterator[Figure]:
    asked = queries(board, server.database)
    took = {what: _timed(server, f"{sql} settings {RILL_SETTINGS}") for what, sql in asked}
    slowest = max(took, key=lambda what: took[what])
    key = f"marts_{board}"
    what = f"{title} board, slowest of {len(took)} queries ({slowest})"
    yield Figure(f"{key}_slowest_s", what, took[slowest], "s", limit=0.3)
    limit = 2.0 if board == "overview_board" else None
    yield Figure(f"{key}_s", f"{title} board, all queries in turn", sum(took.values()), "s", limit)


def _timed(server: Server, sql: str) -> float:
    return statistics.median(server.timed(f"{sql} format Null") for _ in range(TIMES))


def _count(server: Server, table: str) -> float:
    return float(server.ask(f"select count() from {table}"))


def _lines(bench: Bench) -> int:
    return min(LINES, bench.rows)


def _month(number: int, lines: int) -> str:
    """An insert of one month's cost lines."""
    year, month = 2025 + number // 12, number % 12 + 1
    first = f"toDateTime64('{year}-{month:02d}-01 00:00:00', 6, 'UTC')"
    resource = f"if(number < {lines // 2}, intDiv(number, hours), 100000 + intDiv(number, 24))"
    return f"""
insert into normalized_aws ({", ".join(COLUMNS)})
with toUInt64(dateDiff('hour', {first}, addMonths({first}, 1))) as hours,
        {resource} as resource, resource % 17 as meter, resource % 10 as kind,
        addHours({first}, if(number < {lines // 2}, number % hours,
            (intDiv(number, 24) * 24) % hours + number % 24)) as start,
        round((cityHash64(number) % 100000) / 1000000, 6) as cost
    select
        'AWS' as provider_name, 'AWS' as publisher_name, 'AWS' as invoice_issuer_name,
        '1748392011' as invoice_id, '999988887777' as billing_account_id,
        'Example Holding' as billing_account_name,
        toString(100000000000 + resource % 24) as sub_account_id,
        concat('account ', toString(resource % 24)) as sub_account_name,
        {first} as billing_period_start, addMonths({first}, 1) as billing_period_end,
        start as charge_period_start, addHours(start, 1) as charge_period_end,
        'Usage' as charge_category, 'Usage-Based' as charge_frequency,
        concat('category ', toString(meter % 5)) as service_category,
        concat('service ', toString(meter)) as service_name,
        concat('sku ', toString(resource % 800)) as sku_id,
        concat('region-', toString(resource % 6)) as region_id,
        concat('Region ', toString(resource % 6)) as region_name,
        concat('arn:aws:resource/', toString(resource)) as resource_id,
        1.0 as consumed_quantity, 'Hrs' as consumed_unit, 1.0 as pricing_quantity,
        'Hrs' as pricing_unit, if(kind < 2, 'Committed', 'Standard') as pricing_category,
        cost as billed_cost, cost as effective_cost, cost * 1.2 as list_cost,
        cost as contracted_cost, 'USD' as billing_currency,
        if(kind < 2, concat('plan ', toString(resource % 12)), null) as commitment_discount_id,
        if(kind < 2, 'Savings Plan', null) as commitment_discount_type,
        if(kind < 2, 'Spend', null) as commitment_discount_category,
        if(kind < 2, 'Used', null) as commitment_discount_status,
        if(kind = 9, null, concat('env ', toString(resource % 4))) as tag_environment,
        if(kind = 9, null, concat('team ', toString(resource % 8))) as tag_team,
        'ComputeSavingsPlan' as x_commitment_family,
        if(kind < 2, toDateTime64('2027-03-14 10:00:00', 6, 'UTC'), null) as x_commitment_end,
        toDate32(start) as x_usage_date,
        'aws' as x_source, '{year}-{month:02d}' as x_partition, 'Usage' as x_line_item_type,
        0.0 as x_credit_amount, 1.0 as x_currency_rate_usd, cost as x_billed_cost_usd,
        cost as x_effective_cost_usd, 'f{number}' as x_fingerprint, '1.0' as x_dlt_load_id
    from numbers({lines})
"""

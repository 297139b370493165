"""Section on requests that are limited or paid for: ClickHouse Cloud's API and Cost Explorer."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime

from pipelines.core.months import after, between
from scripts.bench.data.bucket import PERIOD, Shape, bill, export
from scripts.bench.figures import Figure, Section
from scripts.bench.runs import Bench
from scripts.sandbox.aws_billing.server import AwsBillingServer, Total
from scripts.sandbox.clickhouse_cloud.server import ClickhouseCloudServer
from scripts.sandbox.clickhouse_cloud.usage import records

MONTHS, NIGHTS = 13, 30
SERVICES, RECORD_TYPES = 40, 3
PAGE_USD = 0.01  # what AWS charges for a page of GetCostAndUsage


def requests(bench: Bench) -> Section:
    """Thirteen months from the start, the same again, and a night with two months open."""
    today = datetime.now(UTC).date()
    this = f"{today:%Y-%m}"
    figures = [*_clickhouse_cloud(bench, today, this), *_cost_explorer(bench, this)]
    return Section(
        "requests",
        f"{MONTHS} months. ClickHouse Cloud allows 10 requests in 10 s and windows of 31 days; AWS "
        f"charges {PAGE_USD} USD per page of Cost Explorer, here of {SERVICES} services with "
        f"{RECORD_TYPES} record types. A night asks again for this month and the last.",
        figures,
    )


def _clickhouse_cloud(bench: Bench, today: date, this: str) -> list[Figure]:
    bench.say(f"requests: ClickHouse Cloud, {MONTHS} months")
    first = date.fromisoformat(f"{after(this, 1 - MONTHS)}-01")
    place = bench.workplace("requests", bench.home)
    with ClickhouseCloudServer(records(first, today, today), created=first) as server:
        place.environ |= server.environ
        ran = place.pipelines("load", "clickhouse_cloud")
        whole = len(server.seen)
        place.pipelines("load", "clickhouse_cloud")
        night = len(server.seen) - whole
    shutil.rmtree(place.folder)
    return [
        Figure("cloud_requests", "ClickHouse Cloud, the first load", whole, "req", MONTHS + 1),
        Figure("cloud_wall_s", "it takes, with the limit kept", ran.seconds, "s"),
        Figure("cloud_night_requests", "ClickHouse Cloud, a night", night, "req", 3),
    ]


def _cost_explorer(bench: Bench, this: str) -> list[Figure]:
    bench.say(f"requests: Cost Explorer, {MONTHS} months")
    files = bill(bench.home / "bills", Shape(min(bench.rows, 10_000)))[PERIOD]
    place = bench.workplace(
        "requests", export(bench.home / "buckets" / "requests", {PERIOD: files})
    )
    totals = [
        Total(month, f"Service {service}", f"Type {kind}", "1.5", "1.5")
        for month in between(after(this, 1 - MONTHS), this)
        for service in range(SERVICES)
        for kind in range(RECORD_TYPES)
    ]
    with AwsBillingServer(totals) as server:
        place.environ |= server.environ | {"SOURCES__AWS__OBJECTS": '["cost_explorer"]'}
        pages: list[int] = []
        for options in ((), (), ("--force", "--from", after(this, -1))):
            place.pipelines("load", "aws", *options)
            pages.append(server.asked.count("GetCostAndUsage") - sum(pages))
    shutil.rmtree(place.folder)
    whole, again, night = pages
    price = NIGHTS * night * PAGE_USD
    return [
        Figure("explorer_pages", "Cost Explorer, the first load", whole, "pages", 2),
        Figure("explorer_again_pages", "Cost Explorer, again on that day", again, "pages"),
        Figure("explorer_night_pages", "Cost Explorer, a night", night, "pages", 1),
        Figure("explorer_month_usd", f"Cost Explorer, {NIGHTS} nights", price, "USD", 0.31),
    ]

"""Bytes and cost of data transfer: ClickHouse Cloud's meters, AWS by direction and regions.

    python -m scripts.monitor_egress [--days 30] [--json egress.json] [--strict]

Transfer within a region is free of charge, and egress is not: it warns when the loader runs in
another region (AWS_DEFAULT_REGION) than the service (CLICKHOUSE_CLOUD_REGION).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.core.partition import ConfigurationError, UserError
from pipelines.marts.checks import Connection
from scripts.costs.prices import prices
from scripts.costs.published import opened, parser, show, write

_COLUMNS = ("source", "from", "to", "direction", "GB", "cost", "currency")
_CODE = r"[A-Z]{2,4}\d?"
_TO_REGION = re.compile(rf"^(?:({_CODE})-)?({_CODE})-AWS-(In|Out)-Bytes$")
_USUAL = re.compile(rf"^(?:({_CODE})-)?DataTransfer-(In|Out|Regional|xAZ-In|xAZ-Out)-Bytes$")
_HOME = "USE1"  # usage types of us-east-1 have no prefix
_WAYS = {
    "In": ("internet", "in"),
    "Out": ("internet", "out"),
    "Regional": ("another zone", "between zones"),
    "xAZ-In": ("another zone", "between zones"),
    "xAZ-Out": ("another zone", "between zones"),
}
_CLOUD = """
select days.sku_id as meter, sum(days.billed_cost) as cost, days.billing_currency as currency
from costs_daily as days
cross join (
    select max(x_usage_date) as newest_day from costs_daily where x_source = 'clickhouse_cloud'
) as newest
where days.service_name = 'ClickHouse Cloud Data Transfer'
    and days.x_usage_date > cast(newest.newest_day - interval {days} day as date)
group by days.sku_id, days.billing_currency
order by meter
"""
_AWS = """
select line_item_usage_type as usage_type, sum(line_item_usage_amount) as gigabytes,
    sum(line_item_unblended_cost) as cost, line_item_currency_code as currency
from aws_costs__cur as lines_of
cross join (
    select max(line_item_usage_start_date) as newest from aws_costs__cur
    where line_item_line_item_type = 'Usage'
) as newest_of
where line_item_line_item_type = 'Usage'
    and line_item_usage_type like '%-Bytes'
    and line_item_usage_start_date > newest_of.newest - interval {days} day
group by line_item_usage_type, line_item_currency_code
order by usage_type
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 when it cannot be read, or with --strict when regions differ; 2: configuration."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--strict", action="store_true", help="exit 1 when the regions differ")
    chosen = options.parse_args(arguments)
    try:
        with opened(chosen.destination) as tables:
            rows = transfers(tables, chosen.days)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    show(f"Data transfer of the newest {chosen.days} days", _COLUMNS, rows, _COLUMNS[4:6])
    warning = regions(os.environ)
    print(warning or "The loader and the service are not known to be in different regions.")
    document = {"transfers": [dict(zip(_COLUMNS, row, strict=True)) for row in rows],
                "warning": warning}  # fmt: skip
    write(chosen.json, document)
    return 1 if warning and chosen.strict else 0


def transfers(tables: Connection, days: int) -> list[Sequence[Any]]:
    """source, from, to, direction, GB, cost, currency; ClickHouse Cloud says no bytes: None."""
    _, cloud = tables.query(_CLOUD.format(days=days))
    found: list[Sequence[Any]] = [
        ("clickhouse_cloud", "service", *_meter(meter), None, cost, currency)
        for meter, cost, currency in cloud
    ]
    _, lines = tables.query(_AWS.format(days=days))
    for usage_type, gigabytes, cost, currency in lines:
        if way := way_of(usage_type):
            found.append(("aws", *way, gigabytes, cost, currency))
    return found


def way_of(usage_type: str) -> tuple[str, str, str] | None:
    """From, to and direction of a usage type of AWS; None for one that is not of transfer.

    EUC1-USE1-AWS-Out-Bytes went from eu-central-1 to us-east-1, DataTransfer-Out-Bytes from
    us-east-1, which has no prefix, to the internet.
    """
    if match := _TO_REGION.fullmatch(usage_type):
        return match[1] or _HOME, match[2], f"between regions, {match[3].lower()}"
    if match := _USUAL.fullmatch(usage_type):
        other, direction = _WAYS[match[2]]
        return match[1] or _HOME, other, direction
    return None


def regions(environ: Mapping[str, str]) -> str:
    """A warning when loader and service are in different regions; '' when not, or not known."""
    loader, service = (environ.get(n) for n in ("AWS_DEFAULT_REGION", "CLICKHOUSE_CLOUD_REGION"))
    if not loader or not service or loader == service:
        return ""
    price = prices().egress_gb
    return (
        f"warn: the loader runs in {loader}, the service in {service}: intra-region is free, "
        f"egress is not, at {price:.2f} USD per GB by prices.egress_gb. Run the loader in "
        f"{service}."
    )


def _meter(meter: str) -> tuple[str, str]:
    tier = re.search(r"interRegionTier(\d)", meter)
    return (f"region of tier {tier[1]}", "between regions, out") if tier else ("internet", "out")


if __name__ == "__main__":
    sys.exit(main())

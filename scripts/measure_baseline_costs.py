"""What the platform costs today: ClickHouse Cloud, AWS by service, GitHub's minutes; by month.

    python -m scripts.measure_baseline_costs [--days 30] [--json costs.json] [--service NAME …]

Cost is read from what is published, so that nothing is paid for asking. GitHub is asked for the
runs of the nightly workflow where GITHUB_TOKEN and GITHUB_REPOSITORY are set.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from pipelines.core.partition import ConfigurationError, UserError
from pipelines.marts.checks import Connection
from scripts.costs.prices import prices
from scripts.costs.published import Rows, opened, parser, show, write

WORKFLOW = "etl-pipeline.yml"
USED = (
    "Amazon Simple Storage Service",
    "AmazonS3",
    "AWS Data Transfer",
    "AWS Lambda",
    "AWS Batch",
    "Amazon Elastic Container Service",
    "AWS Secrets Manager",
)
_MONTH = 365.25 / 12
_COLUMNS = ("what", "days", "cost", "per month", "currency")
_SQL = """
with newest as (
    select x_source as source, max(x_usage_date) as newest_day from costs_daily group by x_source
)

select days.x_source as source, days.service_name as service, days.billing_currency as currency,
    count(distinct days.x_usage_date) as number_of_days,
    case when sum(days.x_lines_without_billed_cost) = 0 then sum(days.billed_cost) end as cost
from costs_daily as days
inner join newest on days.x_source = newest.source
where days.x_usage_date > cast(newest.newest_day - interval {days} day as date)
    and (days.x_source = 'clickhouse_cloud' or days.service_name in ({services}))
group by days.x_source, days.service_name, days.billing_currency
order by source, service, currency
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 when something cannot be read, 2 when the configuration is wrong."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--service", action="append", help="a service of AWS that is used")
    chosen = options.parse_args(arguments)
    try:
        with opened(chosen.destination) as tables:
            rows = published(tables, chosen.days, chosen.service or USED)
        rows += github(os.environ, chosen.days)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    show(f"The newest {chosen.days} days", _COLUMNS, rows, _COLUMNS[1:4])
    write(chosen.json, [dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    return 0


def published(tables: Connection, days: int, services: Sequence[str]) -> list[Sequence[Any]]:
    """what, days with cost, cost, cost of a month, currency; a cost that is not known is None."""
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in services)
    _, found = tables.query(_SQL.format(days=days, services=listed))
    return [
        (f"{source}: {service}", count, cost, _monthly(cost, days), currency)
        for source, service, currency, count, cost in found
    ]


def github(environ: Mapping[str, str], days: int) -> Rows:
    """One row: the minutes of the workflow's runs, begun ones as whole; no row without a token.

    Raises UserError, which never holds the token.
    """
    token, repository = (environ.get(f"GITHUB_{name}") for name in ("TOKEN", "REPOSITORY"))
    if not token or not repository:
        return []
    since = datetime.now(UTC).date() - timedelta(days=days)
    address = environ.get("GITHUB_API_URL", "https://api.github.com")
    path = f"{address}/repos/{repository}/actions/workflows/{WORKFLOW}/runs"
    minutes, page = 0, 1
    while True:
        query: dict[str, str | int] = {"created": f">={since}", "per_page": 100, "page": page}
        runs = _asked(path, token, query)
        minutes += sum(map(_minutes, runs))
        if len(runs) < 100:
            break
        page += 1
    cost = minutes * prices().github_minute
    return [(f"GitHub: {minutes} minutes", days, cost, _monthly(cost, days), "USD")]


def _asked(path: str, token: str, query: Mapping[str, str | int]) -> list[Mapping[str, Any]]:
    try:
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.get(path, params=query, headers=headers, timeout=30)
        answer.raise_for_status()
        found: list[Mapping[str, Any]] = answer.json()["workflow_runs"]
    except (requests.RequestException, ValueError, KeyError) as error:
        status = getattr(getattr(error, "response", None), "status_code", type(error).__name__)
        raise UserError(
            f"GitHub does not list the runs of {WORKFLOW} ({status}). Give GITHUB_TOKEN the right "
            "Actions: Read, or unset it."
        ) from None
    return found


def _minutes(run: Mapping[str, Any]) -> int:
    begun, ended = (datetime.fromisoformat(run[n]) for n in ("run_started_at", "updated_at"))
    return math.ceil((ended - begun).total_seconds() / 60)


def _monthly(cost: float | None, days: int) -> float | None:
    return None if cost is None else cost / days * _MONTH


if __name__ == "__main__":
    sys.exit(main())

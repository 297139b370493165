"""Small months of AWS cost for tests whose subject is not the line items."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scripts.sandbox.aws.delivery import deliver_cur2


def lines(period: str, costs: list[float], prefix: str = "line") -> list[dict[str, Any]]:
    """One on-demand line item per cost, with all the columns that a normaliser needs."""
    year, month = map(int, period.split("-"))
    start = datetime(year, month, 1, tzinfo=UTC)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return [
        {
            "identity_line_item_id": f"{prefix}-{number}",
            "bill_payer_account_id": "111122223333",
            "bill_billing_period_start_date": start,
            "bill_billing_period_end_date": end,
            "line_item_usage_account_id": "444455556666",
            "line_item_line_item_type": "Usage",
            "line_item_usage_start_date": start + timedelta(hours=number % 600),
            "line_item_usage_end_date": start + timedelta(hours=number % 600 + 1),
            "line_item_product_code": ("AmazonEC2", "AmazonS3", "AWSLambda")[number % 3],
            "line_item_usage_amount": 1.0,
            "line_item_currency_code": "USD",
            "line_item_unblended_cost": cost,
            "pricing_public_on_demand_cost": cost,
            "resource_tags": {"user:Environment": "prod"},
        }
        for number, cost in enumerate(costs)
    ]


def deliver(
    bucket: Path, period: str, costs: list[float], files: int = 1, prefix: str = "line"
) -> None:
    """One delivery of a month into a folder bucket, as CUR 2.0 that overwrites the last one."""
    rows = lines(period, costs, prefix)
    deliver_cur2(bucket, "", "cur", period, rows, files=files)

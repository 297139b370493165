"""What Cost Explorer says of the example company's bills: lines by service and record type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from scripts.sandbox.aws import focus, months
from scripts.sandbox.aws.lines import Line
from scripts.sandbox.aws_billing.server import Total

RECORD_TYPES = {"EdpDiscount": "Enterprise Discount Program Discount"}
"""Cost Explorer's names of kinds of lines that it does not call as the bill does."""


def totals(*, restated: bool = True) -> Iterator[Total]:
    """Every month; with `restated` as it is after AWS delivered a closed month again."""
    for period in months.PERIODS:
        sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        for row in months.line_items(period, restated=restated):
            kind = str(row["line_item_line_item_type"])
            named = (row.get("product") or {}).get("product_name")
            service = named or row["line_item_product_code"]
            found = sums[service, RECORD_TYPES.get(kind, kind)]
            for place, amount in enumerate(_amounts(row)):
                found[place] += amount
        for (service, record_type), amounts in sorted(sums.items()):
            gross, net, amortized = (f"{amount:.10f}" for amount in amounts)
            yield Total(period, service, record_type, gross, amortized, net)


def _amounts(row: Line) -> tuple[float, float, float]:
    """Unblended, net unblended and net amortized."""
    gross = float(row.get("line_item_unblended_cost") or 0.0)
    net = row.get("line_item_net_unblended_cost")
    return gross, gross if net is None else float(net), focus.amortized(row)

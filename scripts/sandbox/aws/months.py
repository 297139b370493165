"""A deterministic AWS billing bucket: an example company's bills of four months, three accounts.

The first delivery holds every month; `restated=True` delivers 2026-09 again as AWS does: a credit
came, rows went, one was corrected, the ids and the number of files are others. No clock and no
unseeded random number: the same call writes the same bytes.

    python -m scripts.sandbox aws --dir PATH [--restated] [--form cur2|cur2-create|…]
"""

from __future__ import annotations

import argparse
import base64
from collections.abc import Callable
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Literal

from scripts.sandbox.aws import commitments, discounts, estate, lines
from scripts.sandbox.aws import delivery as cur_delivery
from scripts.sandbox.aws.compute import Compute, refunded_plan, upfront_fee
from scripts.sandbox.aws.delivery import Delivered, Target
from scripts.sandbox.aws.lines import Line, Month
from scripts.sandbox.aws.meters import meters
from scripts.sandbox.aws.targets import as_target

PERIODS = ("2026-07", "2026-08", "2026-09", "2026-10")
RESTATED_PERIOD = "2026-09"
PREFIX = "billing"
#: The name of the export in each form.
EXPORTS = {
    "cur2": "example-cur2",
    "cur2-create": "example-cur2",
    "legacy-csv": "example-cur",
    "legacy-parquet": "example-cur",
    "focus": "example-focus",
}
FORMS = tuple(EXPORTS)
_DELIVER: dict[str, Callable[..., Delivered]] = {
    "cur2": cur_delivery.deliver_cur2,
    "cur2-create": cur_delivery.deliver_cur2,
    "legacy-csv": cur_delivery.deliver_legacy_csv,
    "legacy-parquet": cur_delivery.deliver_legacy_parquet,
    "focus": cur_delivery.deliver_focus,
}
_RESTATED_AT = datetime(2026, 10, 20, 7, 40, tzinfo=UTC)
_LOST_DAYS = {date(2026, 9, 10), date(2026, 9, 11), date(2026, 9, 12)}


def line_items(
    period: str,
    restated: bool = False,
    *,
    discount: Literal["columns", "rows"] = "columns",
) -> list[Line]:
    """One month's line items in CUR 2.0 names, in no order, as AWS delivers them.

    `discount` chooses how the enterprise discount is shown (from 2026-08 on): net columns on
    every row, or EdpDiscount rows beside gross ones. The billed total is the same.
    """
    month = Month(period, is_final=period != PERIODS[-1])
    rows = [*Compute(month).lines(), *_other_lines(month)]
    rows += discounts.taxes(month, rows)
    if restated and period == RESTATED_PERIOD:
        rows = _restate(month, rows)
    if discounts.is_discounted(month):
        if discount == "columns":
            rows = [discounts.with_net_columns(row) for row in rows]
        else:
            rows += discounts.discount_rows(month, rows)
    return _identified(rows, f"{period} {restated}")


def build(
    target: Target | str | Path, *, restated: bool = False, form: str = "cur2", since: str = ""
) -> list[Delivered]:
    """Deliver the bucket: every month, or those `since` one, or with `restated` 2026-09 again.
    Raises ValueError for a form that is not one of FORMS."""
    if form not in EXPORTS:
        raise ValueError(f"Unknown form {form!r}. Use one of: {', '.join(FORMS)}.")
    place = as_target(target)
    periods = (RESTATED_PERIOD,) if restated else [each for each in PERIODS if each >= since]
    return [_deliver(place, form, period, restated=restated) for period in periods]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--dir", required=True, type=Path, help="folder that becomes the bucket")
    parser.add_argument("--form", choices=FORMS, default="cur2", help="how AWS delivers it")
    parser.add_argument(
        "--restated", action="store_true", help=f"deliver {RESTATED_PERIOD} again, changed"
    )


def main(arguments: argparse.Namespace) -> int:
    """Build and print one line per delivered period."""
    for made in build(arguments.dir, restated=arguments.restated, form=arguments.form):
        files = f"{len(made.files)} file{'s' if len(made.files) > 1 else ''}"
        where = made.files[0].rsplit("/", 1)[0]
        print(f"aws {made.period}: {made.rows:,} rows, {files}, {arguments.dir / where}")
    return 0


def _other_lines(month: Month) -> list[Line]:
    made = [lines.metered(month, day, meter) for day in month.days for meter in meters()]
    made += [*lines.marketplace(month), *lines.support(month), *lines.adjustments(month)]
    plan = commitments.RETURNED_PLAN
    if month.first <= plan.start < month.end:
        made += [upfront_fee(month, plan), refunded_plan(month, plan)]
    return made


def _restate(month: Month, rows: list[Line]) -> list[Line]:
    """A credit, three days of Lambda taken back in one account, one storage row halved."""
    kept = [row for row in rows if not _is_lost(row)]
    corrected = next(
        number
        for number, row in enumerate(kept)
        if row["line_item_resource_id"] == "example-lake-raw"
        and row["line_item_operation"] == "StandardStorage"
        and row["line_item_usage_start_date"].day == 15
    )
    kept[corrected] = _halved(kept[corrected])
    text = "Credit for missed service level: EC2 us-east-1"
    return [*kept, lines.credit(month, "AmazonEC2", -1_200.0, text)]


def _is_lost(row: Line) -> bool:
    return (
        row["line_item_product_code"] == "AWSLambda"
        and row["line_item_line_item_type"] == "Usage"
        and row["line_item_usage_account_id"] == estate.DATA.id
        and row["line_item_usage_start_date"].date() in _LOST_DAYS
    )


def _halved(row: Line) -> Line:
    halves = ("line_item_unblended_cost", "line_item_blended_cost", "line_item_usage_amount")
    columns = (*halves, "pricing_public_on_demand_cost")
    return {**row, **{name: lines.money(row[name] / 2) for name in columns}}


def _identified(rows: list[Line], delivery: str) -> list[Line]:
    """Rows shuffled and with ids that hold for this delivery only, as with AWS."""
    Random(delivery).shuffle(rows)
    made = []
    for number, row in enumerate(rows):
        digest = sha256(f"{delivery} {number}".encode()).digest()
        identity = base64.b32encode(digest).decode().lower().rstrip("=")
        made.append({"identity_line_item_id": identity, **row})
    return made


def _deliver(target: Target, form: str, period: str, *, restated: bool) -> Delivered:
    files = 3 if period == RESTATED_PERIOD and not restated else 2
    options: dict[str, Any] = {"files": files}
    if restated:
        options["delivered_at"] = _RESTATED_AT
    if form == "cur2-create":
        options["mode"] = "create"
    return _DELIVER[form](
        target, PREFIX, EXPORTS[form], period, line_items(period, restated), **options
    )

"""Our months beside the provider's own: every known reason by itself, every error by its amount."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.marts import checks
from tests.support.marts.cost_marts import usage
from tests.support.marts.engines import Query, Row, marts_of

MARTS = ("provider_totals", "reconciliation")
RAW = (
    "aws_costs__cost_explorer",
    "aws_costs__invoices",
    "gcp_costs__month_totals",
    "stripe__month_totals",
    "clickhouse_cloud__usage_cost",
    "stripe__payouts",
)
AT = datetime(2026, 12, 3, tzinfo=UTC)
MONTH = datetime(2026, 10, 1, tzinfo=UTC)
PAYER = "123456789012"


def ours(cost: float, kind: str = "Usage", day: int = 31, **columns: Any) -> Row:
    """A row of costs_daily of October."""
    more = {"billing_account_id": PAYER, "billing_period_start": MONTH, "charge_category": kind,
            "x_line_item_type": kind}  # fmt: skip
    return usage(date(2026, 10, day), cost, **(more | columns))


def explorer(cost: float, part: str = "Usage", **columns: Any) -> Row:
    """What Cost Explorer says."""
    return {"month": "2026-10", "account": PAYER, "service": "EC2", "record_type": part,
            "currency": "USD", "unblended": cost, "net_unblended": cost, "net_amortized": cost,
            "estimated": False,
            "asked_at": AT} | columns  # fmt: skip


def invoice(number: str, before: float, after: float) -> Row:
    """What the Invoicing API says."""
    return {"month": "2026-10", "account": PAYER, "invoice_id": number, "currency": "USD",
            "before_tax": before, "after_tax": after, "estimated": False,
            "asked_at": AT}  # fmt: skip


def reconciled(
    config: ClickHouseConfig | None,
    lines: Sequence[Row],
    order: str = "kind, invoice_id, month",
    ledger: Sequence[Row] = (),
    **raw: Any,
) -> list[tuple[Any, ...]]:
    """kind, invoice, ours, difference, verdict and reason, ordered."""
    tables = {name: raw.get(name.partition("__")[2] if name != RAW[3] else "stripe", [])
              for name in RAW}  # fmt: skip
    read = [{"word": "stripe_payouts", "published_at": AT}]
    given = {"costs_daily": lines, "normalized_stripe": ledger, "deliveries": read, **tables}
    columns = "kind, invoice_id, ours, round(difference, 6), verdict, reason"
    with marts_of(given, MARTS, config) as query:
        return list(query(f"select {columns} from reconciliation order by {order}"))


USAGE, TAX = ours(100.0), ours(8.0, "Tax")
CREDIT, REFUND = ours(-30.0, "Credit"), ours(-5.0, "Adjustment", x_line_item_type="Refund")
SUPPORT = ours(12.0, service_name="AWS Support (Business)")
MARKETPLACE = ours(7.0, x_billing_entity="AWS Marketplace")
FEE = ours(40.0, "Purchase", x_line_item_type="Fee")
DISCOUNT = ours(-9.0, x_line_item_type="EdpDiscount")
EVERY = [USAGE, TAX, CREDIT, REFUND, SUPPORT, MARKETPLACE, FEE, DISCOUNT]  # 123


THEIRS = {
    123.0: ("agrees", ""),
    123.009: ("agrees", ""),
    123.05: ("explained", "rounding"),
    115.0: ("explained", "tax"),
    153.0: ("explained", "credits"),
    128.0: ("explained", "refunds"),
    158.0: ("explained", "credits and refunds"),
    132.0: ("explained", "discounts, theirs is gross"),
    111.0: ("explained", "support"),
    116.0: ("explained", "marketplace"),
    83.0: ("explained", "commitment fees"),
    61.5: ("open", "counted twice"),
    100.0: ("open", "not explained"),
}


@pytest.mark.quick("filesystem")
def test_a_difference_is_explained_by_the_lines_that_theirs_leaves_out(
    config: ClickHouseConfig | None,
) -> None:
    cases = list(enumerate(THEIRS))  # each is an account of its own, to be one run
    lines = [row | {"billing_account_id": f"{n:02d}"} for n, _ in cases for row in EVERY]
    totals = [explorer(theirs, account=f"{n:02d}") for n, theirs in cases]
    found = reconciled(config, lines, "account, kind", cost_explorer=totals)
    assert found == [
        (kind, "", 123.0, round(theirs - 123.0, 6), *THEIRS[theirs])
        for theirs in THEIRS
        for kind in ("net_amortized", "net_unblended", "unblended")
    ]


@pytest.mark.quick("filesystem")
def test_the_check_names_what_nothing_explains(config: ClickHouseConfig | None) -> None:
    cases = {"taxed": 115.0, "doubled": 61.5}
    lines = [row | {"billing_account_id": name} for name in cases for row in EVERY]
    given: dict[str, Sequence[Row]] = {name: [] for name in (*RAW, "normalized_stripe")}
    given |= {
        "costs_daily": lines,
        "aws_costs__cost_explorer": [explorer(c, account=n) for n, c in cases.items()],
    }
    with marts_of(given, MARTS, config) as query:
        (found,) = checks.run(_Asked(query), ["reconciles"])
    assert [(row[1], row[3], row[-1]) for row in found.rows] == [
        ("doubled", kind, "counted twice")
        for kind in ("net_amortized", "net_unblended", "unblended")
    ]


class _Asked:
    """What a check asks; the names of the columns are not looked at."""

    def __init__(self, ask: Query) -> None:
        self._ask = ask

    def query(self, sql: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        return (), self._ask(sql)


@pytest.mark.quick("filesystem")
def test_effective_cost_is_compared_with_net_amortized_and_net_cost_with_gross(
    config: ClickHouseConfig | None,
) -> None:
    plan = [
        ours(0.0, effective_cost=2.4),
        ours(60.0, "Purchase", effective_cost=0.6, x_line_item_type="RIFee"),
    ]
    totals = [explorer(66.0, net_unblended=60.0, net_amortized=3.0)]
    assert reconciled(config, plan, cost_explorer=totals) == [
        ("net_amortized", "", 3.0, 0.0, "agrees", ""),
        ("net_unblended", "", 60.0, 0.0, "agrees", ""),
        ("unblended", "", 60.0, 6.0, "explained", "discounts, theirs is gross"),
    ]


def test_each_error_is_named_with_its_amount(config: ClickHouseConfig | None) -> None:
    parts = [explorer(100.0), explorer(-30.0, "Credit"), explorer(8.0, "Tax")]
    cases = {
        "counted twice": ([USAGE, CREDIT, TAX] * 2, -78.0),
        "credits missing": ([USAGE, TAX], -30.0),
        "not loaded": ([], 78.0),
        "newest days missing": ([ours(65.0, day=28), CREDIT | {"x_usage_date": date(2026, 10, 28)},
                                 TAX | {"x_usage_date": date(2026, 10, 28)}], 35.0),
        "lines without a cost": ([USAGE | {"billed_cost": None, "x_lines_without_billed_cost": 1},
                                  CREDIT, TAX], 100.0),
    }  # fmt: skip
    marked = [(each, f"{n:02d}") for n, each in enumerate(cases)]
    found = reconciled(
        config,
        [row | {"billing_account_id": of} for each, of in marked for row in cases[each][0]],
        "kind, account",
        cost_explorer=[row | {"account": of} for _, of in marked for row in parts],
    )
    assert [(row[3], row[4], row[5]) for row in found if row[0] == "unblended"] == [
        (amount, "open", reason) for reason, (_, amount) in cases.items()
    ]


@pytest.mark.quick("filesystem")
def test_another_account_of_ours_does_not_stand_for_the_one_that_is_missing(
    config: ClickHouseConfig | None,
) -> None:
    other = [USAGE | {"billing_account_id": "999"}]
    found = reconciled(config, other, cost_explorer=[explorer(100.0)])
    assert found[2] == ("unblended", "", None, 100.0, "open", "not loaded")


@pytest.mark.quick("filesystem")
def test_the_newest_days_of_an_open_month_are_no_difference(
    config: ClickHouseConfig | None,
) -> None:
    asked = datetime(2026, 10, 20, tzinfo=UTC)
    lines = [ours(10.0, day=day) for day in range(1, 21)]
    totals = [explorer(187.0, estimated=True, asked_at=asked)]
    assert reconciled(config, lines, cost_explorer=totals)[2] == (
        "unblended", "", 200.0, -13.0, "explained", "last days",
    )  # fmt: skip


@pytest.mark.quick("filesystem")
def test_an_invoice_is_compared_by_its_id_where_lines_carry_one(
    config: ClickHouseConfig | None,
) -> None:
    lines = [
        ours(100.0, invoice_id="A"),
        ours(8.0, "Tax", invoice_id="A"),
        ours(7.0, invoice_id="M", x_billing_entity="AWS Marketplace"),
    ]
    assert reconciled(config, lines, invoices=[invoice("A", 100, 108), invoice("M", 7, 7.5)]) == [
        ("invoice", "A", 108.0, 0.0, "agrees", ""),
        ("invoice", "M", 7.0, 0.5, "explained", "tax"),
    ]


@pytest.mark.quick("filesystem")
def test_invoices_without_an_id_among_our_lines_are_the_month(
    config: ClickHouseConfig | None,
) -> None:
    invoices = [invoice("A", 90, 98), invoice("B", 10, 10)]
    assert reconciled(config, [USAGE, TAX], invoices=invoices) == [
        ("invoice", "", 108.0, 0.0, "agrees", "")
    ]


@pytest.mark.quick("filesystem")
def test_google_stripe_and_clickhouse_cloud_have_their_own_totals(
    config: ClickHouseConfig | None,
) -> None:
    lines = [
        usage(date(2026, 10, 5), 39.0, x_source="gcp", billing_account_id="0-1",
              billing_currency="CHF", billing_period_start=MONTH),
        # of October's use, on November's invoice
        usage(date(2026, 10, 31), 1.0, x_source="gcp", billing_account_id="0-1",
              billing_currency="CHF", billing_period_start=datetime(2026, 11, 1, 7, tzinfo=UTC)),
        usage(date(2026, 10, 5), 6.5, x_source="clickhouse_cloud", billing_account_id="org",
              billing_period_start=MONTH),
    ]  # fmt: skip
    ledger = [
        {"account": "main", "x_partition": "2026-10", "activity_date": date(2026, 10, 3),
         "currency": "JPY", "gross": Decimal(5000), "net": Decimal(4820), "type": "charge"},
        {"account": "main", "x_partition": "2026-10", "activity_date": date(2026, 10, 4),
         "currency": "JPY", "gross": Decimal(-4000), "net": Decimal(-4000), "type": "payout"},
        {"account": "main", "x_partition": "2026-10", "activity_date": date(2026, 10, 6),
         "currency": "JPY", "gross": Decimal(4000), "net": Decimal(4000),
         "type": "payout_failure"},
    ]  # fmt: skip
    month_totals = [
        {"billing_account_id": "0-1", "usage_month": date(2026, 10, 1), "currency": "CHF",
         "export_table": table, "invoice_month": month, "row_count": count, "micros": micros,
         "asked_on": date(2026, 11, 4)}
        for table, month, count, micros in (
            ("standard", "202610", 2, 38_000_000),
            ("detailed", "202610", 2, 39_000_000),
            ("detailed", "202611", 1, 1_000_000),
        )
    ]  # fmt: skip
    stripe = [{"asked_month": "2026-10", "account": "main", "currency": "jpy", "row_count": 1,
               "net": 4820, "asked_at": AT}]  # fmt: skip
    usage_cost = [{"month": "2026-10", "organization_id": "org", "usage_date": date(2026, 10, 5),
                   "locked": True, "grand_total_chc": 6.5}]  # fmt: skip
    # one that failed, one without a transaction, one of a month that is not loaded
    october, september = (int(datetime(2026, n, 4, tzinfo=UTC).timestamp()) for n in (10, 9))
    payouts = [
        {"account": "main", "created": created, "currency": "jpy", "amount": amount,
         "balance_transaction": transaction}
        for created, amount, transaction in (
            (october, 4000, "txn_1"), (october, 70, None), (september, 900, "txn_2")
        )
    ]  # fmt: skip
    assert reconciled(
        config,
        lines,
        ledger=ledger,
        month_totals=month_totals,
        stripe=stripe,
        usage_cost=usage_cost,
        payouts=payouts,
    ) == [
        ("balance_change", "", 4820.0, 0.0, "agrees", ""),
        ("export", "", 40.0, 0.0, "agrees", ""),
        ("grand_total", "", 6.5, 0.0, "agrees", ""),
        ("invoice_month", "", 39.0, 0.0, "agrees", ""),
        ("invoice_month", "", 1.0, 0.0, "agrees", ""),
        ("payouts", "", -4000.0, 0.0, "agrees", ""),
    ]

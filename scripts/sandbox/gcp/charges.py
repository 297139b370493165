"""Rows of the billing export that no meter makes: commitments, support, taxes, adjustments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from scripts.sandbox.gcp import estate, lines
from scripts.sandbox.gcp.estate import Account
from scripts.sandbox.gcp.lines import Line, Moment, credit, micros

#: Daily fees in micros of each account's currency.
CPU_FEE = 4_780_000
RAM_FEE = 2_560_000
FLEXIBLE_FEE = 8_400_000
SPEND_FEE = 1_150_000
GOODWILL = -25_000_000
SLA = -12_340_000


def commitments(day: date, used: Iterable[Line]) -> Iterator[Line]:
    """A day's fees. The flexible one is offset by what the day's usage drew on it."""
    drawn = sum(
        micros(row["cost"]) for row in used if row.get("consumption_model") == lines.FLEXIBLE
    )
    offset = credit(
        "Compute Flexible CUDs",
        "FEE_UTILIZATION_OFFSET",
        -min(FLEXIBLE_FEE, drawn),
        full_name="Compute Flexible CUDs - 1 Year",
        id="45-c67-d89",
    )
    cpu, ram = (
        "Commitment v1: N2 Cpu in Iowa for 1 Year",
        "Commitment v1: N2 Ram in Iowa for 1 Year",
    )
    flexible = "Commitment - dollar based v1: Compute Flexible for 1 Year"
    spend = "Commitment - dollar based v1: Cloud SQL database in Zurich for 1 Year"
    yield _fee(estate.USD, day, "Compute Engine", cpu, CPU_FEE, "1000000000000000001")
    yield _fee(estate.USD, day, "Compute Engine", ram, RAM_FEE, "1000000000000000001")
    made = _fee(estate.USD, day, "Compute Engine", flexible, FLEXIBLE_FEE, "2000000000000000002")
    yield made | {"credits": [offset]}
    yield _fee(estate.CHF, day, "Cloud SQL", spend, SPEND_FEE, "3000000000000000003")


def monthly(first: date) -> Iterator[Line]:
    """Support of each account, without a project, and a marketplace subscription."""
    for account in estate.ACCOUNTS:
        moment = _whole_day(first)
        row = lines.line(account, moment, "Support", "Standard Support", 100_000_000)
        yield _listed(row)
    sku = "Example Software Search - Basic plan"
    row = lines.line(estate.USD, _whole_day(first), "Example Software Search", sku, 49_500_000)
    row["invoice"]["publisher_type"] = "PARTNER"
    seller = {"transaction_type": "THIRD_PARTY_RESELLER", "seller_name": "Example Software, Inc."}
    yield _listed(row) | {"project": estate.SHOP.record} | seller


def closing(month: str, invoiced: list[Line]) -> Iterator[Line]:
    """What ends an invoice: taxes by project, and one of no project, and the rounding."""
    first = date(int(month[:4]), int(month[4:]), 1)
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    exported = lines.next_run(
        datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=3)
    )
    for account in estate.ACCOUNTS:
        nets: dict[str, int] = defaultdict(int)
        records: dict[str, Any] = {}
        for row in (each for each in invoiced if each["billing_account_id"] == account.id):
            project = row.get("project")
            name = project["id"] if project else ""
            nets[name] += net(row)
            records[name] = project
        moment = Moment(lines.pacific(last), lines.pacific(last + timedelta(days=1)), exported)
        taxes = {name: int(cost * account.tax) for name, cost in sorted(nets.items())}
        for name, tax in taxes.items():
            yield _unpriced(account, moment, "tax", "Tax", tax) | {"project": records[name]}
        rounding = -((sum(nets.values()) + sum(taxes.values())) % 10_000)  # to whole cents
        yield _unpriced(account, moment, "rounding_error", "Rounding error", rounding)


def adjustments(every: list[Line]) -> Iterator[Line]:
    """Of an earlier month: goodwill, a broken promise of uptime, and a corrected price."""
    moment = Moment(
        lines.pacific(date(2026, 7, 14)),
        lines.pacific(date(2026, 7, 15)),
        lines.next_run(datetime(2026, 8, 18, tzinfo=UTC)),
    )
    made = _unpriced(estate.USD, moment, "adjustment", "Goodwill credit", GOODWILL)
    info = _info("goodwill-2026-07", "Goodwill for the outage of 14 July", "GOODWILL")
    yield _invoiced(made, "202608") | {"project": estate.SHOP.record, "adjustment_info": info}
    moment = Moment(
        lines.pacific(date(2026, 9, 8)),
        lines.pacific(date(2026, 9, 9)),
        lines.next_run(datetime(2026, 10, 6, tzinfo=UTC)),
    )
    made = _unpriced(estate.CHF, moment, "adjustment", "SLA credit: Cloud SQL", SLA)
    info = _info("sla-2026-09", "Uptime of Cloud SQL below 99.95 %", "SLA_VIOLATION")
    yield _invoiced(made, "202610") | {"project": estate.ERP.record, "adjustment_info": info}
    yield from _repriced(every)


def corrected(row: Line, exported: datetime, percent: int) -> list[Line]:
    """A row taken back and said again: equal but for cost, credits, usage and export."""
    return [_scaled(row, exported, -100), _scaled(row, exported, percent)]


def net(row: Line) -> int:
    """Cost and credits in micros."""
    return micros(row["cost"]) + sum(micros(each["amount"]) for each in row["credits"])


def _repriced(every: list[Line]) -> Iterator[Line]:
    """August's storage of the lake at a lower price, on September's invoice."""
    info = _info("price-2026-08", "List price of storage corrected", "PRICE_CORRECTION")
    info["mode"] = "COMPLETE_NEGATION_WITH_REMONETIZATION"
    exported = lines.next_run(datetime(2026, 9, 15, 10, tzinfo=UTC))
    days = {lines.pacific(date(2026, 8, day)) for day in (3, 4, 5)}
    for row in every:
        is_lake = (row.get("resource") or {}).get("name") == "lake-raw"
        if is_lake and row["usage_start_time"] in days:
            for made in corrected(row, exported, 90):
                yield _invoiced(made, "202609") | {"adjustment_info": info}


def _scaled(row: Line, exported: datetime, percent: int) -> Line:
    def scaled(amount: float) -> float:
        return lines.money(micros(amount) * percent // 100)

    taken = [each | {"amount": scaled(each["amount"])} for each in row["credits"]]
    amount = row["usage"]["amount"] * percent / 100
    used = row["usage"] | {"amount": amount}
    changed = {"cost": scaled(row["cost"]), "credits": taken, "usage": used}
    return row | changed | {"export_time": exported}


def _info(name: str, description: str, kind: str) -> Line:
    return {"id": name, "description": description, "mode": "MANUAL_ADJUSTMENT", "type": kind}


def _invoiced(row: Line, month: str) -> Line:
    return row | {"invoice": row["invoice"] | {"month": month}}


def _whole_day(day: date) -> Moment:
    end = lines.pacific(day + timedelta(days=1))
    return Moment(lines.pacific(day), end, lines.next_run(end + timedelta(hours=3)))


def _fee(account: Account, day: date, service: str, sku: str, fee: int, subscription: str) -> Line:
    project = estate.SHOP if account is estate.USD else estate.ERP
    row = lines.line(account, _whole_day(day), service, sku, fee)
    made = {"project": project.record, "subscription": {"instance_id": subscription}}
    return _listed(row) | made | {"consumption_model": lines.DEFAULT}


def _listed(row: Line) -> Line:
    """At list price, with no discount."""
    return row | {"cost_at_list": row["cost"]}


def _unpriced(account: Account, moment: Moment, cost_type: str, sku: str, cost: int) -> Line:
    """A row of no usage; Google leaves the transaction's type out."""
    made = lines.line(account, moment, "Invoice", sku, cost)
    return made | {"cost_type": cost_type, "transaction_type": None}

"""Machine hours of the sandbox: reserved first, then savings plans, the rest on demand.

For every month of a reservation: effective cost of its usage + unused fee of its RIFee row =
amortised upfront fee + recurring fee. For every day of a savings plan: effective cost of covered
usage = used commitment, and covered usage + negation = 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from scripts.sandbox.aws import commitments, estate
from scripts.sandbox.aws.commitments import Reservation, SavingsPlan
from scripts.sandbox.aws.lines import Line, Month, line, money
from scripts.sandbox.aws.machines import (
    Run,
    covered_usage,
    discounted_usage,
    disk,
    on_demand,
    runs,
    split_cost,
)


@dataclass
class Compute:
    """The machine lines of one month, and how much of each commitment they used."""

    month: Month
    reserved_hours: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def lines(self) -> Iterator[Line]:
        """Usage by day, then the month's fees, which depend on it."""
        for day in self.month.days:
            machines = [run for fleet in estate.FLEETS for run in runs(self.month, fleet, day)]
            made = [
                *self._reserved(day, machines),
                *self._planned(day, machines),
                *self._rest(day, machines),
            ]
            yield from made
            yield from split_cost(self.month, day, made)
        for reservation in commitments.RESERVATIONS:
            yield from self._reservation_fees(reservation)

    def _reserved(self, day: date, machines: list[Run]) -> Iterator[Line]:
        for ri in commitments.RESERVATIONS:
            left = ri.count * 24.0 if ri.start <= day else 0.0
            for run in machines:
                if (run.fleet.type, run.fleet.region) != (ri.type, ri.region):
                    continue
                hours = min(run.hours, left)
                if hours > 0:
                    left -= hours
                    run.hours -= hours
                    self.reserved_hours[ri.id] += hours
                    yield discounted_usage(self.month, day, run, ri, hours)

    def _planned(self, day: date, machines: list[Run]) -> Iterator[Line]:
        for plan in commitments.SAVINGS_PLANS:
            if plan.start > day:
                continue
            used = 0.0
            negated: dict[tuple[str, ...], list[Line]] = {}
            for run in machines:
                rate = run.price * plan.rate
                left = plan.commitment * 24 - used
                hours = round(min(run.hours, left / rate), 8) if _covers(plan, run) else 0.0
                if hours > 0:
                    run.hours = round(run.hours - hours, 8)
                    covered = covered_usage(self.month, day, run, plan, hours)
                    used += covered["savings_plan_savings_plan_effective_cost"]
                    key = (run.fleet.account.id, covered["line_item_usage_type"], run.zone)
                    negated.setdefault(key, []).append(covered)
                    yield covered
            for group in negated.values():
                yield _negation(self.month, day, plan, group)
            yield _recurring_fee(self.month, day, plan, round(used, 10))
            if plan.start == day and plan.upfront:
                yield upfront_fee(self.month, plan)

    def _rest(self, day: date, machines: list[Run]) -> Iterator[Line]:
        for run in machines:
            if run.hours > 0:
                yield on_demand(self.month, day, run)
            if run.fleet.disk_gb:
                yield disk(self.month, day, run)

    def _reservation_fees(self, ri: Reservation) -> Iterator[Line]:
        start = max(ri.start, self.month.first)
        hours = (self.month.end - start).days * 24.0 * ri.count
        if hours <= 0:
            return
        if start == ri.start and ri.upfront:
            yield _line_of(
                self.month,
                ri,
                "Fee",
                ri.upfront,
                ri.count * 8760.0,
                start=start,
                end=start.replace(year=start.year + 1),
                description=f"Sign up charge for subscription: {ri.id}",
            )
        unused = hours - self.reserved_hours[ri.id]
        yield _line_of(
            self.month,
            ri,
            "RIFee",
            ri.hourly * hours,
            hours,
            start=start,
            end=self.month.end,
            description=f"USD {ri.hourly} hourly fee per {ri.type}, {ri.option}",
            **ri.times,
            reservation_modification_status="Original",
            reservation_amortized_upfront_fee_for_billing_period=money(ri.upfront_hourly * hours),
            reservation_unused_amortized_upfront_fee_for_billing_period=money(
                ri.upfront_hourly * unused
            ),
            reservation_unused_recurring_fee=money(ri.hourly * unused),
            reservation_unused_quantity=unused,
            reservation_upfront_value=float(ri.upfront),
        )


def upfront_fee(month: Month, plan: SavingsPlan) -> Line:
    """The fee of an all-upfront plan, on the day of purchase."""
    return _plan_line(
        month,
        plan,
        "SavingsPlanUpfrontFee",
        plan.upfront,
        start=plan.start,
        description=f"1 year {plan.option} {plan.offering}",
    )


def refunded_plan(month: Month, plan: SavingsPlan) -> Line:
    """The refund of what was paid for a returned plan: product ComputeSavingsPlans."""
    paid = plan.upfront * (1 - commitments.DISCOUNT)
    text = f"Refund for one-time fee for Savings Plan ID : {plan.arn.rpartition('/')[2]}"
    return _plan_line(month, plan, "Refund", -paid, start=plan.start, description=text)


def _negation(month: Month, day: date, plan: SavingsPlan, covered: list[Line]) -> Line:
    """One row against all covered usage of an account, usage type and zone."""
    first = covered[0]
    return {
        **first,
        "line_item_line_item_type": "SavingsPlanNegation",
        "line_item_unblended_cost": money(-sum(c["line_item_unblended_cost"] for c in covered)),
        "line_item_blended_cost": money(-sum(c["line_item_unblended_cost"] for c in covered)),
        "line_item_usage_amount": sum(c["line_item_usage_amount"] for c in covered),
        "line_item_line_item_description": "SavingsPlanNegation used by AccountId",
        "line_item_resource_id": "",
        "pricing_public_on_demand_cost": 0.0,
        "savings_plan_savings_plan_rate": 0.0,
        "savings_plan_savings_plan_effective_cost": 0.0,
        "resource_tags": {},
    }


def _recurring_fee(month: Month, day: date, plan: SavingsPlan, used: float) -> Line:
    total = money(plan.commitment * 24)
    recurring = 0.0 if plan.upfront else total
    return _plan_line(
        month,
        plan,
        "SavingsPlanRecurringFee",
        recurring,
        start=day,
        description=f"1 year {plan.option} {plan.offering}",
        savings_plan_total_commitment_to_date=total,
        savings_plan_used_commitment=used,
        savings_plan_amortized_upfront_commitment_for_billing_period=money(total - recurring),
        savings_plan_recurring_commitment_for_billing_period=recurring,
    )


def _plan_line(month: Month, plan: SavingsPlan, kind: str, cost: float, **columns: Any) -> Line:
    return line(
        month,
        estate.PRODUCTION,
        kind,
        "ComputeSavingsPlans",
        cost,
        line_item_usage_type=f"ComputeSP:1yr{plan.option.replace(' ', '')}",
        savings_plan_savings_plan_a_r_n=plan.arn,
        savings_plan_offering_type=plan.offering,
        savings_plan_payment_option=plan.option,
        savings_plan_purchase_term="1yr",
        **plan.times,
        **columns,
    )


def _line_of(
    month: Month, ri: Reservation, kind: str, cost: float, hours: float, **columns: Any
) -> Line:
    usage = "HeavyUsage" if ri.code == "AmazonEC2" else "InstanceUsage"
    return line(
        month,
        estate.PRODUCTION,
        kind,
        ri.code,
        cost,
        region=ri.region,
        line_item_usage_type=f"{estate.PREFIXES[ri.region]}{usage}:{ri.type}",
        line_item_usage_amount=hours,
        product_instance_type=ri.type,
        pricing_term="Reserved",
        pricing_purchase_option=ri.option,
        pricing_unit="Hrs",
        reservation_reservation_a_r_n=ri.arn,
        reservation_number_of_reservations=str(ri.count),
        reservation_total_reserved_units=f"{hours:.1f}",
        **columns,
    )


def _covers(plan: SavingsPlan, run: Run) -> bool:
    fleet = run.fleet
    if fleet.is_database or fleet.rhythm in {"spot", "office"}:
        return False
    family, region = plan.family or fleet.type, plan.region or fleet.region
    return fleet.type.startswith(family) and fleet.region == region

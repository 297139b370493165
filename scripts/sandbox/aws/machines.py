"""Machine hours of the sandbox as line items, whatever pays for them, and their disks and pods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from scripts.sandbox.aws import estate
from scripts.sandbox.aws.commitments import Reservation, SavingsPlan
from scripts.sandbox.aws.estate import Fleet
from scripts.sandbox.aws.lines import Line, Month, line, money, prices

_SPLIT_NODE = "node"
_PODS = (("shop", "web-7d9f", 0.5), ("platform", "ingress-1c2b", 0.3))


@dataclass
class Run:
    """A machine's day: the hours that nothing covers yet."""

    fleet: Fleet
    number: int
    hours: float

    @property
    def id(self) -> str:
        """What `line_item_resource_id` says: the ARN of a database, the id of an instance."""
        name = f"{self.fleet.name}-{self.number}"
        if self.fleet.is_database:
            return f"arn:aws:rds:{self.fleet.region}:{self.fleet.account.id}:db:{name}"
        return f"i-0{sha256(name.encode()).hexdigest()[:16]}"

    @property
    def zone(self) -> str:
        """Its availability zone."""
        return f"{self.fleet.region}{'abc'[self.number % 3]}"

    @property
    def price(self) -> float:
        """USD an hour on demand."""
        return estate.ON_DEMAND[self.fleet.type]


def runs(month: Month, fleet: Fleet, day: date) -> Iterator[Run]:
    """The machines of a fleet that run on a day, and how long."""
    weekend = day.weekday() >= 5
    for number in range(fleet.count):
        off = fleet.rhythm == "scaled" and weekend and number >= fleet.count / 2
        hours = 24.0
        if off or day < fleet.since:
            hours = 0.0
        elif fleet.rhythm == "office":
            hours = 0.0 if weekend else 10.0
        elif fleet.rhythm == "spot":
            hours = float(month.random.randint(2, 20))
        if hours:
            yield Run(fleet, number, hours)


def _machine(month: Month, day: date, run: Run, kind: str, cost: float, **columns: Any) -> Line:
    """A machine's hours, whatever pays for them."""
    database, prefix = run.fleet.is_database, estate.PREFIXES[run.fleet.region]
    usage = "InstanceUsage" if database else "BoxUsage"
    tags = dict(run.fleet.tags)
    if tags and not database:
        tags["user:Name"] = f"{run.fleet.name}-{run.number}"
    return line(
        month,
        run.fleet.account,
        kind,
        "AmazonRDS" if database else "AmazonEC2",
        cost,
        start=day,
        region=run.fleet.region,
        **{
            "line_item_usage_type": f"{prefix}{usage}:{run.fleet.type}",
            "line_item_operation": "CreateDBInstance:0014" if database else "RunInstances",
            "line_item_availability_zone": "" if database else run.zone,
            "line_item_resource_id": run.id,
            "product_instance_type": run.fleet.type,
            "product_product_family": "Database Instance" if database else "Compute Instance",
            "resource_tags": tags,
            **columns,
        },
    )


def on_demand(month: Month, day: date, run: Run) -> Line:
    """The hours that nothing covers, at the public or the spot price."""
    spot, columns = run.fleet.rhythm == "spot", {}
    paid = estate.SPOT_PRICE[run.fleet.type] if spot else run.price
    if spot:
        prefix = estate.PREFIXES[run.fleet.region]
        columns["line_item_usage_type"] = f"{prefix}SpotUsage:{run.fleet.type}"
        columns["line_item_operation"] = "RunInstances:SV001"
    name = "Spot" if spot else "On Demand"
    return _machine(
        month,
        day,
        run,
        "Usage",
        run.hours * paid,
        description=f"${paid} per {name} {run.fleet.type} hour",
        line_item_usage_amount=run.hours,
        **prices(run.price, run.hours, "Hrs", paid),
        **columns,
    )


def discounted_usage(month: Month, day: date, run: Run, ri: Reservation, hours: float) -> Line:
    """Hours under a reservation: billed 0, worth their part of its fees."""
    upfront, recurring = money(ri.upfront_hourly * hours), money(ri.hourly * hours)
    return _machine(
        month,
        day,
        run,
        "DiscountedUsage",
        0.0,
        description=f"{ri.type} reserved instance applied",
        line_item_usage_amount=hours,
        pricing_term="Reserved",
        reservation_reservation_a_r_n=ri.arn,
        reservation_amortized_upfront_cost_for_usage=upfront,
        reservation_recurring_fee_for_usage=recurring,
        reservation_effective_cost=money(upfront + recurring),
        **ri.times,
        **prices(run.price, hours, "Hrs", 0.0),
    )


def covered_usage(month: Month, day: date, run: Run, plan: SavingsPlan, hours: float) -> Line:
    """Hours under a savings plan: billed at the public price until a negation takes it back."""
    return _machine(
        month,
        day,
        run,
        "SavingsPlanCoveredUsage",
        run.price * hours,
        description=f"${run.price} per On Demand {run.fleet.type} hour",
        line_item_usage_amount=hours,
        pricing_term="OnDemand",
        savings_plan_savings_plan_a_r_n=plan.arn,
        savings_plan_savings_plan_rate=round(run.price * plan.rate, 10),
        savings_plan_savings_plan_effective_cost=money(run.price * plan.rate * hours),
        savings_plan_offering_type=plan.offering,
        savings_plan_payment_option=plan.option,
        savings_plan_purchase_term="1yr",
        **plan.times,
        **prices(run.price, hours, "Hrs"),
    )


def disk(month: Month, day: date, run: Run) -> Line:
    """A day of a machine's disk."""
    database, prefix = run.fleet.is_database, estate.PREFIXES[run.fleet.region]
    rate = 0.115 if database else 0.08
    amount = round(run.fleet.disk_gb / len(month.days), 8)
    volume = run.id if database else run.id.replace("i-", "vol-")
    usage = "RDS:GP3-Storage" if database else "EBS:VolumeUsage.gp3"
    return _machine(
        month,
        day,
        run,
        "Usage",
        rate * amount,
        description=f"${rate} per GB-month of gp3 storage",
        line_item_usage_type=f"{prefix}{usage}",
        line_item_operation="CreateDBInstance:0014" if database else "CreateVolume-Gp3",
        line_item_resource_id=volume,
        line_item_usage_amount=amount,
        product_product_family="Database Storage" if database else "Storage",
        product_instance_type="",
        **prices(rate, amount, "GB-Mo"),
    )


def split_cost(month: Month, day: date, made: list[Line]) -> Iterator[Line]:
    """Split cost allocation: the node's amortised cost again, by pod, vCPU and memory. AWS bills
    nothing on these rows; their cost stands in the split columns."""
    for node in made:
        tags, usage = node["resource_tags"], node["line_item_usage_type"]
        if not tags.get("user:Name", "").startswith(f"{_SPLIT_NODE}-") or "Usage:" not in usage:
            continue
        cost = _amortised(node)
        for namespace, pod, share in _PODS:
            for unit, size, weight in (("vCPU-Hours", 4, 36 / 52), ("GB-Hours", 16, 16 / 52)):
                yield _pod(month, day, node, (namespace, pod, share), (unit, size), cost * weight)


def _amortised(node: Line) -> float:
    billed: float = node["line_item_unblended_cost"]
    reserved: float = node.get("reservation_effective_cost", billed)
    return float(node.get("savings_plan_savings_plan_effective_cost", reserved))


def _pod(
    month: Month,
    day: date,
    node: Line,
    pod: tuple[str, str, float],
    resource: tuple[str, int],
    cost: float,
) -> Line:
    namespace, name, share = pod
    unit, size = resource
    reserved = node["line_item_usage_amount"] * size
    arn = f"arn:aws:eks:us-east-1:{estate.PRODUCTION.id}:pod/example/{namespace}/{name}"
    busy = sum(part for _, _, part in _PODS)
    return line(
        month,
        estate.PRODUCTION,
        "Usage",
        "AmazonEKS",
        0.0,
        start=day,
        region="us-east-1",
        description=f"{unit} of pods on EC2",
        line_item_usage_type=f"USE1-EKS-EC2-{unit}",
        line_item_operation="EKSPod-EC2",
        line_item_resource_id=f"{arn}/{node['line_item_resource_id']}",
        line_item_usage_amount=reserved * share,
        resource_tags={"aws:eks:cluster-name": "example", "aws:eks:namespace": namespace},
        split_line_item_parent_resource_id=node["line_item_resource_id"],
        split_line_item_reserved_usage=reserved * share,
        split_line_item_actual_usage=reserved * share * 0.7,
        split_line_item_split_usage=reserved * share,
        split_line_item_split_usage_ratio=share,
        split_line_item_split_cost=money(cost * share),
        split_line_item_unused_cost=money(cost * (1 - busy) * share / busy),
    )

"""The mart `costs_split`, by sql/marts/26_costs_split.sql: what pods and tasks cost."""

from __future__ import annotations

from pipelines.tables.privacy import KEEP, SCALE, SHIFT, WITHHOLD, pseudonym
from pipelines.tables.schema import Column

# fmt: off
COSTS_SPLIT: tuple[Column, ...] = (
    # when
    Column("usage_date", "date", True, "UTC date of the use.", privacy=SHIFT),
    Column("charge_period_start", "timestamp", True, "Start of the use (UTC).", privacy=SHIFT),
    # who
    Column("sub_account_id", "text", True, "The account of the pod or task.",
           privacy=pseudonym("account")),
    # what
    Column("orchestrator", "text", True, "EKS or ECS, which AWS Batch uses as well.", privacy=KEEP),
    Column("cluster", "text", True, "Name of the cluster.", privacy=pseudonym("tag")),
    Column("namespace", "text", True, "Namespace of the pod; NULL in ECS.",
           privacy=pseudonym("tag")),
    Column("workload", "text", True, "Deployment or other workload of the pod; service in ECS.",
           privacy=pseudonym("tag")),
    Column("workload_type", "text", True, "Deployment, DaemonSet, …; NULL in ECS.", privacy=KEEP),
    Column("pod", "text", True, "Name of the pod; id of the task in ECS.",
           privacy=pseudonym("resource"), many=True),
    Column("resource_id", "text", True, "ARN of the pod or task.", privacy=pseudonym("resource"),
           many=True),
    Column("parent_resource_id", "text", True, "The instance that it ran on.",
           privacy=pseudonym("resource"), many=True),
    Column("usage_type", "text", True, "What it used, such as USE1-EKS-EC2-vCPU-Hours.",
           privacy=KEEP),
    # how much
    Column("reserved_usage", "number", True, "Reserved, in the unit of usage_type.",
           privacy=WITHHOLD),
    Column("actual_usage", "number", True, "Really used, in the unit of usage_type.",
           privacy=WITHHOLD),
    Column("split_usage", "number", True, "The larger of both: by this the cost is split.",
           privacy=WITHHOLD),
    # money
    Column("billing_currency", "text", True, "Currency of the costs.", privacy=KEEP),
    Column("split_cost", "number", True, "Its part of the instance's amortised cost.",
           privacy=SCALE),
    Column("unused_cost", "number", True, "Its part of what nobody used of the instance.",
           privacy=SCALE),
    Column("net_split_cost", "number", True,
           "split_cost after discounts; NULL where AWS delivers no net amounts.", privacy=SCALE),
    Column("net_unused_cost", "number", True,
           "unused_cost after discounts; NULL where AWS delivers no net amounts.", privacy=SCALE),
    Column("effective_cost", "number", True,
           "Split and unused cost, net where there are net amounts. A part of the instance's "
           "effective_cost in costs, never to be added to it.", privacy=SCALE),
    # ours
    Column("x_partition", "text", False, "Partition that the row is computed from.", privacy=SHIFT),
    Column("x_fingerprint", "text", False, "Fingerprint of the row's delivery.",
           privacy=pseudonym("delivery")),
)
# fmt: on

"""Split cost allocation: pods and tasks are published beside the costs, never in them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.aws.delivery import deliver_cur2, deliver_legacy_csv, deliver_legacy_parquet
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import environ
from tests.support.world import World

Row = dict[str, Any]

NODE = "i-0123456789abcdef0"
POD = "arn:aws:eks:us-east-1:444455556666:pod/shop/checkout/web-7d9f/0b1c"
TASK = "arn:aws:ecs:us-east-1:444455556666:task/jobs/4d5e6f"


@pytest.fixture
def world(aws_bucket: FolderBucket, clickhouse: ClickHouseConfig, commands: Commands) -> World:
    commands.set(environ(clickhouse, aws_bucket.root))
    return World(aws_bucket, clickhouse, commands)


def node(cost: float, **columns: Any) -> Row:
    (row,) = lines("2026-09", [cost])
    return row | {"line_item_resource_id": NODE, "line_item_usage_type": "BoxUsage:m5.xlarge",
                  "line_item_operation": "RunInstances"} | columns  # fmt: skip


def share(arn: str, split: float | None, unused: float | None, **columns: Any) -> Row:
    (row,) = lines("2026-09", [0.0])
    kind = "EKSPod-EC2" if ":pod/" in arn else "ECSTask-EC2"
    return (
        row
        | {
            "line_item_resource_id": arn,
            "line_item_operation": kind,
            "line_item_product_code": "AmazonEKS",
            "line_item_usage_type": "USE1-EKS-EC2-vCPU-Hours",
            "resource_tags": {},
            "split_line_item_parent_resource_id": NODE,
            "split_line_item_reserved_usage": 1.0,
            "split_line_item_actual_usage": 0.5,
            "split_line_item_split_usage": 1.0,
            "split_line_item_split_cost": split,
            "split_line_item_unused_cost": unused,
        }
        | columns
    )


EKS_TAGS = {
    "aws:eks:cluster-name": "shop",
    "aws:eks:namespace": "checkout",
    "aws:eks:deployment": "web",
    "aws:eks:workload-type": "Deployment",
    "user:Environment": "prod",
}


def mart(world: World, *names: str) -> list[tuple[Any, ...]]:
    """The mart, which has to be the same on both destinations."""
    world.commands.well("normalize", marts=True)
    tables = [
        pq.ParquetFile(path).read()
        for path in sorted((world.commands.data / "marts" / "costs_split").glob("*.parquet"))
    ]
    columns = list(names or tables[0].column_names)
    local = [tuple(row[name] for name in columns) for t in tables for row in t.to_pylist()]
    there = world.query(f"select {', '.join(columns)} from costs_split")
    assert sorted(map(plain, there)) == sorted(map(plain, local))
    return sorted(local, key=repr)


def plain(row: tuple[Any, ...]) -> str:
    """A row as text; both drivers have their own class of the zone UTC."""
    return repr([f"{v:%F %T %Z}" if isinstance(v, datetime) else v for v in row])


def failing(world: World) -> list[str]:
    """The destinations that the check names something on."""
    found = []
    for destination in ("filesystem", "clickhouse"):
        out = world.commands.checked("aws_split_conservation", destination=destination)
        found += [destination] * ("1 failed" in out)
    return found


@pytest.mark.quick("deliver_cur2")
@pytest.mark.parametrize("deliver", [deliver_cur2, deliver_legacy_csv, deliver_legacy_parquet])
def test_pods_and_tasks_are_published_beside_the_costs(
    world: World, deliver: Callable[..., Any]
) -> None:
    rows = [
        node(10.0),
        share(POD, 4.0, 1.5, resource_tags=EKS_TAGS),
        share(TASK, 3.0, 1.5, resource_tags={"aws:ecs:serviceName": "mail"}),
    ]
    deliver(world.bucket, "", "cur", "2026-09", rows)
    world.both()
    names = ("usage_date", "orchestrator", "cluster", "namespace", "workload", "workload_type",
             "pod", "parent_resource_id", "split_cost", "unused_cost", "effective_cost",
             "net_split_cost", "split_usage", "billing_currency", "x_partition")  # fmt: skip
    day = date(2026, 9, 1)
    # legacy parquet has serviceName as service_name
    assert mart(world, *names) == [
        (day, "ECS", "jobs", None, "mail", None, "4d5e6f", NODE, 3.0, 1.5, 4.5, None, 1.0, "USD",
         "2026-09"),
        (day, "EKS", "shop", "checkout", "web", "Deployment", "web-7d9f", NODE, 4.0, 1.5, 5.5,
         None, 1.0, "USD", "2026-09"),
    ]  # fmt: skip
    assert world.commands.billed("2026-09") == [10.0]
    assert world.query("select sum(effective_cost), count() from costs") == [(10.0, 1)]
    assert failing(world) == []


@pytest.mark.thorough
def test_the_tags_of_cur2_in_one_column_name_the_workload(world: World) -> None:
    tags = {f"resourceTags/{key}": value for key, value in EKS_TAGS.items()}
    rows = [node(10.0), share("arn-of-no-known-form", 4.0, 6.0, tags=tags)]
    rows[1]["line_item_operation"] = "EKSPod-EC2"
    for row in rows:
        del row["resource_tags"]
    deliver_cur2(world.bucket, "", "cur", "2026-09", rows)
    world.both()
    assert mart(world, "orchestrator", "cluster", "namespace", "workload", "pod") == [
        ("EKS", "shop", "checkout", "web", None)
    ]


@pytest.mark.thorough
def test_a_restated_month_replaces_its_shares(world: World) -> None:
    for shares in ([(4.0, 1.0), (4.0, 1.0)], [(10.0, 0.0)], []):
        rows = [node(10.0), *(share(POD, *each) for each in shares)]
        deliver_cur2(world.bucket, "", "cur", "2026-09", rows)
        world.both()
        assert mart(world, "split_cost", "unused_cost") == shares
        assert failing(world) == []


@pytest.mark.thorough
def test_net_shares_add_up_to_the_net_cost_of_a_covered_instance(world: World) -> None:
    covered = node(
        10.0,
        line_item_line_item_type="SavingsPlanCoveredUsage",
        savings_plan_savings_plan_a_r_n="plan",
        savings_plan_savings_plan_effective_cost=6.0,
        savings_plan_net_savings_plan_effective_cost=5.4,
    )
    pod = share(
        POD, 4.0, 2.0, split_line_item_net_split_cost=3.6, split_line_item_net_unused_cost=1.8
    )
    deliver_cur2(world.bucket, "", "cur", "2026-09", [covered, pod])
    world.both()
    assert mart(world, "effective_cost") == [(pytest.approx(5.4),)]
    assert failing(world) == []


@pytest.mark.thorough
@pytest.mark.quick("1-11.0-True")
@pytest.mark.parametrize(
    ("hours", "split", "named"),
    [
        (1, 9.0, True),
        (1, 11.0, True),
        (1, 10.0, False),
        (24, 9.0, False),  # no pod ran in a part of the day
        (24, 11.0, True),
    ],
)
def test_shares_that_do_not_add_up_to_their_instance_are_named(
    world: World, hours: int, split: float, named: bool
) -> None:
    end = datetime(2026, 9, 1 + hours // 24, hours % 24, tzinfo=UTC)
    rows = [node(10.0), share(POD, split, 0.0)]
    for row in rows:
        row["line_item_usage_end_date"] = end
    deliver_cur2(world.bucket, "", "cur", "2026-09", rows)
    world.both()
    assert mart(world, "effective_cost") == [(split,)]
    assert failing(world) == ["filesystem", "clickhouse"] * named


@pytest.mark.thorough
def test_random_shares_are_the_same_on_both_destinations(world: World) -> None:
    made = random.Random(20260901)
    arns = [POD, TASK, "arn:aws:ecs:us-east-1:4:task/old-form", "arn:aws:eks:r:4:pod/a/b", "", None,
            "arn:aws:eks:r:4:pod/a//c/d", "pod/x/y/z", "arn:aws:eks:r:4:pod/ö/ü/é-1/0"]  # fmt: skip
    costs = [None, 0.0, 1e-12, 0.1, 3.25, -2.0, 1e9, float("nan"), float("inf")]
    numbers = [name for name in share(POD, 0, 0) if name.startswith("split_line_item_")][1:]
    numbers += ["split_line_item_net_split_cost", "split_line_item_net_unused_cost"]
    rows = [node(10.0)]
    for _ in range(300):
        row = share(POD, None, None) | {name: made.choice(costs) for name in numbers}
        keys = made.sample(list(EKS_TAGS), made.randrange(len(EKS_TAGS)))
        rows.append(
            row
            | {
                "line_item_resource_id": made.choice(arns),
                "line_item_operation": made.choice(["EKSPod-EC2", "ECSTask-EC2", "Other", None]),
                "split_line_item_parent_resource_id": made.choice([NODE, "", None, "i-2"]),
                "line_item_usage_type": made.choice(["USE1-EKS-EC2-GB-Hours", "", None]),
                "resource_tags": {key: made.choice(["", "x", EKS_TAGS[key]]) for key in keys},
            }
        )
    deliver_cur2(world.bucket, "", "cur", "2026-09", rows)
    world.both()
    found = mart(world)
    split = [
        row
        for row in rows
        if row.get("line_item_operation") in ("EKSPod-EC2", "ECSTask-EC2")
        or row.get("split_line_item_parent_resource_id")
    ]
    assert len(found) == len(split) > 200


@pytest.mark.thorough
def test_a_pruned_month_has_no_shares(world: World) -> None:
    deliver_cur2(world.bucket, "", "cur", "2026-09", [node(10.0), share(POD, 10.0, 0.0)])
    world.both()
    assert len(mart(world)) == 1
    for destination in ("filesystem", "clickhouse"):
        world.commands.well(f"prune aws --keep 1 --yes --destination={destination}")
    assert list((world.commands.data / "marts" / "costs_split").glob("*.parquet")) == []
    assert world.query("select count() from costs_split") == [(0,)]

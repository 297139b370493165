"""What the benchmark's bill is about: accounts, meters and resources, as pools that rows pick from.

Sizes follow large real bills: a few accounts, thousands of meters (a product's usage type in a
region, with its price), thousands of resources that are billed every hour.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

REGIONS = {
    "us-east-1": "USE1",
    "us-west-2": "USW2",
    "eu-central-1": "EUC1",
    "eu-west-1": "EUW1",
    "ap-southeast-1": "APS1",
    "ap-northeast-1": "APN1",
}
#: product code: family, name, usage types, operations, unit
PRODUCTS = {
    "AmazonEC2": (
        "Compute Instance",
        "Amazon Elastic Compute Cloud",
        ("BoxUsage", "SpotUsage", "EBS:VolumeUsage.gp3", "NatGateway-Bytes", "DataTransfer-Out"),
        ("RunInstances", "RunInstances:0002", "CreateVolume-Gp3", "NatGateway"),
        "Hrs",
    ),
    "AmazonRDS": (
        "Database Instance",
        "Amazon Relational Database Service",
        ("InstanceUsage", "Multi-AZUsage", "RDS:GP3-Storage"),
        ("CreateDBInstance:0014", "CreateDBInstance:0021"),
        "Hrs",
    ),
    "AmazonS3": (
        "Storage",
        "Amazon Simple Storage Service",
        ("TimedStorage-ByteHrs", "Requests-Tier1", "Requests-Tier2"),
        ("StandardStorage", "PutObject", "GetObject", "ListBucket"),
        "GB-Mo",
    ),
    "AWSLambda": (
        "Serverless",
        "AWS Lambda",
        ("Lambda-GB-Second", "Request"),
        ("Invoke",),
        "Lambda-GB-Second",
    ),
    "AmazonCloudWatch": (
        "Metric",
        "AmazonCloudWatch",
        ("CW:MetricMonitorUsage", "DataProcessing-Bytes"),
        ("MetricStorage", "PutLogEvents"),
        "Metrics",
    ),
    "AmazonDynamoDB": (
        "Amazon DynamoDB PayPerRequest Throughput",
        "Amazon DynamoDB",
        ("ReadRequestUnits", "WriteRequestUnits", "TimedStorage-ByteHrs"),
        ("PayPerRequestThroughput", "StandardStorage"),
        "ReadRequestUnits",
    ),
    "AmazonECS": ("Compute", "Amazon Elastic Container Service", ("Fargate-vCPU",), ("Run",), "h"),
    "AWSDataTransfer": ("Data Transfer", "AWS Data Transfer", ("Out-Bytes",), ("RunInst",), "GB"),
}
SIZES = tuple(
    f"{kind}.{size}"
    for kind in ("m7g", "m6i", "c7g", "c6i", "r7g", "r6i", "t4g", "x2gd", "i4i", "g5")
    for size in ("medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")
)
ACCOUNTS = 24
TEAMS = ("Payments", "Search", "Data Platform", "Growth", "Core", "Risk", "Mobile", "Ops")
ENVIRONMENTS = ("production", "staging", "development", "sandbox")


@dataclass
class Meters:
    """One entry per meter: its price and the texts and the `product` map that go with it."""

    price: Floats
    texts: dict[str, list[str]] = field(default_factory=dict)
    product: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Resources:
    """One entry per resource: what it is billed by, whose it is, and its tags."""

    meter: Integers
    account: Integers
    ids: list[str]
    zones: list[str]
    tags: list[dict[str, str]]


def accounts() -> tuple[list[str], list[str]]:
    """Account ids and their names."""
    ids = [f"{100_000_000_000 + 37_123_457 * n}" for n in range(ACCOUNTS)]
    names = [f"{TEAMS[n % 8]} {ENVIRONMENTS[n // 8]}" for n in range(ACCOUNTS)]
    return ids, names


def meters(random: np.random.Generator) -> Meters:
    """Every usage type of every product, in every region and (for machines) of every size."""
    made = Meters(price=np.zeros(0))
    for code, (family, name, usages, operations, unit) in PRODUCTS.items():
        for region, short in REGIONS.items():
            for usage in usages:
                for size in SIZES if usage.endswith("Usage") else ("",):
                    operation = operations[len(made.product) % len(operations)]
                    whole = f"{short}-{usage}" + (f":{size}" if size else "")
                    _add(made, code, family, name, region, whole, operation, unit, size)
    made.price = np.round(random.lognormal(-2.0, 1.5, len(made.product)), 7)
    money = [f"{price:.10f}" for price in made.price.tolist()]
    made.texts["pricing_public_on_demand_rate"] = money
    made.texts["line_item_line_item_description"] = [
        f"${price} per {unit} of {usage}"
        for price, unit, usage in zip(
            money, made.texts["pricing_unit"], made.texts["line_item_usage_type"], strict=True
        )
    ]
    return made


def resources(random: np.random.Generator, count: int, of: Meters) -> Resources:
    """`count` resources, each of one meter and one account, most of them tagged."""
    meter = random.integers(0, len(of.product), count)
    regions = [of.texts["product_region_code"][at] for at in meter.tolist()]
    owners = random.integers(0, ACCOUNTS, count)
    numbers = random.integers(0, 1 << 62, count).tolist()
    return Resources(
        meter=meter,
        account=owners,
        ids=[
            f"arn:aws:ec2:{region}:{100_000_000_000 + 37_123_457 * owner}:instance/i-{number:017x}"
            for region, owner, number in zip(regions, owners.tolist(), numbers, strict=True)
        ],
        zones=[f"{region}{'abc'[n % 3]}" for n, region in enumerate(regions)],
        tags=[_tags(n, number) for n, number in enumerate(numbers)],
    )


def _add(
    made: Meters,
    code: str,
    family: str,
    name: str,
    region: str,
    usage: str,
    operation: str,
    unit: str,
    size: str,
) -> None:
    number = len(made.product)
    sku = f"{(number * 2_654_435_761) % (36**6):012X}QGBT"
    for column, text in {
        "line_item_product_code": code,
        "line_item_usage_type": usage,
        "line_item_operation": operation,
        "product_servicecode": code,
        "product_product_family": family,
        "product_region_code": region,
        "product_instance_type": size,
        "product_sku": sku,
        "pricing_unit": unit,
        "pricing_rate_code": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
        "pricing_rate_id": f"{4_000_000_000 + number * 7919}",
    }.items():
        made.texts.setdefault(column, []).append(text)
    machine = {
        "vcpu": "8",
        "memory": "32 GiB",
        "physical_processor": "Graviton",
        "tenancy": "Shared",
    }
    made.product.append(
        {
            "product_name": name,
            "region": region,
            "servicename": name,
            "product_family": family,
            "usagetype": usage,
        }
        | (machine | {"instance_type": size} if size else {})
    )


def _tags(number: int, random: int) -> dict[str, str]:
    if number % 9 == 0:
        return {}
    tags = {
        "user:Environment": ENVIRONMENTS[random % 4],
        "user:Team": TEAMS[random % 8],
        "user:Application": f"service-{random % 180:03d}",
        "user:Name": f"service-{random % 180:03d}-{number % 40:02d}",
        "aws:createdBy": f"IAMUser:AIDA{random % 90:016d}:deployer",
    }
    return tags | ({"user:Cost Center": f"CC-{random % 60:04d}"} if number % 3 else {})

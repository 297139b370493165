"""What the example company uses beside machines: storage, functions, network, monitoring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scripts.sandbox.aws.estate import (
    CHECKOUT_TAGS,
    DATA,
    HOSTILE_TAGS,
    PLATFORM_TAGS,
    PREFIXES,
    PRODUCTION,
    SEARCH_TAGS,
    STAGING,
    STAGING_TAGS,
    STOREFRONT_TAGS,
    WAREHOUSE_TAGS,
    Account,
)


@dataclass(frozen=True)
class Meter:
    """Something metered that is no machine. `amount` is a day's, or a month's when `monthly`."""

    account: Account
    region: str
    code: str
    usage_type: str
    operation: str
    family: str
    unit: str
    rate: float
    amount: float
    resource: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    monthly: bool = False


_BUCKETS: tuple[tuple[str, Account, str, int, dict[str, str]], ...] = (
    ("example-shop-media", PRODUCTION, "us-east-1", 22_000, STOREFRONT_TAGS),
    ("example-shop-logs", PRODUCTION, "us-east-1", 9_000, {}),
    ("example-orders-archive", PRODUCTION, "us-east-1", 6_500, CHECKOUT_TAGS),
    ("example-search-index", PRODUCTION, "eu-west-1", 3_200, SEARCH_TAGS),
    ("example-backups", PRODUCTION, "us-west-2", 14_000, PLATFORM_TAGS),
    ("example-terraform", PRODUCTION, "us-east-1", 1, PLATFORM_TAGS),
    ("example-staging-media", STAGING, "us-east-1", 800, STAGING_TAGS),
    ("example-ci-artifacts", STAGING, "us-east-1", 1_900, {}),
    ("example-lake-raw", DATA, "us-west-2", 31_000, WAREHOUSE_TAGS),
    ("example-lake-curated", DATA, "us-west-2", 12_500, WAREHOUSE_TAGS),
    ("example-ml-experiments", DATA, "us-west-2", 2_400, HOSTILE_TAGS),
    ("example-billing", PRODUCTION, "us-east-1", 3, {}),
)
_FUNCTIONS: tuple[tuple[str, Account, str, int, dict[str, str]], ...] = (
    ("thumbnailer", PRODUCTION, "us-east-1", 410_000, STOREFRONT_TAGS),
    ("cart-events", PRODUCTION, "us-east-1", 980_000, CHECKOUT_TAGS),
    ("payment-webhook", PRODUCTION, "us-east-1", 120_000, CHECKOUT_TAGS),
    ("search-suggest", PRODUCTION, "eu-west-1", 640_000, SEARCH_TAGS),
    ("image-moderation", PRODUCTION, "us-east-1", 95_000, {}),
    ("log-shipper", PRODUCTION, "us-east-1", 1_500_000, PLATFORM_TAGS),
    ("preview-deploy", STAGING, "us-east-1", 4_000, STAGING_TAGS),
    ("nightly-checks", STAGING, "us-east-1", 900, {}),
    ("lake-ingest", DATA, "us-west-2", 310_000, WAREHOUSE_TAGS),
    ("lake-compact", DATA, "us-west-2", 26_000, WAREHOUSE_TAGS),
)


def meters() -> Iterator[Meter]:
    """Every meter of the estate, in a fixed order."""
    yield from _storage()
    yield from _functions()
    yield from _network()
    yield from _monitoring()


def _storage() -> Iterator[Meter]:
    for name, account, region, gigabytes, tags in _BUCKETS:
        prefix = PREFIXES[region]
        where = (account, region, "AmazonS3")
        yield Meter(
            *where,
            f"{prefix}TimedStorage-ByteHrs",
            "StandardStorage",
            "Storage",
            "GB-Mo",
            0.023,
            gigabytes,
            name,
            tags,
            monthly=True,
        )
        for tier, operation, rate, requests in (
            (1, "PutObject", 0.000005, 9.0),
            (2, "GetObject", 0.0000004, 120.0),
        ):
            usage_type = f"{prefix}Requests-Tier{tier}"
            amount = round(gigabytes * requests)
            yield Meter(
                *where, usage_type, operation, "API Request", "Requests", rate, amount, name, tags
            )


def _functions() -> Iterator[Meter]:
    for name, account, region, calls, tags in _FUNCTIONS:
        arn = f"arn:aws:lambda:{region}:{account.id}:function:{name}"
        where = (account, region, "AWSLambda")
        prefix = PREFIXES[region]
        yield Meter(
            *where,
            f"{prefix}Lambda-GB-Second",
            "Invoke",
            "Serverless",
            "Lambda-GB-Second",
            0.0000166667,
            calls * 0.9,
            arn,
            tags,
        )
        yield Meter(
            *where,
            f"{prefix}Request",
            "Invoke",
            "Serverless",
            "Requests",
            0.0000002,
            calls,
            arn,
            tags,
        )


def _network() -> Iterator[Meter]:
    for account, region, name, gigabytes, tags in (
        (PRODUCTION, "us-east-1", "shop", 720.0, STOREFRONT_TAGS),
        (PRODUCTION, "eu-west-1", "search", 95.0, SEARCH_TAGS),
        (DATA, "us-west-2", "lake", 40.0, {}),
    ):
        prefix, nat = PREFIXES[region], f"arn:aws:ec2:{region}:{account.id}:natgateway/nat-{name}"
        ec2, transfer = (account, region, "AmazonEC2"), (account, region, "AWSDataTransfer")
        elb = (account, region, "AWSELB")
        balancer = f"arn:aws:elasticloadbalancing:{region}:{account.id}:loadbalancer/app/{name}"
        gateway, app = (nat, tags), (balancer, tags)
        for meter, hours_or_bytes, unit, rate, amount, rest in (
            (ec2, "NatGateway-Hours", "Hrs", 0.045, 24.0, gateway),
            (ec2, "NatGateway-Bytes", "GB", 0.045, gigabytes / 4, gateway),
            (elb, "LoadBalancerUsage", "Hrs", 0.0225, 24.0, app),
            (elb, "LCUUsage", "LCU-Hrs", 0.008, gigabytes, app),
            (transfer, "DataTransfer-Out-Bytes", "GB", 0.09, gigabytes, app),
            (transfer, "DataTransfer-Regional-Bytes", "GB", 0.01, gigabytes * 3, ("", {})),
        ):
            operation = "LoadBalancing" if meter is elb else "RunInstances"
            family = "Data Transfer" if meter is transfer else "Networking"
            yield Meter(
                *meter, f"{prefix}{hours_or_bytes}", operation, family, unit, rate, amount, *rest
            )


def _monitoring() -> Iterator[Meter]:
    for account, region, metrics, gigabytes in (
        (PRODUCTION, "us-east-1", 1_450, 38.0),
        (PRODUCTION, "eu-west-1", 210, 6.5),
        (STAGING, "us-east-1", 160, 2.2),
        (DATA, "us-west-2", 320, 11.0),
    ):
        prefix, where = PREFIXES[region], (account, region, "AmazonCloudWatch")
        yield Meter(
            *where,
            f"{prefix}CW:MetricMonitorUsage",
            "MetricStorage",
            "Metric",
            "Metrics",
            0.30,
            metrics,
            monthly=True,
        )
        yield Meter(
            *where,
            f"{prefix}DataProcessing-Bytes",
            "PutLogEvents",
            "Data Payload",
            "GB",
            0.50,
            gigabytes,
        )
    cluster = f"arn:aws:eks:us-east-1:{PRODUCTION.id}:cluster/example"
    yield Meter(
        PRODUCTION,
        "us-east-1",
        "AmazonEKS",
        "USE1-AmazonEKS-Hours:perCluster",
        "CreateOperation",
        "Compute",
        "Hours",
        0.10,
        24.0,
        cluster,
        PLATFORM_TAGS,
    )

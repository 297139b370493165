"""The example company's AWS estate: accounts, machines, meters, commitments. Data, no rows.

Prices are AWS's public ones of 2026 or close to them, in USD. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Account:
    """An AWS account of the organisation."""

    id: str
    name: str


PAYER = Account("999988887777", "example-payer")
PRODUCTION = Account("111122223333", "example-production")
STAGING = Account("222233334444", "example-staging")
DATA = Account("333344445555", "example-data")
ACCOUNTS = (PRODUCTION, STAGING, DATA)

PRODUCTS = {
    "AmazonEC2": "Amazon Elastic Compute Cloud",
    "AmazonS3": "Amazon Simple Storage Service",
    "AmazonRDS": "Amazon Relational Database Service",
    "AmazonEKS": "Amazon Elastic Container Service for Kubernetes",
    "AWSLambda": "AWS Lambda",
    "AWSDataTransfer": "AWS Data Transfer",
    "AWSELB": "Elastic Load Balancing",
    "AmazonCloudWatch": "AmazonCloudWatch",
    "AWSSupportBusiness": "AWS Support (Business)",
    "ComputeSavingsPlans": "Savings Plans for AWS Compute usage",
    "8xk2v9q4m1example7p": "Example Metrics Platform",
}
MARKETPLACE = "8xk2v9q4m1example7p"

#: How usage types start in each region.
PREFIXES = {"us-east-1": "", "us-west-2": "USW2-", "eu-west-1": "EU-"}
#: USD an hour on demand.
ON_DEMAND = {
    "m6i.4xlarge": 0.768,
    "m6i.2xlarge": 0.428,
    "m6i.xlarge": 0.192,
    "c6i.xlarge": 0.17,
    "r6g.large": 0.1008,
    "t3.large": 0.0832,
    "db.r6g.2xlarge": 0.899,
    "db.m6g.large": 0.159,
}


@dataclass(frozen=True)
class Fleet:
    """Machines of one kind. Rhythm: always on, scaled down at weekends, office hours, or spot."""

    name: str
    account: Account
    region: str
    type: str
    count: int
    rhythm: str = "always"
    tags: dict[str, str] = field(default_factory=dict)
    disk_gb: int = 100
    since: date = date(2026, 1, 1)

    @property
    def is_database(self) -> bool:
        """RDS rather than EC2."""
        return self.type.startswith("db.")


def _tags(environment: str, team: str, application: str, centre: str) -> dict[str, str]:
    return {
        "user:Environment": environment,
        "user:Team": team,
        "user:Application": application,
        "user:Cost Center": centre,
    }


_STOREFRONT = _tags("production", "storefront", "web shop", "CC-1001")
_CHECKOUT = _tags("production", "checkout", "orders", "CC-1002") | {"aws:createdBy": "Root:1111"}
_SEARCH = _tags("production", "search", "search", "CC-1003")
_PLATFORM = _tags("production", "platform", "kubernetes", "CC-2001")
_STAGING = _tags("staging", "platform", "web shop", "CC-2001")
_WAREHOUSE = _tags("production", "data", "warehouse", "CC-3001") | {
    "aws:createdBy": "AssumedRole:AROAEXAMPLE:scheduler"
}
# Keys that AWS allows and that break naive readers.
_HOSTILE = {
    "user:environment": "research",
    "user:Team": "data",
    "user:it's": "quoted",
    "user:a-b": "dash",
    "user:a_b": "underscore",
    "user:Größe": "groß",
    'user:x,"y";z': 'a,"b"',
}

FLEETS = (
    Fleet("web", PRODUCTION, "us-east-1", "m6i.4xlarge", 10, "scaled", _STOREFRONT, 200),
    Fleet("orders", PRODUCTION, "us-east-1", "c6i.xlarge", 10, "always", _CHECKOUT),
    Fleet("cache", PRODUCTION, "us-east-1", "r6g.large", 6, "scaled", _STOREFRONT, 50),
    Fleet("node", PRODUCTION, "us-east-1", "m6i.xlarge", 4, "always", _PLATFORM),
    Fleet("search", PRODUCTION, "eu-west-1", "m6i.2xlarge", 6, "scaled", _SEARCH, 500),
    Fleet("staging", STAGING, "us-east-1", "t3.large", 8, "office", _STAGING),
    Fleet("ci", STAGING, "us-east-1", "c6i.xlarge", 6, "office"),
    Fleet("etl", DATA, "us-west-2", "m6i.4xlarge", 4, "always", _WAREHOUSE, 1000),
    Fleet("notebook", DATA, "us-west-2", "t3.large", 4, "office", _HOSTILE),
    Fleet("batch", DATA, "us-west-2", "c6i.xlarge", 6, "spot", {"user:Team": "data"}, 0),
    Fleet("orders-db", PRODUCTION, "us-east-1", "db.r6g.2xlarge", 2, "always", _CHECKOUT, 2000),
    Fleet("shop-db", PRODUCTION, "us-east-1", "db.m6g.large", 3, "always", _STOREFRONT, 400),
    Fleet(
        "catalogue-db",
        PRODUCTION,
        "us-east-1",
        "db.m6g.large",
        1,
        "always",
        _SEARCH,
        400,
        since=date(2026, 8, 1),
    ),
)
#: USD an hour of spot.
SPOT_PRICE = {"c6i.xlarge": 0.0679}


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


_BUCKETS = (
    ("example-shop-media", PRODUCTION, "us-east-1", 22_000, _STOREFRONT),
    ("example-shop-logs", PRODUCTION, "us-east-1", 9_000, {}),
    ("example-orders-archive", PRODUCTION, "us-east-1", 6_500, _CHECKOUT),
    ("example-search-index", PRODUCTION, "eu-west-1", 3_200, _SEARCH),
    ("example-backups", PRODUCTION, "us-west-2", 14_000, _PLATFORM),
    ("example-terraform", PRODUCTION, "us-east-1", 1, _PLATFORM),
    ("example-staging-media", STAGING, "us-east-1", 800, _STAGING),
    ("example-ci-artifacts", STAGING, "us-east-1", 1_900, {}),
    ("example-lake-raw", DATA, "us-west-2", 31_000, _WAREHOUSE),
    ("example-lake-curated", DATA, "us-west-2", 12_500, _WAREHOUSE),
    ("example-ml-experiments", DATA, "us-west-2", 2_400, _HOSTILE),
    ("example-billing", PRODUCTION, "us-east-1", 3, {}),
)
_FUNCTIONS = (
    ("thumbnailer", PRODUCTION, "us-east-1", 410_000, _STOREFRONT),
    ("cart-events", PRODUCTION, "us-east-1", 980_000, _CHECKOUT),
    ("payment-webhook", PRODUCTION, "us-east-1", 120_000, _CHECKOUT),
    ("search-suggest", PRODUCTION, "eu-west-1", 640_000, _SEARCH),
    ("image-moderation", PRODUCTION, "us-east-1", 95_000, {}),
    ("log-shipper", PRODUCTION, "us-east-1", 1_500_000, _PLATFORM),
    ("preview-deploy", STAGING, "us-east-1", 4_000, _STAGING),
    ("nightly-checks", STAGING, "us-east-1", 900, {}),
    ("lake-ingest", DATA, "us-west-2", 310_000, _WAREHOUSE),
    ("lake-compact", DATA, "us-west-2", 26_000, _WAREHOUSE),
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
        (PRODUCTION, "us-east-1", "shop", 720.0, _STOREFRONT),
        (PRODUCTION, "eu-west-1", "search", 95.0, _SEARCH),
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
        _PLATFORM,
    )

"""The example company's AWS estate: accounts, products, prices and machines. Data, no rows.

Prices are AWS's public ones of 2026 or close to them, in USD. Times are UTC.
"""

from __future__ import annotations

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


STOREFRONT_TAGS = _tags("production", "storefront", "web shop", "CC-1001")
CHECKOUT_TAGS = _tags("production", "checkout", "orders", "CC-1002") | {
    "aws:createdBy": "Root:1111"
}
SEARCH_TAGS = _tags("production", "search", "search", "CC-1003")
PLATFORM_TAGS = _tags("production", "platform", "kubernetes", "CC-2001")
STAGING_TAGS = _tags("staging", "platform", "web shop", "CC-2001")
WAREHOUSE_TAGS = _tags("production", "data", "warehouse", "CC-3001") | {
    "aws:createdBy": "AssumedRole:AROAEXAMPLE:scheduler"
}
# Keys that AWS allows and that break naive readers.
HOSTILE_TAGS = {
    "user:environment": "research",
    "user:Team": "data",
    "user:it's": "quoted",
    "user:a-b": "dash",
    "user:a_b": "underscore",
    "user:Größe": "groß",
    'user:x,"y";z': 'a,"b"',
}

FLEETS = (
    Fleet("web", PRODUCTION, "us-east-1", "m6i.4xlarge", 10, "scaled", STOREFRONT_TAGS, 200),
    Fleet("orders", PRODUCTION, "us-east-1", "c6i.xlarge", 10, "always", CHECKOUT_TAGS),
    Fleet("cache", PRODUCTION, "us-east-1", "r6g.large", 6, "scaled", STOREFRONT_TAGS, 50),
    Fleet("node", PRODUCTION, "us-east-1", "m6i.xlarge", 4, "always", PLATFORM_TAGS),
    Fleet("search", PRODUCTION, "eu-west-1", "m6i.2xlarge", 6, "scaled", SEARCH_TAGS, 500),
    Fleet("staging", STAGING, "us-east-1", "t3.large", 8, "office", STAGING_TAGS),
    Fleet("ci", STAGING, "us-east-1", "c6i.xlarge", 6, "office"),
    Fleet("etl", DATA, "us-west-2", "m6i.4xlarge", 4, "always", WAREHOUSE_TAGS, 1000),
    Fleet("notebook", DATA, "us-west-2", "t3.large", 4, "office", HOSTILE_TAGS),
    Fleet("batch", DATA, "us-west-2", "c6i.xlarge", 6, "spot", {"user:Team": "data"}, 0),
    Fleet("orders-db", PRODUCTION, "us-east-1", "db.r6g.2xlarge", 2, "always", CHECKOUT_TAGS, 2000),
    Fleet("shop-db", PRODUCTION, "us-east-1", "db.m6g.large", 3, "always", STOREFRONT_TAGS, 400),
    Fleet(
        "catalogue-db",
        PRODUCTION,
        "us-east-1",
        "db.m6g.large",
        1,
        "always",
        SEARCH_TAGS,
        400,
        since=date(2026, 8, 1),
    ),
)
#: USD an hour of spot.
SPOT_PRICE = {"c6i.xlarge": 0.0679}

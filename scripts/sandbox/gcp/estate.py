"""The example company on Google Cloud: two billing accounts, five projects, who owns what."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

ORGANISATION = "821092389413"
COMPANY = {"resource_name": f"organizations/{ORGANISATION}", "display_name": "example.com"}
PRODUCTION = {"resource_name": "folders/310000000001", "display_name": "production"}
TRIALS = {"resource_name": "folders/310000000002", "display_name": "trials"}


@dataclass(frozen=True)
class Account:
    """A billing account. `rates` are units of its currency per USD by invoice month; `contract`
    is what a negotiated price is of the list price, `tax` the share of a net cost."""

    id: str
    currency: str
    rates: dict[str, float] = field(hash=False)
    contract: Decimal
    tax: Decimal

    @property
    def suffix(self) -> str:
        """Its id in a table's name."""
        return self.id.replace("-", "_")


@dataclass(frozen=True)
class Project:
    """A project as the export describes it."""

    id: str
    number: str
    name: str
    account: Account
    folder: dict[str, str] = field(hash=False)
    labels: dict[str, str] = field(hash=False)

    @property
    def ancestors(self) -> list[dict[str, str]]:
        """From the project to the organisation."""
        own = {"resource_name": f"projects/{self.number}", "display_name": self.name}
        return [own, self.folder, COMPANY]

    @property
    def record(self) -> dict[str, object]:
        """The column `project`."""
        folder = self.folder["resource_name"].removeprefix("folders/")
        return {
            "id": self.id,
            "number": self.number,
            "name": self.name,
            "labels": pairs(self.labels),
            "ancestry_numbers": f"/{ORGANISATION}/{folder}/",
            "ancestors": self.ancestors,
        }


def pairs(labels: dict[str, str]) -> list[dict[str, str]]:
    """Labels as the export has them."""
    return [{"key": key, "value": value} for key, value in labels.items()]


def tag(key: str, value: str, *, inherited: bool = True) -> dict[str, object]:
    """A resource manager tag."""
    return {"key": key, "value": value, "inherited": inherited, "namespace": ORGANISATION}


USD = Account(
    "01A2B3-C4D5E6-F70819",
    "USD",
    dict.fromkeys(("202607", "202608", "202609", "202610", "202611"), 1.0),
    Decimal(1),
    Decimal("0.045"),
)
CHF = Account(
    "0F1E2D-3C4B5A-697887",
    "CHF",
    {
        "202607": 0.80125,
        "202608": 0.80642,
        "202609": 0.79705,
        "202610": 0.79211,
        "202611": 0.79318,
    },
    Decimal("0.95"),
    Decimal("0.081"),
)
ACCOUNTS = (USD, CHF)

SHOP = Project(
    "shop-production",
    "410000000001",
    "Shop",
    USD,
    PRODUCTION,
    {"environment": "production", "team": "shop", "cost-center": "1001"},
)
STAGING = Project(
    "shop-staging",
    "410000000002",
    "Shop staging",
    USD,
    TRIALS,
    {"environment": "staging", "team": "shop"},
)
DATA = Project(
    "data-platform",
    "410000000003",
    "Data platform",
    USD,
    PRODUCTION,
    {"environment": "production", "team": "data", "cost-center": "2002"},
)
ERP = Project(
    "zurich-erp",
    "410000000004",
    "ERP Zürich",
    CHF,
    PRODUCTION,
    {"environment": "production", "team": "finance"},
)
REPORTS = Project("zurich-reports", "410000000005", "Reports Zürich", CHF, TRIALS, {})

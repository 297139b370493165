"""What the example company has committed to: reservations, savings plans, a private discount."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from scripts.sandbox.aws.estate import PRODUCTION


def moment(day: date) -> str:
    """Midnight as AWS writes the start and the end of a commitment."""
    return f"{day}T00:00:00.000Z"


@dataclass(frozen=True)
class Reservation:
    """Reserved machines for a year: `upfront` for all of them, `hourly` for each."""

    id: str
    region: str
    type: str
    count: int
    option: str
    upfront: float
    hourly: float
    start: date

    @property
    def code(self) -> str:
        """The product code that it covers: AmazonRDS or AmazonEC2."""
        return "AmazonRDS" if self.type.startswith("db.") else "AmazonEC2"

    @property
    def arn(self) -> str:
        """As in reservation/ReservationARN."""
        service, kind = ("rds", "ri:") if self.code == "AmazonRDS" else ("ec2", "")
        separator = ":" if kind else ":reserved-instances/"
        return f"arn:aws:{service}:{self.region}:{PRODUCTION.id}{separator}{kind}{self.id}"

    @property
    def upfront_hourly(self) -> float:
        """The upfront fee for one machine's hour, spread over a year of 8,760 hours."""
        return self.upfront / self.count / 8760

    @property
    def times(self) -> dict[str, Any]:
        """When it begins and ends, as its lines say."""
        end = self.start.replace(year=self.start.year + 1)
        return {"reservation_start_time": moment(self.start), "reservation_end_time": moment(end)}


RESERVATIONS = (
    Reservation(
        "ri-cache", "us-east-1", "r6g.large", 4, "No Upfront", 0, 0.0635, date(2025, 12, 12)
    ),
    Reservation(
        "ri-shop-db",
        "us-east-1",
        "db.m6g.large",
        4,
        "Partial Upfront",
        1_836,
        0.0524,
        date(2026, 7, 15),
    ),
    Reservation("ri-node", "us-east-1", "m6i.xlarge", 5, "All Upfront", 5_255, 0, date(2026, 9, 5)),
)


@dataclass(frozen=True)
class SavingsPlan:
    """An hourly commitment for a year. `rate` is its price as a part of the on-demand price;
    it covers machines of this family and region (None is any)."""

    id: str
    offering: str
    option: str
    commitment: float
    rate: float
    start: date
    family: str | None = None
    region: str | None = None

    @property
    def arn(self) -> str:
        """As in savingsPlan/SavingsPlanARN."""
        return f"arn:aws:savingsplans::{PRODUCTION.id}:savingsplan/{self.id}"

    @property
    def upfront(self) -> float:
        """What is paid on the day of purchase."""
        return self.commitment * 8760 if self.option == "All Upfront" else 0.0

    @property
    def times(self) -> dict[str, Any]:
        """When it begins and ends, as its lines say."""
        end = self.start.replace(year=self.start.year + 1)
        return {"savings_plan_start_time": moment(self.start), "savings_plan_end_time": moment(end)}


SAVINGS_PLANS = (
    SavingsPlan(
        "sp-search",
        "EC2InstanceSavingsPlans",
        "All Upfront",
        1.10,
        0.66,
        date(2026, 8, 10),
        "m6i",
        "eu-west-1",
    ),
    SavingsPlan("sp-compute", "ComputeSavingsPlans", "No Upfront", 8.5, 0.73, date(2026, 5, 1)),
)
#: Bought and returned within its seven days: an upfront fee and its refund, no usage.
RETURNED_PLAN = SavingsPlan(
    "sp-mistake", "ComputeSavingsPlans", "All Upfront", 0.1, 0.73, date(2026, 10, 6)
)

#: The enterprise discount begins with this day and takes 6 % off what is eligible.
DISCOUNT_START = date(2026, 8, 1)
DISCOUNT = 0.06

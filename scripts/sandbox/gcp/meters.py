"""What the example company uses on Google Cloud: one meter per SKU and resource."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from scripts.sandbox.gcp.estate import Project

_SERVICES = {
    "BigQuery": "24E6-581D-38E5",
    "Cloud Logging": "5490-F7B7-8DF6",
    "Cloud Pub/Sub": "A1E8-BE35-7EBC",
    "Cloud Run": "152E-C115-5142",
    "Cloud SQL": "9662-B51E-5089",
    "Cloud Storage": "95FF-2EF5-5EA1",
    "Compute Engine": "6F81-5844-456A",
    "Invoice": "0000-0000-0000",
    "Support": "2062-016F-44A2",
    "Example Software Search": "E7A1-90CC-12BD",
    "Vertex AI": "C7E2-9256-1C43",
}
# What a base unit and a pricing unit are, and how many of one make the other.
HOUR: dict[str, Any] = {"unit": "seconds", "pricing_unit": "hour", "scale": 3600.0}
GIB: dict[str, Any] = {"unit": "bytes", "pricing_unit": "gibibyte", "scale": 2.0**30}
TIB: dict[str, Any] = {"unit": "bytes", "pricing_unit": "tebibyte", "scale": 2.0**40}
GIB_HOUR: dict[str, Any] = {
    "unit": "byte-seconds",
    "pricing_unit": "gibibyte hour",
    "scale": 3600.0 * 2**30,
}
GIB_MONTH: dict[str, Any] = {
    "unit": "byte-seconds",
    "pricing_unit": "gibibyte month",
    "scale": 2_592_000.0 * 2**30,
}
#: Hours of the Pacific day in which sporadic usage falls; the last one is the next day in UTC.
HOURS = (1, 4, 7, 10, 13, 16, 19, 23)


@dataclass(frozen=True)
class Meter:
    """A SKU that a resource uses. `price` is USD at list per pricing unit, `quantity` pricing
    units a day, `scale` base units in a pricing unit; `hours` splits a day's usage over them.
    `credit` names a rule of sandbox_gcp_lines, `model` is the share of the price that a consumption
    model asks."""

    project: Project
    service: str
    sku: str
    price: Decimal
    quantity: float
    location: str
    resource: str = ""
    unit: str = "requests"
    pricing_unit: str = "count"
    scale: float = 1.0
    hours: tuple[int, ...] = ()
    credit: str = ""
    model: Decimal = Decimal(1)
    labels: dict[str, str] = field(default_factory=dict, hash=False)
    tags: list[dict[str, Any]] = field(default_factory=list, hash=False)
    system_labels: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def key(self) -> str:
        """Text that no other meter has."""
        return f"{self.project.id} {self.service} {self.sku} {self.resource}"

    @property
    def service_record(self) -> dict[str, str]:
        """What the export has in its column `service`: id and description."""
        return service(self.service)


def service(name: str) -> dict[str, str]:
    """A service by its description."""
    return {"id": _SERVICES[name], "description": name}


def machine(
    project: Project, name: str, kind: str, cores: int, place: str, **more: Any
) -> list[Meter]:
    """Cores, memory and disk of a virtual machine."""
    family, where = kind.partition("-")[0].upper(), "Zurich" if "6" in place else "Iowa"
    shown = {
        "compute.googleapis.com/machine_spec": kind,
        "compute.googleapis.com/cores": str(cores),
        "compute.googleapis.com/memory": str(cores * 4096),
    }
    sku = f"{family} Instance Core running in {where}"
    unit = {**HOUR, "system_labels": shown, **more}
    price, hours = Decimal("0.031611"), 24.0 * cores
    core = Meter(project, "Compute Engine", sku, price, hours, place, name, **unit)
    sku = f"{family} Instance Ram running in {where}"
    ram = replace(core, sku=sku, price=Decimal("0.004237"), quantity=hours * 4, **GIB_HOUR)
    sku = f"SSD backed PD Capacity in {where}"
    bare = {"resource": f"{name}-disk", "credit": "", "system_labels": {}, **GIB_MONTH}
    disk = replace(core, sku=sku, price=Decimal("0.17"), quantity=100.0 / 30, **bare)
    return [core, ram, disk]


def database(project: Project, name: str, region: str, **more: Any) -> list[Meter]:
    """Cores, memory and storage of a Cloud SQL instance."""
    sku = "Cloud SQL for PostgreSQL: Zonal - {} in " + region
    price, unit = Decimal("0.0413"), {**HOUR, **more}
    core = Meter(project, "Cloud SQL", sku.format("vCPU"), price, 96.0, region, name, **unit)
    price, name = Decimal("0.007"), sku.format("RAM")
    ram = replace(core, sku=name, price=price, quantity=384.0, **GIB_HOUR)
    price, name = Decimal("0.17"), sku.format("Standard storage")
    bare = {"credit": "", "model": Decimal(1), **GIB_MONTH}
    return [core, ram, replace(core, sku=name, price=price, quantity=8.0, **bare)]


def bucket(project: Project, name: str, region: str, size: float, **more: Any) -> Meter:
    """A bucket of so many GiB."""
    sku, unit = f"Standard Storage {region}", {**GIB_MONTH, **more}
    price = Decimal("0.02")
    return Meter(project, "Cloud Storage", sku, price, size / 30, region, name, **unit)


def traffic(project: Project, place: str, size: float, hours: tuple[int, ...]) -> Meter:
    """GiB a day to the internet."""
    sku, price = "Network Internet Data Transfer Out from Americas to EMEA", Decimal("0.12")
    unit = {"hours": hours, "credit": "identical", **GIB}
    return Meter(project, "Compute Engine", sku, price, size, place, **unit)


def queries(project: Project, place: str, size: float, **more: Any) -> list[Meter]:
    """TiB a day that BigQuery scans, and what it stores."""
    sku, price, unit = f"Analysis ({place})", Decimal("6.25"), {"hours": HOURS, **TIB, **more}
    analysis = Meter(project, "BigQuery", sku, price, size, place, **unit)
    sku, price = f"Active Logical Storage ({place})", Decimal("0.023")
    stored = {"quantity": 5_000 / 30, "hours": (), **GIB_MONTH}
    return [analysis, replace(analysis, sku=sku, price=price, **stored)]


def run(project: Project, name: str, region: str) -> list[Meter]:
    """A Cloud Run service."""
    sku, price = f"CPU Allocation Time in {region}", Decimal("0.000024")
    labels = {"goog-managed-by": "cloudfunctions", "application": "checkout"}
    unit: dict[str, Any] = {"unit": "seconds", "pricing_unit": "second", "labels": labels}
    cpu = Meter(project, "Cloud Run", sku, price, 90_000.0, region, name, **unit)
    labels = {"a-b": "dash", "a_b": "underscore"}
    price, unit = Decimal("0.0000004"), {"unit": "requests", "pricing_unit": "count"}
    free = {"credit": "free", "labels": labels, **unit}
    return [cpu, replace(cpu, sku="Requests", price=price, quantity=120_000.0, **free)]


def logs(project: Project, size: float) -> Meter:
    """GiB of logs a day."""
    labels = {"it's": 'a "quoted" value', "größe": "süß"}
    unit = {"labels": labels, **GIB}
    return Meter(
        project, "Cloud Logging", "Log Storage cost", Decimal("0.5"), size, "global", **unit
    )

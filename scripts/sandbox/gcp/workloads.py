"""Who of the example company uses what on Google Cloud, with labels as people write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from scripts.sandbox.gcp import estate, meters
from scripts.sandbox.gcp.meters import HOURS, Meter


def workloads() -> list[Meter]:
    """Everything that is metered, in a fixed order."""
    return [*_shop(), *_staging(), *_data(), *_erp(), *_reports()]


def _shop() -> list[Meter]:
    web = {"application": "web", "tier": "front"}
    tags = [estate.tag("Environment", "prod"), estate.tag("cost_center", "1001", inherited=False)]
    more: dict[str, Any] = {"labels": web, "tags": tags}
    cluster = {"goog-k8s-cluster-name": "shop", "k8s-label/app.kubernetes.io/name": "cart"}
    place, sku = "us-central1-a", "Message Delivery Basic"
    return [
        *meters.machine(
            estate.SHOP, "web-1", "n2-standard-4", 4, place, credit="commitment", **more
        ),
        *meters.machine(
            estate.SHOP, "web-2", "n2-standard-4", 4, place, credit="commitment", **more
        ),
        *meters.machine(
            estate.SHOP, "web-3", "n2-standard-4", 4, place, credit="sustained", **more
        ),
        *meters.machine(estate.SHOP, "gke-shop-1", "e2-standard-8", 8, place, labels=cluster),
        *meters.database(estate.SHOP, "shop-db", "us-central1", credit="", model=Decimal("0.75")),
        meters.traffic(estate.SHOP, "us-central1", 210.0, HOURS),
        *meters.run(estate.SHOP, "checkout", "us-central1"),
        meters.bucket(
            estate.SHOP, "shop-media", "us-central1", 9_000.0, labels={"environment": ""}
        ),
        meters.logs(estate.SHOP, 30.0),
        meters.Meter(estate.SHOP, "Cloud Pub/Sub", sku, Decimal(40), 0.035, "global", **meters.TIB),
    ]


def _staging() -> list[Meter]:
    own = {"labels": {"environment": "Staging", "application": "web"}}
    return [
        *meters.machine(
            estate.STAGING, "staging-1", "e2-standard-2", 2, "us-east1-b", credit="promotion", **own
        ),
        meters.bucket(estate.STAGING, "staging-media", "us-east1", 700.0, credit="promotion"),
    ]


def _data() -> list[Meter]:
    sku, price = "Vertex AI: Training Nvidia L4 GPU in Americas", Decimal("0.644046")
    gpu: dict[str, Any] = {"hours": (10, 13), **meters.HOUR}
    lake = {"application": "lake", "user:Cost Center": "R&D; 100%"}
    return [
        *meters.queries(estate.DATA, "US", 3.2, labels={"team": "analytics"}),
        meters.bucket(estate.DATA, "lake-raw", "US", 41_000.0, labels=lake),
        meters.bucket(estate.DATA, "lake-curated", "US", 18_000.0, labels=lake),
        meters.Meter(estate.DATA, "Vertex AI", sku, price, 5.5, "us-central1", **gpu),
        meters.logs(estate.DATA, 12.0),
        meters.traffic(estate.DATA, "us-central1", 15.0, (4, 16)),
    ]


def _erp() -> list[Meter]:
    tags = [estate.tag("Environment", "prod")]
    place = "europe-west6-b"
    return [
        *meters.machine(
            estate.ERP, "erp-1", "n2-highmem-8", 8, place, credit="sustained", tags=tags
        ),
        *meters.machine(estate.ERP, "erp-2", "n2-highmem-8", 8, place, tags=tags),
        *meters.database(estate.ERP, "erp-db", "europe-west6", credit="spend"),
        meters.bucket(estate.ERP, "erp-backup", "europe-west6", 12_000.0),
        meters.traffic(estate.ERP, "europe-west6", 22.0, (7, 23)),
        meters.logs(estate.ERP, 9.0),
    ]


def _reports() -> list[Meter]:
    return [
        *meters.queries(estate.REPORTS, "EU", 1.1, labels={"application": "reports"}),
        *meters.run(estate.REPORTS, "reports", "europe-west6"),
        meters.bucket(estate.REPORTS, "reports-out", "europe-west6", 150.0),
    ]

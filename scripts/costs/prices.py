"""`[prices]`: the list prices by which measured work becomes money. They are yours to check."""

from __future__ import annotations

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration


@configspec
class Prices(BaseConfiguration):
    """In USD, by list, of a region in Europe."""

    github_minute: float = 0.006
    lambda_gb_second: float = 0.0000166667
    vcpu_hour: float = 0.04048
    memory_gb_hour: float = 0.004445
    spot_share: float = 0.3
    storage_gb_month: float = 0.0245
    egress_gb: float = 0.09


def prices() -> Prices:
    """What dlt finds under `prices`; every key has a default."""
    return resolve_configuration(Prices(), sections=("prices",))

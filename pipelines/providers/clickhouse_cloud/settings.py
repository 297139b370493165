"""`[sources.clickhouse_cloud]`: the organisation's key, and what is asked with it."""

from __future__ import annotations

from typing import Any

import dlt
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from pipelines.core.partition import ConfigurationError

API = "https://api.clickhouse.cloud"


@configspec
class ClickhouseCloudSettings(BaseConfiguration):
    """Key and secret of the organisation's API key; the organisation, when it is not the key's own;
    the first month; how many days after its end a month is read again at least.
    """

    key_id: TSecretStrValue = dlt.secrets.value
    key_secret: TSecretStrValue = dlt.secrets.value
    organization_id: str | None = None
    first_month: str | None = None
    settle_days: int = 3
    api_base: str = API


def configuration(**given: Any) -> ClickhouseCloudSettings:
    """What dlt finds under `sources.clickhouse_cloud`; what is given wins."""
    found = resolve_configuration(
        ClickhouseCloudSettings(), sections=("sources", "clickhouse_cloud"), explicit_value=given
    )
    if not (found.key_id.strip() and found.key_secret.strip()):
        raise ConfigurationError(
            "The key of ClickHouse Cloud's API is empty. Set SOURCES__CLICKHOUSE_CLOUD__KEY_ID and "
            "SOURCES__CLICKHOUSE_CLOUD__KEY_SECRET (console, Organization, API keys)."
        )
    if found.settle_days < 1:
        raise ConfigurationError("sources.clickhouse_cloud.settle_days must be at least 1.")
    return found

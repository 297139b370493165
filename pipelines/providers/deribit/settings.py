"""`[sources.deribit]`: what is loaded, from where, and how fast."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration

from pipelines.core.partition import ConfigurationError

KINDS = ("any", "future", "option", "spot", "future_combo", "option_combo", "combo")
TEST_URL = "https://test.deribit.com/api/v2"


@configspec
class DeribitSettings(BaseConfiguration):
    """Every key has a default: public market data needs no account."""

    currencies: list[str] = field(default_factory=lambda: ["BTC", "ETH"])
    kinds: list[str] = field(default_factory=lambda: ["any"])
    api_url: str = "https://www.deribit.com/api/v2"
    history_url: str = "https://history.deribit.com/api/v2"
    test_network: bool = False
    first_day: str = ""
    lookback_days: int = 7
    settle_hours: float = 3.0
    retry_holes_days: int = 7
    page_size: int = 1000
    requests_per_second: float = 8.0
    parallel: int = 4
    tries: int = 8
    backoff_seconds: float = 0.5
    timeout_seconds: float = 30.0
    expired_instruments: bool = True
    newest_numbers: bool = True
    volatility_index: list[str] = field(default_factory=list)
    funding: list[str] = field(default_factory=list)

    def urls(self) -> tuple[str, str]:
        """Production and history; the test network has no history."""
        return (TEST_URL, "") if self.test_network else (self.api_url, self.history_url)


def configuration(**given: Any) -> DeribitSettings:
    """What dlt finds under `sources.deribit`; what is given wins.

    Raises ConfigurationError for what cannot be.
    """
    found = resolve_configuration(
        DeribitSettings(), sections=("sources", "deribit"), explicit_value=given
    )
    wrong = [kind for kind in found.kinds if kind not in KINDS]
    if wrong or not found.kinds:
        raise ConfigurationError(
            f"sources.deribit.kinds: {', '.join(wrong) or 'none given'}. "
            f"Choose from {', '.join(KINDS)}."
        )
    if "any" in found.kinds and len(found.kinds) > 1:
        raise ConfigurationError("sources.deribit.kinds: any contains the others; name it alone.")
    for name in ("requests_per_second", "parallel", "tries", "page_size", "timeout_seconds"):
        if getattr(found, name) <= 0:
            raise ConfigurationError(f"sources.deribit.{name} must be more than 0.")
    if found.page_size > 1000:
        raise ConfigurationError(
            "sources.deribit.page_size: Deribit gives at most 1000 trades a page."
        )
    if not found.currencies:
        raise ConfigurationError("sources.deribit.currencies is empty: name at least one.")
    return found

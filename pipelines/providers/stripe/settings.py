"""`[sources.stripe]`: which accounts, with which keys, and how much is read again."""

from __future__ import annotations

from typing import Any

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from pipelines.core.partition import ConfigurationError
from pipelines.providers.stripe.api import Api

ONE = "main"
"""The name of the account when there is one key alone."""


@configspec
class StripeSettings(BaseConfiguration):
    """One key, or several accounts by name; how many days are read again; how many threads;
    which tables besides the ledger.
    """

    stripe_secret_key: TSecretStrValue | None = None
    accounts: dict[str, str] | None = None
    lookback_days: int = 35
    workers: int = 4
    objects: list[str] | None = None
    api_base: str | None = None

    def key_by_account(self) -> dict[str, str]:
        """Key by account name. Raises ConfigurationError without any key."""
        found = {name: key.strip() for name, key in (self.accounts or {}).items()}
        if self.stripe_secret_key:
            if found:
                raise ConfigurationError(
                    "sources.stripe has both stripe_secret_key and accounts. Keep one of them: "
                    "with several accounts each key is in accounts, under a name of your choice."
                )
            found = {ONE: self.stripe_secret_key.strip()}
        if not found:
            raise ConfigurationError(
                "No Stripe key is set. Set SOURCES__STRIPE__STRIPE_SECRET_KEY to a restricted key "
                "that has the right Balance: Read, or sources.stripe.accounts in "
                ".dlt/secrets.toml."
            )
        if empty := [name for name, key in found.items() if not key]:
            raise ConfigurationError(
                f"sources.stripe: the key of {', '.join(empty)} is empty. Write it to "
                ".dlt/secrets.toml."
            )
        return found

    def apis(self) -> list[Api]:
        """One API client per configured account."""
        return [
            Api(name, key, self.api_base) for name, key in sorted(self.key_by_account().items())
        ]


def configuration(**given: Any) -> StripeSettings:
    """What dlt finds under `sources.stripe`; what is given wins."""
    settings = resolve_configuration(
        StripeSettings(), sections=("sources", "stripe"), explicit_value=given
    )
    for name, least in (("lookback_days", 1), ("workers", 1)):
        if getattr(settings, name) < least:
            raise ConfigurationError(f"sources.stripe.{name} must be at least {least}.")
    return settings

"""`[sources.stripe]`: which accounts, with which keys, and how much is read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from pipelines.core.partition import ConfigurationError
from pipelines.providers.stripe.api import Api
from pipelines.providers.stripe.calendar import LOOKBACK_DAYS, ONE


@configspec
class StripeSettings(BaseConfiguration):
    """One key, or several accounts by name, and connected accounts of theirs; how many days are
    read again; how many threads; how many pages of a final month are asked again; which tables
    besides the ledger.
    """

    stripe_secret_key: TSecretStrValue | None = None
    accounts: dict[str, str] | None = None
    connected: dict[str, str] | None = None
    lookback_days: int = LOOKBACK_DAYS
    workers: int = 4
    sample_pages: int = 20
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
        """A client per account, connected ones included."""
        keys = self.key_by_account()
        own = [Api(name, key, self.api_base) for name, key in keys.items()]
        connected = [
            Api(name, keys[platform], self.api_base, connected=account)
            for name, (platform, account) in self._connected(keys).items()
        ]
        return sorted([*own, *connected], key=lambda api: api.account)

    def _connected(self, keys: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Platform and id by name. Raises ConfigurationError."""
        found = {}
        for name, value in (self.connected or {}).items():
            before, _, account = value.rpartition("/")
            platform = before or next(iter(keys))
            where = f"sources.stripe.connected.{name}"
            if name in keys:
                raise ConfigurationError(f"{where}: an account has this name. Use another one.")
            if platform not in keys or (not before and len(keys) > 1):
                raise ConfigurationError(
                    f"{where} is {value!r}. Write the account that has the key and the id of the "
                    f"connected account, as {min(keys)}/acct_123."
                )
            found[name] = platform, account
        return found


def configuration(**given: Any) -> StripeSettings:
    """What dlt finds under `sources.stripe`; what is given wins."""
    settings = resolve_configuration(
        StripeSettings(), sections=("sources", "stripe"), explicit_value=given
    )
    for name, least in (("lookback_days", 1), ("workers", 1), ("sample_pages", 0)):
        if getattr(settings, name) < least:
            raise ConfigurationError(f"sources.stripe.{name} must be at least {least}.")
    return settings

"""`[alert]`: who is told and by which channel, and from which limits on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.typing import TSecretStrValue

from pipelines.core.partition import ConfigurationError

FORMATS = ("slack", "teams")
SECURITY = ("starttls", "tls", "none")


@configspec
class AlertSettings(BaseConfiguration):
    """Every key has a default; a channel without an address is not used."""

    webhook_url: TSecretStrValue = ""
    webhook_format: str = "slack"
    mail_to: str = ""
    mail_from: str = ""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password: TSecretStrValue = ""
    smtp_ca: str = ""
    github_repository: str = ""
    github_token: TSecretStrValue = ""
    github_api: str = "https://api.github.com"
    link: str = ""
    days: int = 14
    late_hours: float = 26.0
    restated_amount: float = 100.0
    restated_after_days: int = 7
    ending_days: int = 30

    def __repr__(self) -> str:
        """Without the secrets."""
        return "AlertSettings()"

    __str__ = __repr__


def alert_settings(**given: Any) -> AlertSettings:
    """What dlt finds under `alert`; what is given wins. Raises ConfigurationError."""
    found = resolve_configuration(AlertSettings(), sections=("alert",), explicit_value=given)
    _require_one_of("webhook_format", found.webhook_format, FORMATS)
    _require_one_of("smtp_security", found.smtp_security, SECURITY)
    if found.webhook_url and not found.webhook_url.startswith(("https://", "http://")):
        raise ConfigurationError("alert.webhook_url is not a URL: it has to begin with https://.")
    if found.mail_to and not (found.smtp_host and found.mail_from):
        raise ConfigurationError("alert.mail_to needs alert.smtp_host and alert.mail_from, too.")
    if found.smtp_password and found.smtp_security == "none":
        raise ConfigurationError(
            "alert.smtp_security is 'none', which sends alert.smtp_password readable. Choose "
            "starttls or tls, or remove the password."
        )
    if found.github_repository and not found.github_token:
        raise ConfigurationError(
            "alert.github_repository needs alert.github_token: a token that may write issues there."
        )
    return found


def _require_one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigurationError(f"alert.{name} is {value!r}. Choose from {', '.join(known)}.")

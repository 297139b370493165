"""Where each ClickHouse setting comes from: the one order in which places are asked.

1. dlt's names in the environment: DESTINATION__CLICKHOUSE__CREDENTIALS__PASSWORD and so on, or
   the whole as a connection string in DESTINATION__CLICKHOUSE__CREDENTIALS, which goes first
2. the short names in the environment: CLICKHOUSE_PASSWORD and so on
3. dlt's other providers in dlt's order: .dlt/secrets.toml, .dlt/config.toml, any vault
4. the server of `make clickhouse-up`, when it is the one that the above lead to
5. the defaults of the mode

The environment goes before files because a job's runner sets it for this one run; dlt's names go
before the short ones because they are dlt's own and hold for dlt with or without this project.
An empty value counts as none: CI hands on a secret that does not exist as an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ValueNotSecretException
from dlt.common.configuration.providers import EnvironProvider
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.resolve import resolve_single_provider_value
from dlt.common.libs.sql_alchemy_shims import make_url
from dlt.common.typing import TSecretStrValue

from pipelines.core.partition import ConfigurationError

SECTION = ("destination", "clickhouse")
SECRETS = Path("/run/secrets")  # where Docker and Kubernetes mount them, and dlt looks
_EXAMPLE = re.compile(r"<[a-z ]+>")


class ClickHouseConfigError(ConfigurationError, ValueError):
    """A setting of ClickHouse is missing, wrong or contradicts another; the text names the fix."""


@dataclass(frozen=True)
class Setting:
    """One setting by its names: ours, dlt's credentials field, a connection string's query key."""

    name: str
    dlt: str = ""
    query: str = ""

    @property
    def variable(self) -> str:
        """The value of an environment variable with its origin; None when it is empty."""
        return f"CLICKHOUSE_{self.name.upper()}"


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("host", "host"),
        Setting("port", "port"),
        Setting("http_port", "http_port", "http_port"),
        Setting("database", "database"),
        Setting("user", "username"),
        Setting("password", "password"),
        Setting("secure", "secure", "secure"),
        Setting("connect_timeout", "connect_timeout", "connect_timeout"),
        Setting("max_retries"),
        Setting("retry_seconds"),
        Setting("answer_timeout"),
        Setting("verify", query="verify"),
        Setting("ca", query="ca_certs"),
        Setting("cluster"),
    )
}


@dataclass(frozen=True)
class Found:
    """A value as it was written, and where; `repr` shows the place alone."""

    value: Any
    origin: str

    def __repr__(self) -> str:
        return f"Found({self.origin})"


class Places:
    """The places 1 to 3 for one environment. `providers` None: those that dlt has set up."""

    def __init__(
        self, environ: Mapping[str, str], providers: Sequence[ConfigProvider] | None = None
    ) -> None:
        self._environ = environ
        self.first = Environment(environ)
        self._rest = [
            provider
            for provider in (dlt.config.config_providers if providers is None else providers)
            if not isinstance(provider, EnvironProvider)
        ]

    def find(self, name: str) -> Found | None:
        """The setting's value in the first place that has one. Raises ClickHouseConfigError."""
        found = next(self._all(SETTINGS[name]), None)
        if found and isinstance(found.value, str) and _EXAMPLE.fullmatch(found.value):
            raise ClickHouseConfigError(
                f"ClickHouse's {name} is still the placeholder {found.value}: {found.origin}. "
                "Fix: write the real one there, or remove the lines to use make clickhouse-up"
            )
        return found

    def is_named(self, name: str) -> bool:
        """Whether any place has the setting, even only a placeholder."""
        return next(self._all(SETTINGS[name]), None) is not None

    def variable(self, name: str) -> Found | None:
        """The value of an environment variable with its origin; None when it is empty."""
        value = self._environ.get(name, "").strip()
        return Found(value, f"{name} (environment)") if value else None

    def _all(self, setting: Setting) -> Iterator[Found]:
        yield from _in_provider(self.first, setting)
        if found := self.variable(setting.variable):
            yield found
        for provider in self._rest:
            yield from _in_provider(provider, setting)


class Environment(EnvironProvider):
    """dlt's environment provider on a given mapping instead of the process's own variables."""

    def __init__(self, environ: Mapping[str, str], secrets: Path = SECRETS) -> None:
        self._environ, self._secrets = environ, secrets

    def get_value(
        self, key: str, hint: type[Any], pipeline_name: str | None, *sections: str
    ) -> tuple[Any | None, str]:
        """The variable, or for a secret first the file of that name that a container mounts."""
        name = self.get_key_name(key, *sections)
        if hint is TSecretStrValue:
            file = self._secrets / name.lower().replace("_", "-")
            file = file / file.name if file.is_dir() else file
            if file.is_file():
                return file.read_text(encoding="utf-8").strip(), str(file)
        return self._environ.get(name, "").strip() or None, name

    @property
    def name(self) -> str:
        """The provider as `doctor` names it, such as `environment`."""
        return "environment"

    @property
    def is_empty(self) -> bool:
        """Never: dlt leaves an empty provider out of its search."""
        return False


def _in_provider(provider: ConfigProvider, setting: Setting) -> Iterator[Found]:
    """What one provider has for a setting: its connection string first, as in dlt, then a field."""
    whole = _ask(provider, "credentials", str)
    if whole and not isinstance(whole.value, Mapping):
        if not provider.supports_secrets:
            raise _misplaced("credentials", provider)
        if value := _part(whole, setting):
            yield Found(value, f"{whole.origin}, its {setting.name}")
    if setting.dlt:
        hint = TSecretStrValue if setting.name == "password" else str
        if found := _ask(provider, setting.dlt, hint, "credentials"):
            yield found


def _ask(provider: ConfigProvider, key: str, hint: Any, section: str = "") -> Found | None:
    """One key in dlt's own search: below destination.clickhouse, below destination, at the top."""
    try:
        value, traces = resolve_single_provider_value(provider, key, hint, "", section, SECTION)
    except ValueNotSecretException:
        raise _misplaced(key, provider) from None
    if value is None or value == "":
        return None
    place = "" if isinstance(provider, Environment) else traces[-1].provider_location
    return Found(value, f"{traces[-1].key} ({place or provider.name})")


def _misplaced(key: str, provider: ConfigProvider) -> ClickHouseConfigError:
    return ClickHouseConfigError(
        f"ClickHouse's {key} holds a secret, but is in {provider.name}. "
        "Fix: move it to .dlt/secrets.toml, which git ignores"
    )


def _part(whole: Found, setting: Setting) -> object:
    """A setting's part of a connection string clickhouse://user:password@host:port/database?…"""
    try:
        url = make_url(whole.value)
        wrong = url.drivername != "clickhouse"
    except Exception:  # noqa: BLE001 - whatever it is, its text may repeat the password
        wrong = True
    if wrong:
        raise ClickHouseConfigError(
            f"{whole.origin} is not a ClickHouse connection string. Fix: write "
            "clickhouse://user:password@host:9440/dlt?http_port=8443&secure=1, with "
            "special characters of the password percent-encoded"
        )
    if setting.query:
        query: Mapping[str, Any] = url.query or {}
        return query.get(setting.query)
    return getattr(url, setting.dlt) if setting.dlt else None

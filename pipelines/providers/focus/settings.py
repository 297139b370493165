"""`[sources.focus]`: the exports, and where each lies.

One export needs `bucket_url` alone. Several are named in `exports`, and each has a section of its
own, `[sources.focus.<name>]`; what that leaves out is taken from `[sources.focus]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ProfileNotFound
from dlt.common.configuration import configspec, resolve_configuration, resolve_type
from dlt.common.configuration.specs import (
    BaseConfiguration,
    CredentialsConfiguration,
    GcpServiceAccountCredentials,
)
from dlt.common.storages.configuration import FilesystemConfiguration

from pipelines.bigquery.options import BigQueryOptions
from pipelines.buckets.objects import Bucket
from pipelines.buckets.opening import open_bucket
from pipelines.core.partition import ConfigurationError
from pipelines.providers.focus.layouts import LAYOUTS

MAIN = "main"
"""The name of the only export, where `exports` names none."""
SETTLE_MINUTES = 15.0
BIGQUERY = "bigquery://"
_SECTION = ("sources", "focus")
_TABLE = re.compile(r"[a-z0-9:.-]+\.[A-Za-z0-9_]+\.[^`.\\\s/]+")
_TAKEN = {"credentials", "exports"}


@configspec
class FocusSettings(BaseConfiguration):
    """The names of the exports."""

    exports: list[str] | None = None


@configspec
class FocusExport(FilesystemConfiguration, BigQueryOptions):
    """One export: its place and credentials, the provider's name where the files do not have it,
    its layout where it cannot be recognised, how many minutes after its last file a delivery
    without manifest counts as complete, and another address of Google Cloud Storage. An export in
    BigQuery, bigquery://project.dataset.table, has BigQuery's options.
    """

    provider_name: str | None = None
    layout: str | None = None
    settle_minutes: float | None = None
    endpoint_url: str | None = None

    @resolve_type("credentials")
    def credentials_type(self) -> Any:
        """Credentials of the store that the URL names; a folder needs none."""
        if self.is_table:
            return GcpServiceAccountCredentials
        return self.PROTOCOL_CREDENTIALS.get(self.protocol) or CredentialsConfiguration | None

    @property
    def is_table(self) -> bool:
        """Whether its rows lie in BigQuery."""
        return str(self.bucket_url).startswith(BIGQUERY)

    @property
    def settled_after(self) -> float:
        """Minutes. Whoever writes into a folder of this machine is done when a load begins."""
        if self.settle_minutes is not None:
            return self.settle_minutes
        return 0.0 if self.is_local_filesystem else SETTLE_MINUTES


def names(given: Sequence[str] | None = None) -> list[str]:
    """The names of the configured exports. Raises ConfigurationError for one that cannot be."""
    settings = resolve_configuration(FocusSettings(), sections=_SECTION)
    found = list(given or settings.exports or [MAIN])
    if wrong := [n for n in found if not re.fullmatch("[a-z][a-z0-9_]*", n) or n in _TAKEN]:
        raise ConfigurationError(
            f"sources.focus.exports: {wrong[0]!r} cannot be a name. Use lower case, digits and _, "
            "such as azure_eu; it is part of each partition."
        )
    if len(set(found)) < len(found):
        raise ConfigurationError("sources.focus.exports names an export twice. Name each once.")
    return found


def variables(name: str) -> str:
    """The section of an export in capitals, as its environment variables begin."""
    return "SOURCES__FOCUS" if name == MAIN else f"SOURCES__FOCUS__{name.upper()}"


def configuration(name: str, **given: Any) -> FocusExport:
    """What dlt finds of an export; what is given wins. Raises ConfigurationError."""
    place = section(name)
    try:
        found = resolve_configuration(
            FocusExport(), sections=(*_SECTION, name), explicit_value=given
        )
    except ProfileNotFound as error:
        raise ConfigurationError(f"{place}.credentials: {error}.") from error
    if found.layout is not None and found.layout not in LAYOUTS:
        raise ConfigurationError(
            f"{place}.layout is {found.layout!r}. Set it to one of {', '.join(LAYOUTS)}, or "
            "leave it out."
        )
    if found.settled_after < 0:
        raise ConfigurationError(f"{place}.settle_minutes must be 0 or more.")
    if found.maximum_bytes < 0 or found.retry_seconds <= 0:
        raise ConfigurationError(
            f"{place}: maximum_bytes must not be negative, retry_seconds must be positive."
        )
    if found.is_table:
        table_of(found.bucket_url, place)
    return found


def section(name: str) -> str:
    """The section of an export as configuration files write it."""
    return ".".join(_SECTION if name == MAIN else (*_SECTION, name))


def table_of(url: str, where: str) -> str:
    """project.dataset.table of an export in BigQuery. Raises ConfigurationError."""
    table = url.removeprefix(BIGQUERY).rstrip("/")
    if not _TABLE.fullmatch(table):
        raise ConfigurationError(
            f"{where}.bucket_url: {url} is not a table of BigQuery. Write "
            "bigquery://project.dataset.table."
        )
    return table


def opened(name: str, settings: FocusExport) -> Bucket:
    """The bucket of an export."""
    return open_bucket(
        settings.bucket_url, settings.credentials, variables(name), settings.endpoint_url
    )


def all_configured(given: Sequence[str] | None = None, **values: Any) -> dict[str, FocusExport]:
    """Every export by its name. Raises ConfigurationError when two are one place."""
    found = {name: configuration(name, **values) for name in names(given)}
    for name, settings in found.items():
        for other, theirs in found.items():
            if name != other and _is_within(settings.bucket_url, theirs.bucket_url):
                raise ConfigurationError(
                    f"sources.focus: the exports {other} and {name} both have "
                    f"{settings.bucket_url}: its cost would be counted twice. Set "
                    f"{variables(name)}__BUCKET_URL to the folder of {name}."
                )
    return found


def _is_within(url: str, folder: str) -> bool:
    return f"{url.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")

"""`[sources.gcp]`: where the exports are, who reads them, and what that may cost."""

from __future__ import annotations

from typing import Any

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration, GcpServiceAccountCredentials
from dlt.common.configuration.specs.gcp_credentials import GcpDefaultCredentials
from dlt.common.typing import TSecretStrValue
from google.cloud import bigquery

from pipelines.core.partition import ConfigurationError
from pipelines.providers.gcp.bigquery.pages import read_by_arrow
from pipelines.providers.gcp.identity import GitHubJob, federated


@configspec
class GcpPlaces(BaseConfiguration):
    """Which exports: datasets to look for them in, or the very tables."""

    datasets: list[str] | None = None
    """Datasets to look for exports in, as project.dataset."""
    tables: list[str] | None = None
    """Or the very tables, as project.dataset.table."""
    accounts: list[str] | None = None
    """Of the datasets' billing accounts those to load; else all."""
    project: str | None = None
    """The project that runs the queries and pays for them; else that of the credentials."""
    location: str | None = None
    """Where the datasets lie; else BigQuery finds out."""
    workload_identity_provider: str | None = None
    """projects/…/providers/…: a job of GitHub reads by its own identity, without a key."""
    sts_url: str = "https://sts.googleapis.com/v1/token"
    """Where Google exchanges that identity for a token of its own."""
    actions_id_token_request_url: str | None = None
    """Where GitHub gives a job its identity; GitHub sets the variable of this name itself."""
    actions_id_token_request_token: TSecretStrValue | None = None
    """The job's right to ask there; set by GitHub as well."""
    lookback_days: int = 3
    """So many days before the newest published one are looked at again."""
    maximum_bytes: int = 1024**4
    """What a run may scan, and each query of it; 0 is no limit."""
    price_per_tib: float = 6.25
    """USD, for estimates alone."""
    retry_seconds: float = 120.0
    """How long a request that fails for a while is tried again."""

    def on_resolved(self) -> None:
        """Raises ConfigurationError for what contradicts itself."""
        if bool(self.datasets) == bool(self.tables):
            both = "both are" if self.tables else "neither is"
            raise ConfigurationError(
                f"sources.gcp: set either datasets (SOURCES__GCP__DATASETS) or tables "
                f"(SOURCES__GCP__TABLES); {both} set."
            )
        if self.lookback_days < 0 or self.maximum_bytes < 0 or self.retry_seconds <= 0:
            raise ConfigurationError(
                "sources.gcp: lookback_days and maximum_bytes must not be negative, retry_seconds "
                "must be positive."
            )


@configspec
class GcpSettings(GcpPlaces):
    """The same with credentials: a service account's, or Google's application default ones."""

    credentials: GcpServiceAccountCredentials = None  # type: ignore[assignment] # dlt resolves it


def configuration(credentials: Any = None, **given: Any) -> GcpSettings:
    """What dlt finds under `sources.gcp`. A missing key raises dlt's list of places to set it.

    What is given wins. Credentials come last: where none are set, Google's libraries ask the
    machine's metadata server.
    """
    sections = ("sources", "gcp")
    places = resolve_configuration(GcpPlaces(), sections=sections, explicit_value=given)
    if credentials is not None or not places.workload_identity_provider:
        every = given | ({} if credentials is None else {"credentials": credentials})
        return resolve_configuration(GcpSettings(), sections=sections, explicit_value=every)
    credentials = GcpDefaultCredentials()
    job = GitHubJob(places.actions_id_token_request_url, places.actions_id_token_request_token)
    credentials.parse_native_representation(
        federated(places.workload_identity_provider, places.sts_url, job)
    )
    return GcpSettings(**dict(places), credentials=credentials)


def open_client(settings: GcpSettings) -> bigquery.Client:
    """A client with these credentials. Raises ConfigurationError."""
    try:
        credentials = settings.credentials.to_native_credentials()
    except ValueError:
        # the error's own text may repeat the key
        raise ConfigurationError(
            "sources.gcp.credentials: the private key cannot be read. Copy the service account's "
            "JSON file whole, with its line ends as \\n."
        ) from None
    project = settings.project or settings.credentials.project_id
    if not project:
        raise ConfigurationError(
            "sources.gcp.project is not set, and the credentials name no project. Set "
            "SOURCES__GCP__PROJECT to the project that runs the queries."
        )
    client = bigquery.Client(project=project, credentials=credentials, location=settings.location)
    client._http.hooks["response"].append(read_by_arrow)
    return client

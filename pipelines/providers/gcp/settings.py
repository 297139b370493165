"""`[sources.gcp]`: where the exports are, who reads them, and what that may cost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import BaseConfiguration, GcpServiceAccountCredentials
from dlt.common.configuration.specs.gcp_credentials import GcpDefaultCredentials
from dlt.common.typing import TSecretStrValue
from google.auth import identity_pool
from google.cloud import bigquery

from pipelines.core.partition import ConfigurationError
from pipelines.providers import github
from pipelines.providers.gcp.bigquery.jobs import Jobs
from pipelines.providers.gcp.bigquery.pages import read_by_arrow
from pipelines.providers.gcp.bigquery.results import Storage

if TYPE_CHECKING:
    from pipelines.providers.gcp.bigquery.storage import Reader


@configspec
class GcpOptions(BaseConfiguration):
    """Which exports: datasets to look for them in, or the very tables."""

    datasets: list[str] | None = None
    """Datasets to look for exports in, as project.dataset."""
    tables: list[str] | None = None
    """Or the tables themselves, as project.dataset.table."""
    accounts: list[str] | None = None
    """Billing accounts to load from the datasets; else all."""
    project: str | None = None
    """The project that runs the queries and pays for them; else the credentials' project."""
    location: str | None = None
    """Location of the datasets; else BigQuery finds it."""
    workload_identity_provider: str | None = None
    """projects/…/providers/…: a job of GitHub reads by its own identity, without a key."""
    sts_url: str = "https://sts.googleapis.com/v1/token"
    """Address where Google exchanges that identity for its own token."""
    actions_id_token_request_url: str | None = None
    """Address where GitHub gives a job its identity; GitHub sets the variable of this name."""
    actions_id_token_request_token: TSecretStrValue | None = None
    """The job's token for that request; set by GitHub as well."""
    lookback_days: int = 3
    """How many days before the newest published day every run checks again."""
    maximum_bytes: int = 1024**4
    """How many bytes a run, and each of its queries, may scan; 0 means no limit."""
    price_per_tib: float = 6.25
    """Price of scanning a TiB in USD, for estimates only."""
    storage_api: bool = True
    """Whether days of many rows are read by the Storage Read API; else as REST pages."""
    storage_url: str = "https://bigquerystorage.googleapis.com"
    """Address of the Storage Read API; http:// is a stand-in's, without TLS and credentials."""
    storage_price_per_tib: float = 1.1
    """Price of reading a TiB by the Storage Read API in USD, for estimates only."""
    retry_seconds: float = 120.0
    """How long to keep retrying a failing request, in seconds."""

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
class GcpSettings(GcpOptions):
    """The same with credentials: a service account's, or Google's application default ones."""

    credentials: GcpServiceAccountCredentials = None  # type: ignore[assignment] # dlt resolves it


def configuration(credentials: Any = None, **given: Any) -> GcpSettings:
    """What dlt finds under `sources.gcp`. A missing key raises dlt's list of places to set it.

    What is given wins. Credentials come last: where none are set, Google's libraries ask the
    machine's metadata server.
    """
    sections = ("sources", "gcp")
    options = resolve_configuration(GcpOptions(), sections=sections, explicit_value=given)
    if credentials is not None or not options.workload_identity_provider:
        every = given | ({} if credentials is None else {"credentials": credentials})
        return resolve_configuration(GcpSettings(), sections=sections, explicit_value=every)
    credentials = GcpDefaultCredentials()
    job = GitHubJob(options.actions_id_token_request_url, options.actions_id_token_request_token)
    credentials.parse_native_representation(
        federated(options.workload_identity_provider, options.sts_url, job)
    )
    return GcpSettings(**dict(options), credentials=credentials)


def open_jobs(settings: GcpSettings) -> Jobs:
    """A client with these credentials, and its limits. Raises ConfigurationError."""
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
    storage = Storage(partial(_storage, settings, credentials) if settings.storage_api else None)
    return Jobs(client, settings.maximum_bytes, settings.retry_seconds, storage)


def _storage(settings: GcpSettings, credentials: Any) -> Reader:
    from pipelines.providers.gcp.bigquery.storage import open_storage  # gRPC: only who needs it

    return open_storage(credentials, settings.storage_url, settings.retry_seconds)


# Workload identity federation: a GitHub job reads BigQuery without any key. Google's Security Token
# Service takes GitHub's token for one of its own, by the pool's provider.
# Rules: cloud.google.com, "Workload identity federation" (direct resource access).

_JWT = "urn:ietf:params:oauth:token-type:jwt"
_SCOPES = ["https://www.googleapis.com/auth/bigquery"]


class GitHubJob(identity_pool.SubjectTokenSupplier):
    """Gives a job's token whenever Google asks for it. `url` and `bearer` come from GitHub."""

    def __init__(self, url: str | None, bearer: str | None) -> None:
        self._url, self._bearer = url, bearer

    def get_subject_token(self, context: Any, request: Any) -> str:
        """A new one each time. Raises ConfigurationError."""
        return github.token(context.audience, self._url, self._bearer)


def federated(provider: str, token_url: str, job: GitHubJob) -> Any:
    """Credentials that renew themselves; `provider` is projects/…/providers/…, whole.

    They speak as the job's own principal: it is what the roles are granted to.
    """
    return identity_pool.Credentials(
        audience=f"//iam.googleapis.com/{provider.strip('/')}",
        subject_token_type=_JWT,
        token_url=token_url,
        subject_token_supplier=job,
        scopes=_SCOPES,
    )

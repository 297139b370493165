"""`[sources.gcp]`: where the exports are, who reads them, and what that may cost."""

from __future__ import annotations

from typing import Any

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import GcpServiceAccountCredentials
from dlt.common.configuration.specs.gcp_credentials import GcpDefaultCredentials
from dlt.common.typing import TSecretStrValue
from google.auth import identity_pool

from pipelines.bigquery import opening
from pipelines.bigquery.errors import Reader
from pipelines.bigquery.jobs import Jobs
from pipelines.bigquery.options import BigQueryOptions
from pipelines.core.partition import ConfigurationError
from pipelines.providers import github

READER = Reader("gcp", "sources.gcp", "sources.gcp.tables or sources.gcp.datasets")


@configspec
class GcpOptions(BigQueryOptions):
    """Which exports: datasets to look for them in, or the very tables."""

    datasets: list[str] | None = None
    """Datasets to look for exports in, as project.dataset."""
    tables: list[str] | None = None
    """Or the tables themselves, as project.dataset.table."""
    accounts: list[str] | None = None
    """Billing accounts to load from the datasets; else all."""
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
    return opening.open_jobs(settings.credentials, settings, READER)


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

"""Workload identity federation: a GitHub job reads BigQuery without any key.

Google's Security Token Service takes GitHub's token for one of its own, by the pool's provider.
Rules: cloud.google.com, "Workload identity federation" (direct resource access).
"""

from __future__ import annotations

from typing import Any

from google.auth import identity_pool

from pipelines.providers import github

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

"""Workload identity federation: a GitHub job reads BigQuery without any key.

Google's Security Token Service takes GitHub's token for one of its own, by the pool's provider.
Rules: cloud.google.com, "Workload identity federation" (direct resource access).
"""

from __future__ import annotations

import os
from typing import Any

from google.auth import identity_pool

from pipelines import github_identity

_JWT = "urn:ietf:params:oauth:token-type:jwt"
_SCOPES = ["https://www.googleapis.com/auth/bigquery"]


class _GitHub(identity_pool.SubjectTokenSupplier):
    def get_subject_token(self, context: Any, request: Any) -> str:
        return github_identity.token(context.audience, os.environ)


def federated(provider: str, token_url: str) -> Any:
    """Credentials that renew themselves; `provider` is projects/…/providers/…, whole.

    They speak as the job's own principal: it is what the roles are granted to.
    """
    return identity_pool.Credentials(
        audience=f"//iam.googleapis.com/{provider.strip('/')}",
        subject_token_type=_JWT,
        token_url=token_url,
        subject_token_supplier=_GitHub(),
        scopes=_SCOPES,
    )

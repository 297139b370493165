"""The identity that GitHub vouches for in a job with `id-token: write`: roles instead of keys.

Rules: GitHub's "Security hardening your deployments" (OpenID Connect). The token is asked for anew
each time, lives for minutes, and is written nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import requests

from pipelines.partitions import ConfigurationError

_URL, _TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"


def token(audience: str, environ: Mapping[str, str]) -> str:
    """A signed token for this audience. Raises ConfigurationError where GitHub gives none."""
    if not environ.get(_URL) or not environ.get(_TOKEN):
        raise ConfigurationError(
            "GitHub offers this job no identity token. Give the job `permissions: id-token: write`."
        )
    try:
        answer = requests.get(
            environ[_URL],
            params={"audience": audience},
            headers={"Authorization": f"bearer {environ[_TOKEN]}"},
            timeout=30,
        )
        answer.raise_for_status()
        return str(answer.json()["value"])
    except (requests.RequestException, ValueError, KeyError) as error:
        # the error's own text may name the address, which holds parameters of the run
        raise ConfigurationError(
            f"GitHub gave no identity token for {audience}: {type(error).__name__}"
            f"{_status(error)}. Run the job again."
        ) from None


def _status(error: Exception) -> str:
    response = getattr(error, "response", None)
    return "" if response is None else f" {response.status_code}"

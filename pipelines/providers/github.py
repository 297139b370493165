"""The identity that GitHub vouches for in a job with `id-token: write`: roles instead of keys.

Rules: GitHub's "OpenID Connect" reference. A token is requested each time, lives for minutes,
and is written nowhere.
"""

from __future__ import annotations

import requests

from pipelines.core.partition import ConfigurationError


def token(audience: str, url: str | None, bearer: str | None) -> str:
    """A signed token for this audience, from the address that GitHub gives to a job with a right.

    Raises ConfigurationError where it gives none.
    """
    if not url or not bearer:
        raise ConfigurationError(
            "GitHub offers this job no identity token (ACTIONS_ID_TOKEN_REQUEST_URL is not set). "
            "Give the job `permissions: id-token: write`."
        )
    try:
        headers = {"Authorization": f"bearer {bearer}"}
        answer = requests.get(url, params={"audience": audience}, headers=headers, timeout=30)
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

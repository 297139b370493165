"""ClickHouse Cloud's API: one organisation, its usage cost by windows of at most 31 days.

A key may send 10 requests in 10 seconds, and no Retry-After is documented: requests are spaced by
that rule, and one that is refused nevertheless (429) waits for a whole window.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import requests

from pipelines.core.partition import ConfigurationError, PartitionError, UserError
from pipelines.providers.clickhouse_cloud.settings import ClickhouseCloudSettings

log = logging.getLogger(__name__)

REQUESTS, WINDOW = 10, 10.0
"""The published limit: so many requests of a key in so many seconds."""
_TRIES = 6
_TIMEOUT = (10, 60)
_LONGEST = 60.0  # seconds between two tries
_OK, _LIMITED, _SERVER = 200, 429, 500
_REFUSED = {401: "refuses the key", 403: "does not let the key read this"}


@dataclass(frozen=True)
class Organization:
    """The organisation that the key belongs to. `created` is the day of its creation (UTC)."""

    id: str
    name: str
    created: date


class Client:
    """Requests of one key. `requests` counts them."""

    def __init__(
        self, settings: ClickhouseCloudSettings, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._base, self._id = settings.api_base.rstrip("/"), settings.organization_id
        self._session = requests.Session()
        self._session.auth = (settings.key_id.strip(), settings.key_secret.strip())
        self._wait, self._sent = wait, deque[float](maxlen=REQUESTS)
        self.requests = 0

    def organization(self) -> Organization:
        """The configured organisation, else the key's own: one request."""
        if self._id:
            found = self._result(f"/v1/organizations/{self._id}")
        else:
            listed = self._result("/v1/organizations")
            found = listed[0] if isinstance(listed, list) and listed else None
        try:
            created = date.fromisoformat(found["createdAt"][:10])
            return Organization(str(found["id"]), str(found.get("name") or ""), created)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _not_clickhouse("/v1/organizations", "an organisation with createdAt") from None

    def usage_cost(self, organization: str, first: date, last: date) -> Mapping[str, Any]:
        """`result` of the days first to last, both included. Numbers are Decimal."""
        path = f"/v1/organizations/{organization}/usageCost"
        found = self._result(path, from_date=first.isoformat(), to_date=last.isoformat())
        if not isinstance(found, Mapping):
            raise _not_clickhouse(path, "`result` with costs")
        return found

    def _result(self, path: str, **parameters: str) -> Any:
        for attempt in range(1, _TRIES + 1):
            status, document = self._get(path, parameters)
            if status == _OK:
                if not isinstance(document, Mapping) or "result" not in document:
                    raise _not_clickhouse(path, "`result`")
                return document["result"]
            if status != _LIMITED and status < _SERVER:
                raise _refused(path, status, document)
            if attempt < _TRIES:
                seconds = WINDOW if status == _LIMITED else min(2.0 ** (attempt - 1), _LONGEST)
                log.info("clickhouse_cloud: answer %d, waiting %.0f s", status, seconds)
                self._wait(seconds)
        raise UserError(
            f"clickhouse_cloud: {path}: ClickHouse Cloud answers {status}, {_TRIES} times: "
            f"{_said(document)}. What is published stays; run again later."
        )

    def _get(self, path: str, parameters: Mapping[str, str]) -> tuple[int, Any]:
        """Status and document of one request. A connection that fails counts as 503."""
        self._space()
        self.requests += 1
        try:
            answer = self._session.get(self._base + path, params=parameters, timeout=_TIMEOUT)
        except requests.RequestException as error:
            return 503, {"error": f"no connection ({type(error).__name__})"}
        finally:  # the API counts a request when it comes, which is before its answer
            self._sent.append(time.monotonic())
        try:
            return answer.status_code, answer.json(parse_float=Decimal)
        except requests.JSONDecodeError:
            return answer.status_code, None

    def _space(self) -> None:
        now = time.monotonic()
        if len(self._sent) == REQUESTS and (left := self._sent[0] + WINDOW - now) > 0:
            self._wait(left)


def _refused(path: str, status: int, document: Any) -> UserError:
    if status in _REFUSED:
        return ConfigurationError(
            f"clickhouse_cloud: ClickHouse Cloud {_REFUSED[status]} ({status}). Set "
            "SOURCES__CLICKHOUSE_CLOUD__KEY_ID and SOURCES__CLICKHOUSE_CLOUD__KEY_SECRET to a key "
            "of the organisation that may read its billing."
        )
    if status == requests.codes.not_found:
        return ConfigurationError(
            f"clickhouse_cloud: {path}: ClickHouse Cloud knows no such organisation (404). Check "
            "sources.clickhouse_cloud.organization_id, or leave it out: the key belongs to one."
        )
    return PartitionError(
        f"clickhouse_cloud: {path}: ClickHouse Cloud answers {status}: {_said(document)}. What is "
        "published stays."
    )


def _said(document: Any) -> str:
    """The error's text; the API never repeats the key in it."""
    text = document.get("error") if isinstance(document, Mapping) else None
    return " ".join(str(text or "no reason given").split())[:200].rstrip(".")


def _not_clickhouse(path: str, what: str) -> PartitionError:
    return PartitionError(
        f"clickhouse_cloud: {path}: the answer does not hold {what}. What is published stays; "
        "check sources.clickhouse_cloud.api_base, and whether a proxy answers instead."
    )

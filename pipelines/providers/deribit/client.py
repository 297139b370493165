"""Deribit's JSON-RPC over HTTP: paced, retried by an allow-list of codes, errors that say what.

The body is parsed before the status: an error's HTTP status is not documented. Two tables of error
codes contradict each other, so that a code which is not on the list is never tried again.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests

from pipelines.core.partition import PartitionError
from pipelines.providers.deribit.limits import TokenBucket
from pipelines.providers.deribit.settings import DeribitSettings

log = logging.getLogger(__name__)

Parsed = TypeVar("Parsed")
RETRYABLE = frozenset(
    {
        10028,  # too_many_requests
        10040,  # retry
        10041,  # settlement_in_progress
        10047,  # matching_engine_queue_full
        10066,  # too_many_concurrent_requests
        11051,  # system_maintenance
        11094,  # internal_server_error
        13028,  # temporarily_unavailable
        13888,  # timed_out
    }
)
TOO_MANY = frozenset({10028, 10066})
UNKNOWN_INSTRUMENT = frozenset({10020, 13020})
_PIECE = 1 << 20
_LONGEST = 60.0  # seconds between two tries


class Malformed(Exception):
    """An answer that does not fit the request: it is tried again, then reported."""


class ApiError(Exception):
    """An error that a JSON-RPC envelope reports."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class UnknownInstrument(PartitionError):
    """A host does not know the instrument that it was asked for; another may."""


class Host:
    """A client of one Deribit host, with its rate limit and retries."""

    def __init__(self, url: str, settings: DeribitSettings) -> None:
        self.url = url.rstrip("/")
        self._bucket = TokenBucket(settings.requests_per_second)
        self._tries, self._backoff = settings.tries, settings.backoff_seconds
        self._timeout = settings.timeout_seconds
        self._threads = threading.local()
        self.calls = self.bytes = 0  # for people only, so a lost count does no harm

    def ask(
        self, method: str, parameters: dict[str, Any], parse: Callable[[bytes], Parsed]
    ) -> Parsed:
        """The parsed answer to one request, however often it has to be asked.

        Raises PartitionError with the last reason when it stays without.
        """
        for attempt in range(1, self._tries + 1):
            self._bucket.take()
            self.calls += 1
            reason: Exception
            wait = self._wait(attempt)
            try:
                answer, body = self._get(method, parameters)
                self.bytes += len(body)
                return self._parsed(answer, body, parse)
            except _Again as again:
                reason, wait = again, max(wait, again.seconds)
                if again.too_many:
                    self._bucket.pause(wait)
            except requests.RequestException as error:
                reason = error
            except Malformed as error:
                reason = error
            except ApiError as error:
                raise self._describe(method, parameters, error, attempt) from None
            log.debug("%s %s: %s (attempt %d)", method, parameters, reason, attempt)
            if attempt < self._tries:
                time.sleep(wait)
        raise self._describe(method, parameters, reason, self._tries) from None

    def result(self, method: str, **parameters: Any) -> Any:
        """The `result` of a small JSON-RPC answer, retried while the host fails."""
        return self.ask(method, parameters, lambda body: envelope(body)["result"])

    def _get(self, method: str, parameters: dict[str, Any]) -> tuple[requests.Response, bytes]:
        """The answer and its body, read at once: `content` takes a page in 24 pieces."""
        url = f"{self.url}/public/{method}"
        answer = self._session().get(url, params=parameters, timeout=self._timeout, stream=True)
        return answer, b"".join(answer.iter_content(_PIECE))

    def _parsed(
        self, answer: requests.Response, body: bytes, parse: Callable[[bytes], Parsed]
    ) -> Parsed:
        status = answer.status_code
        try:
            if status == 200:
                return parse(body)
            envelope(body)  # an error of Deribit's own says more than the status
        except ApiError as error:
            if error.code in RETRYABLE:
                raise _Again(str(error), _after(answer), error.code in TOO_MANY) from error
            raise
        except Malformed:
            if status == 200:
                raise
        if status == 429 or status >= 500:
            raise _Again(f"HTTP {status}", _after(answer), status == 429)
        raise ApiError(status, f"HTTP {status}")

    def _wait(self, attempt: int) -> float:
        longest = min(self._backoff * 2.0 ** (attempt - 1), _LONGEST)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 (jitter is no secret)

    def _session(self) -> requests.Session:
        """A session of this thread's own; no proxy or netrc of the environment is consulted."""
        found: requests.Session | None = getattr(self._threads, "session", None)
        if found is None:
            found = self._threads.session = requests.Session()
            found.trust_env = False
            found.headers["User-Agent"] = "cloud-cost-etl"
        return found

    def _describe(
        self, method: str, parameters: dict[str, Any], reason: Exception, tries: int
    ) -> PartitionError:
        asked = ", ".join(f"{name} {value}" for name, value in parameters.items())
        unknown = isinstance(reason, ApiError) and reason.code in UNKNOWN_INSTRUMENT
        kind = UnknownInstrument if unknown else PartitionError
        return kind(
            f"{self.url} {method} ({asked}): {_short(reason)}, after {tries} "
            f"tr{'y' if tries == 1 else 'ies'}. Run again later; if it keeps failing, see "
            "sources.deribit in .dlt/config.toml and https://status.deribit.com"
        )


class _Again(Exception):
    def __init__(self, text: str, seconds: float, too_many: bool) -> None:
        super().__init__(text)
        self.seconds, self.too_many = seconds, too_many


def envelope(body: bytes) -> dict[str, Any]:
    """A JSON-RPC answer with a `result`. Raises ApiError or Malformed."""
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Malformed(f"not JSON: {body[:60]!r}") from error
    if not isinstance(document, dict):
        raise Malformed(f"not JSON-RPC: {body[:60]!r}")
    if error_ := document.get("error"):
        raise _api_error(error_)
    if "result" not in document:
        raise Malformed(f"neither result nor error: {body[:60]!r}")
    return document


def _api_error(error: Any) -> ApiError:
    """Deribit's message with its reason and the rest of its `data`."""
    if not isinstance(error, dict):
        return ApiError(0, str(error))
    code, message, data = (error.get(name) for name in ("code", "message", "data"))
    if isinstance(data, dict):
        reason, others = data.get("reason"), {k: v for k, v in data.items() if k != "reason"}
        named = ", ".join(f"{name} {value}" for name, value in others.items())
        data = " ".join(str(part) for part in (reason, f"({named})" if named else None) if part)
    text = ": ".join(str(part) for part in (message or "error", data) if part)
    return ApiError(code if isinstance(code, int) else 0, text)


def _after(answer: requests.Response) -> float:
    """Seconds that the host asks to wait for."""
    try:
        return min(float(answer.headers.get("Retry-After", 0)), _LONGEST)
    except ValueError:
        return 0.0


def _short(reason: Exception) -> str:
    text = str(reason).splitlines()[0] if str(reason) else type(reason).__name__
    return text if len(text) <= 400 else text[:400] + "…"

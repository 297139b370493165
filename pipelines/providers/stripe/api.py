"""Stripe's list endpoints through Stripe's own client: pages, retries, errors without a secret.

What the client does by itself (stripe 16): it repeats after a broken connection, 409 and 5xx, with
exponential backoff. It does not repeat after 429 and ignores Retry-After: that is done here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import stripe

from pipelines.core.partition import ConfigurationError, PartitionError, UserError

log = logging.getLogger(__name__)

VERSION = "2026-10-28.endive"
"""The API version that every request names, whatever the account's default is."""
LEDGER = "/v1/balance_transactions"
PAGE = 100  # the most that Stripe gives
RETRIES = 3
_LONGEST_WAIT = 60.0  # seconds between two tries
_TRIES_WHEN_LIMITED = 8


class Api:
    """One account by its secret or restricted key. Requests may be made from several threads."""

    def __init__(
        self,
        account: str,
        key: str,
        base: str | None = None,
        wait: Callable[[float], object] = time.sleep,
        connected: str | None = None,
    ) -> None:
        """`connected` is the id of a connected account, read with its platform's key."""
        stripe.enable_telemetry = False  # nothing leaves this machine but what is asked for
        self.account, self._key, self._wait = account, key, wait
        self._counting = threading.Lock()
        self.requests = 0
        self._client = stripe.StripeClient(
            key,
            stripe_account=connected,
            stripe_version=VERSION,
            base_addresses={"api": base} if base else None,
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=(10, 80)),
        )

    def rows(self, path: str, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """Every object of a list, newest first, page by page. An object may come twice.

        Raises PartitionError when a page is not one of Stripe's, or when pages do not advance.
        """
        after: str | None = None
        while True:
            page = self.get(
                path, limit=PAGE, **filters, **({"starting_after": after} if after else {})
            )
            data, more = page.get("data"), page.get("has_more")
            if not isinstance(data, list) or not isinstance(more, bool):
                raise self._not_stripe(
                    path, "the response is not a list with `data` and `has_more`"
                )
            yield from data
            if not more:
                return
            last = data[-1].get("id") if data and isinstance(data[-1], Mapping) else None
            if not isinstance(last, str) or last == after:
                raise self._not_stripe(
                    path, "the response says has_more, but contains no next object"
                )
            after = last

    def get(self, path: str, **parameters: Any) -> Mapping[str, Any]:
        """One GET, repeated while Stripe says that there were too many."""
        for attempt in range(1, _TRIES_WHEN_LIMITED + 1):
            with self._counting:
                self.requests += 1
            try:
                with self._explained(path):
                    data = self._client.raw_request("get", path, **parameters).data
            except stripe.RateLimitError as error:
                if attempt == _TRIES_WHEN_LIMITED:
                    break
                seconds = _wait_of(error.headers, attempt)
                log.info("stripe %s: too many requests, waiting %.1f s", self.account, seconds)
                self._wait(seconds)
                continue
            if not isinstance(data, Mapping):
                raise self._not_stripe(path, "the response is not a JSON object")
            return data
        raise UserError(
            f"stripe {self.account}: {path}: Stripe says 429 Too Many Requests, "
            f"{_TRIES_WHEN_LIMITED} times. Run again later, or lower sources.stripe.workers."
        )

    def has_transaction_before(self, instant: int) -> bool:
        """Whether the ledger holds any transaction created before `instant` (seconds)."""
        return bool(self.get(LEDGER, limit=1, created={"lt": instant}).get("data"))

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Stripe's errors as ours. Their texts repeat parts of the key, so these are our own."""
        where = f"stripe {self.account}"
        try:
            yield
        except stripe.RateLimitError:
            raise
        except stripe.AuthenticationError:
            raise ConfigurationError(
                f"{where}: Stripe refuses the key (401). Set SOURCES__STRIPE__STRIPE_SECRET_KEY, "
                "or this account's key in sources.stripe.accounts, to one that is not revoked."
            ) from None
        except stripe.PermissionError:
            raise ConfigurationError(
                f"{where}: the restricted key may not read {path} (403). Give it the right to read "
                f"{_right(path)} (Developers, API keys), or use another key."
            ) from None
        except stripe.APIConnectionError as error:
            cause = type(error.__context__ or error.__cause__ or error).__name__
            raise UserError(
                f"{where}: no connection to Stripe after {RETRIES + 1} tries ({cause}). Check the "
                "network and sources.stripe.api_base, then run again."
            ) from None
        except stripe.StripeError as error:
            said = self._plain(error.user_message or type(error).__name__)
            raise UserError(
                f"{where}: {path}: Stripe answers {error.http_status}: {said}. Nothing was "
                "published; run again; if it keeps failing, see status.stripe.com."
            ) from None

    def _not_stripe(self, path: str, what: str) -> PartitionError:
        return PartitionError(
            f"stripe {self.account}: {path}: {what}. The published month stays; "
            "check whether a proxy answers instead of Stripe, then run again."
        )

    def _plain(self, text: str) -> str:
        return " ".join(text.replace(self._key, "***").split())[:200].rstrip(".")


def _wait_of(headers: object, attempt: int) -> float:
    """Retry-After in seconds, else 0.5, 1, 2, 4 … seconds."""
    value = headers.get("retry-after") if isinstance(headers, Mapping) else None
    try:
        asked = float(value) if value is not None else 2.0 ** (attempt - 2)
    except ValueError:  # an HTTP date
        asked = 2.0 ** (attempt - 2)
    return min(max(asked, 0.0), _LONGEST_WAIT)


def _right(path: str) -> str:
    name = path.rpartition("/")[2]
    return "Balance" if name.startswith("balance") else name.capitalize()

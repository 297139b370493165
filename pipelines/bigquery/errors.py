"""What goes wrong with BigQuery, in words: what, where, and the fix. No text holds a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import google.auth.exceptions
from google.api_core import exceptions

from pipelines.core.partition import ConfigurationError, PartitionError, UserError

_READ = "roles/bigquery.dataViewer on its dataset and roles/bigquery.jobUser on the project"

_UNKNOWN = re.compile(r"Unrecognized name: `?(?P<column>\w+)")


@dataclass(frozen=True)
class Reader:
    """Who reads, for messages: its source, the section of its configuration, which keys name what
    it reads, and what `--from` and `--to` are of."""

    source: str
    section: str
    keys: str
    periods: str = "days"

    @property
    def key_fix(self) -> str:
        """How it comes by credentials."""
        variable = self.section.upper().replace(".", "__")
        return (
            f"Set {variable}__CREDENTIALS to a service account's key (JSON), or run: "
            "gcloud auth application-default login"
        )


class NoSuchColumn(PartitionError):
    """A query names a column that its table has not."""

    def __init__(self, text: str, column: str) -> None:
        super().__init__(text)
        self.column = column


@contextmanager
def explained(where: str, reader: Reader) -> Iterator[None]:
    """Lets Google's errors say what they mean at `where`, such as a table's name."""
    try:
        yield
    except exceptions.RetryError as error:
        raise _of(last(error), where, reader, "went on failing") from error
    except (
        exceptions.GoogleAPIError,
        google.auth.exceptions.GoogleAuthError,
        OSError,  # requests' errors are OSErrors
    ) as error:
        raise _of(error, where, reader) from error


def last(error: BaseException) -> BaseException:
    """What failed at the last try; retries are nested."""
    while isinstance(error, exceptions.RetryError) and error.cause:
        error = error.cause
    return error


def reason(error: BaseException) -> str:
    """BigQuery's own reason, such as accessDenied; '' when it gives none."""
    errors: Any = getattr(error, "errors", None) or [{}]
    first = errors[0]
    return str(first.get("reason", "")) if isinstance(first, dict) else ""


def _of(error: BaseException, where: str, reader: Reader, how: str = "failed") -> UserError:
    text = told(error)
    kind = reason(error)
    refused = (google.auth.exceptions.RefreshError, google.auth.exceptions.OAuthError)
    if isinstance(error, refused):
        return ConfigurationError(
            f"{where}: Google refuses the credentials ({text}). {reader.key_fix}."
        )
    if isinstance(error, google.auth.exceptions.DefaultCredentialsError):
        return ConfigurationError(f"{where}: no credentials for Google Cloud. {reader.key_fix}.")
    if kind == "bytesBilledLimitExceeded":
        return ConfigurationError(
            f"{where}: {text} Nothing was charged. Raise {reader.section}.maximum_bytes, or narrow "
            f"the {reader.periods} with --from and --to."
        )
    if kind in ("quotaExceeded", "rateLimitExceeded"):
        return PartitionError(
            f"{where}: BigQuery's quota is used up ({text}). Wait until it is renewed, or have it "
            "raised (IAM & Admin, Quotas); then run again."
        )
    if isinstance(error, exceptions.Unauthorized):
        return ConfigurationError(
            f"{where}: Google refuses the credentials ({text}). {reader.key_fix}."
        )
    if isinstance(error, exceptions.Forbidden):
        return ConfigurationError(f"{where}: access denied ({text}). Grant {_READ}.")
    if isinstance(error, exceptions.NotFound):
        return ConfigurationError(
            f"{where}: not found ({text}). Correct {reader.keys}, or {reader.section}.location "
            "when the dataset lies elsewhere."
        )
    if isinstance(error, exceptions.BadRequest) and (unknown := _UNKNOWN.search(text)):
        return NoSuchColumn(f"{where}: BigQuery refuses the query ({text}).", unknown["column"])
    if isinstance(error, exceptions.BadRequest):
        return PartitionError(f"{where}: BigQuery refuses the query ({text}).")
    return PartitionError(
        f"{where}: BigQuery {how} ({text}). The published partition stays; run again."
    )


def told(error: BaseException) -> str:
    """The service's own sentence, without the address of the request and the job's id."""
    errors: Any = getattr(error, "errors", None) or []
    if errors and isinstance(errors[0], dict) and errors[0].get("message"):
        return str(errors[0]["message"])
    refused = (google.auth.exceptions.RefreshError, google.auth.exceptions.OAuthError)
    if isinstance(error, refused):
        return str(error.args[0]) if error.args else "no reason given"
    text = getattr(error, "message", "") or str(error) or type(error).__name__
    return f"{type(error).__name__}: {str(text)[:300]}"

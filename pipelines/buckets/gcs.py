"""A bucket of Google Cloud Storage: `gs://bucket/prefix`. An object's ETag is its generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from typing import Any

import google.cloud.storage as storage
from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage.exceptions import DataCorruption
from requests import RequestException

from pipelines.buckets.objects import Object
from pipelines.core.partition import Changed, ConfigurationError, PartitionError, UserError

_THREADS = 4
_TIMEOUT = (10, 60)
_ERRORS = (GoogleAPICallError, GoogleAuthError, DataCorruption, RequestException)
_UNAUTHORIZED = 401


class GcsBucket:
    """A bucket, or what is below a prefix of it. `credentials` are dlt's of Google Cloud.

    `endpoint_url` is another address of the API, without TLS and for tests.
    """

    def __init__(
        self, url: str, credentials: Any, variables: str, endpoint_url: str | None = None
    ) -> None:
        self.url, self._variables = url, variables
        name, _, folder = url.partition("://")[2].partition("/")
        self.bucket = name
        self.prefix = folder.strip("/") + "/" if folder.strip("/") else ""
        options = {"api_endpoint": endpoint_url} if endpoint_url else None
        try:
            self._client = storage.Client(
                project=getattr(credentials, "project_id", None) or "none",
                credentials=credentials.to_native_credentials() if credentials else None,
                client_options=options,
            )
        except (GoogleAuthError, ValueError) as error:
            raise ConfigurationError(f"{url}: {error}. {self._fix}") from None

    @property
    def _fix(self) -> str:
        return (
            f"Set {self._variables}__CREDENTIALS to a service account's key as JSON, or log in by "
            "`gcloud auth application-default login`."
        )

    def list(self) -> list[Object]:
        """Every object below the prefix."""
        try:
            found = [
                Object(
                    key=blob.name[len(self.prefix) :],
                    etag=str(blob.generation),
                    size=int(blob.size or 0),
                    modified=blob.updated.astimezone(UTC),
                )
                for blob in self._client.list_blobs(
                    self.bucket, prefix=self.prefix or None, timeout=_TIMEOUT
                )
                if not blob.name.endswith("/")  # the console's folder markers
            ]
        except _ERRORS as error:
            raise self._explained(error, self.url) from None
        return sorted(found)

    def read(self, item: Object) -> bytes:
        """The object's bytes, of the listed generation."""
        try:
            content: bytes = self._blob(item).download_as_bytes(
                if_generation_match=int(item.etag), timeout=_TIMEOUT
            )
        except _ERRORS as error:
            raise self._changed_or_explained(error, item) from None
        return content

    def fetch(self, wanted: Sequence[tuple[Object, Path]], advance: Callable[[int], None]) -> None:
        """Download several at a time, each of the listed generation and by its checksum."""

        def one(pair: tuple[Object, Path]) -> None:
            item, target = pair
            try:
                with target.open("wb") as file:
                    self._blob(item).download_to_file(
                        file, if_generation_match=int(item.etag), timeout=_TIMEOUT
                    )
            except _ERRORS as error:
                raise self._changed_or_explained(error, item) from None
            if target.stat().st_size != item.size:
                raise Changed(f"{item.key} was replaced while it was read")
            advance(item.size)

        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(one, wanted))

    def _blob(self, item: Object) -> Any:
        return self._client.bucket(self.bucket).blob(self.prefix + item.key)

    def _changed_or_explained(self, error: Exception, item: Object) -> Exception:
        if isinstance(error, NotFound | PreconditionFailed):
            return Changed(f"{item.key} was replaced while it was read")
        return self._explained(error, f"gs://{self.bucket}: {item.key}")

    def _explained(self, error: Exception, where: str) -> UserError:
        if isinstance(error, NotFound):
            return ConfigurationError(
                f"{where}: there is no such bucket. Correct {self._variables}__BUCKET_URL."
            )
        if isinstance(error, GoogleAuthError) or getattr(error, "code", None) == _UNAUTHORIZED:
            return UserError(f"{where}: Google refuses the credentials. {self._fix}")
        if isinstance(error, Forbidden):
            return UserError(
                f"{where}: access denied. Give the account the role Storage Object Viewer on the "
                "bucket."
            )
        if isinstance(error, RequestException):
            return UserError(f"{where}: cannot connect to Google Cloud Storage. Run again.")
        word = getattr(error, "code", None) or type(error).__name__
        return PartitionError(
            f"{where}: Google answered {word} after several tries. Run again; if it keeps failing, "
            "see the provider's status page."
        )

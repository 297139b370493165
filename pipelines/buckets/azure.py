"""A container of Azure Blob Storage: `az://container/prefix`, or `abfss://container@host/prefix`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.identity import ClientSecretCredential
from azure.storage.blob import ContainerClient

from pipelines.buckets.objects import Object
from pipelines.core.partition import Changed, ConfigurationError, PartitionError, UserError

_THREADS = 4
_CLOUD = "blob.core.windows.net"
_FORBIDDEN = 403


class AzureBucket:
    """A container, or what is below a prefix of it.

    `credentials` are dlt's of Azure: an account with a key, a SAS token, a service principal, or
    what azure-identity finds on the machine. `variables` is the section in capitals.
    """

    def __init__(self, url: str, credentials: Any, variables: str) -> None:
        self.url, self._variables = url, variables
        parts = urlsplit(url)
        self.container = parts.username or parts.hostname or ""
        folder = parts.path.strip("/")
        self.prefix = f"{folder}/" if folder else ""
        host = parts.hostname if parts.username else None
        self._client = self._open(credentials, host or "")

    def list(self) -> list[Object]:
        """Every blob below the prefix; the folders of a hierarchical namespace are none."""
        try:
            found = [
                Object(
                    key=str(blob.name)[len(self.prefix) :],
                    etag=str(blob.etag).strip('"'),
                    size=int(blob.size or 0),
                    modified=blob.last_modified.astimezone(UTC),
                )
                for blob in self._client.list_blobs(
                    name_starts_with=self.prefix or None, include=["metadata"]
                )
                if (blob.metadata or {}).get("hdi_isfolder") != "true"
            ]
        except (AzureError, ValueError) as error:
            raise self._explained(error, self.url) from None
        return sorted(found)

    def read(self, item: Object) -> bytes:
        """The blob's bytes, under If-Match of the listed ETag."""
        try:
            content: bytes = self._download(item).readall()
        except AzureError as error:
            raise self._changed_or_explained(error, item) from None
        return content

    def fetch(self, wanted: Sequence[tuple[Object, Path]], advance: Callable[[int], None]) -> None:
        """Download several at a time, each under If-Match of the listed ETag."""

        def one(pair: tuple[Object, Path]) -> None:
            item, target = pair
            size = 0
            try:
                with target.open("wb") as file:
                    for chunk in self._download(item).chunks():
                        size += file.write(chunk)
                        advance(len(chunk))
            except AzureError as error:
                raise self._changed_or_explained(error, item) from None
            if size != item.size:
                raise Changed(f"{item.key} was replaced while it was read")

        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(one, wanted))

    def _download(self, item: Object) -> Any:
        return self._client.download_blob(
            self.prefix + item.key,
            etag=f'"{item.etag}"',
            match_condition=MatchConditions.IfNotModified,
        )

    def _open(self, credentials: Any, host: str) -> ContainerClient:
        account = getattr(credentials, "azure_storage_account_name", None)
        host = getattr(credentials, "azure_account_host", None) or host or f"{account}.{_CLOUD}"
        if not account and host == f"None.{_CLOUD}":
            raise ConfigurationError(
                f"{self.url}: no storage account. Set {self._variables}__CREDENTIALS__"
                "AZURE_STORAGE_ACCOUNT_NAME and …AZURE_STORAGE_ACCOUNT_KEY, or a SAS token."
            )
        address = host if "://" in host else f"https://{host.replace('.dfs.', '.blob.')}"
        try:
            return ContainerClient(
                address,
                self.container,
                credential=_credential(credentials),
                retry_total=3,
                connection_timeout=10,
                read_timeout=60,
            )
        except ValueError as error:
            raise ConfigurationError(f"{self.url}: {error}") from None

    def _changed_or_explained(self, error: Exception, item: Object) -> Exception:
        if isinstance(error, ResourceModifiedError | ResourceNotFoundError):
            return Changed(f"{item.key} was replaced while it was read")
        return self._explained(error, f"az://{self.container}: {item.key}")

    def _explained(self, error: Exception, where: str) -> UserError:
        """The error as a UserError; the library's own text may hold a SAS token."""
        known = getattr(error, "error_code", None) or type(error).__name__
        word = getattr(known, "value", known)
        keys = (
            f"{self._variables}__CREDENTIALS__AZURE_STORAGE_ACCOUNT_KEY or …AZURE_STORAGE_SAS_TOKEN"
        )
        status = getattr(error, "status_code", None)
        if isinstance(error, ResourceNotFoundError):
            return ConfigurationError(
                f"{where}: there is no such container. Correct {self._variables}__BUCKET_URL."
            )
        if isinstance(error, ClientAuthenticationError | ValueError) or status == _FORBIDDEN:
            return UserError(
                f"{where}: access denied ({word}). Check {keys}; an identity needs the role "
                "Storage Blob Data Reader on the container."
            )
        if isinstance(error, ServiceRequestError):
            return UserError(
                f"{where}: cannot connect to the storage account. Check the network and "
                f"{self._variables}__CREDENTIALS__AZURE_STORAGE_ACCOUNT_NAME."
            )
        how = "answered" if isinstance(error, HttpResponseError) else "failed with"
        return PartitionError(f"{where}: Azure {how} {word} after several tries. Run again.")


def _credential(credentials: Any) -> Any:
    """What Azure's client takes: a key, a SAS token or an identity."""
    if key := getattr(credentials, "azure_storage_account_key", None):
        return {"account_name": credentials.azure_storage_account_name, "account_key": key}
    if token := getattr(credentials, "azure_storage_sas_token", None):
        return token
    if secret := getattr(credentials, "azure_client_secret", None):
        return ClientSecretCredential(
            credentials.azure_tenant_id, credentials.azure_client_id, secret
        )
    if credentials is not None and getattr(credentials, "has_default_credentials", bool)():
        return credentials.default_credentials()
    return None

"""What configuration says of reading from BigQuery, and the client that it describes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dlt.common.configuration import configspec
from dlt.common.configuration.specs import BaseConfiguration
from google.cloud import bigquery

from pipelines.bigquery.errors import Reader
from pipelines.bigquery.jobs import Jobs
from pipelines.bigquery.pages import read_by_arrow
from pipelines.bigquery.results import Storage
from pipelines.core.partition import ConfigurationError

if TYPE_CHECKING:
    from pipelines.bigquery import storage


@configspec
class BigQueryOptions(BaseConfiguration):
    """Who pays for queries, where they run, and what they may cost."""

    project: str | None = None
    """The project that runs the queries and pays for them; else the credentials' project."""
    location: str | None = None
    """Location of the datasets; else BigQuery finds it."""
    maximum_bytes: int = 1024**4
    """How many bytes a run, and each of its queries, may scan; 0 means no limit."""
    price_per_tib: float = 6.25
    """Price of scanning a TiB in USD, for estimates only."""
    storage_api: bool = True
    """Whether days of many rows are read by the Storage Read API; else as REST pages."""
    storage_url: str = "https://bigquerystorage.googleapis.com"
    """Address of the Storage Read API; http:// is a stand-in's, without TLS and credentials."""
    storage_price_per_tib: float = 1.1
    """Price of reading a TiB by the Storage Read API in USD, for estimates only."""
    retry_seconds: float = 120.0
    """How long to keep retrying a failing request, in seconds."""


def open_jobs(credentials: Any, options: BigQueryOptions, reader: Reader) -> Jobs:
    """A client with dlt's `credentials`, and its limits. Raises ConfigurationError."""
    try:
        native = credentials.to_native_credentials()
    except ValueError:
        # the error's own text may repeat the key
        raise ConfigurationError(
            f"{reader.section}.credentials: the private key cannot be read. Copy the service "
            "account's JSON file whole, with its line ends as \\n."
        ) from None
    project = options.project or credentials.project_id
    if not project:
        raise ConfigurationError(
            f"{reader.section}.project is not set, and the credentials name no project. Set "
            f"{reader.section.upper().replace('.', '__')}__PROJECT to the project that runs the "
            "queries."
        )
    client = bigquery.Client(project=project, credentials=native, location=options.location)
    client._http.hooks["response"].append(read_by_arrow)
    opened = partial(_storage, options, native) if options.storage_api else None
    storage = Storage(opened, reader)
    return Jobs(client, reader, options.maximum_bytes, options.retry_seconds, storage)


def _storage(options: BigQueryOptions, credentials: Any) -> storage.Reader:
    from pipelines.bigquery.storage import open_storage  # gRPC: only who needs it

    return open_storage(credentials, options.storage_url, options.retry_seconds)

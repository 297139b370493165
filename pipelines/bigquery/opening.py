"""The client that configuration describes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from google.cloud import bigquery

from pipelines.bigquery.errors import Reader
from pipelines.bigquery.jobs import Jobs
from pipelines.bigquery.options import BigQueryOptions
from pipelines.bigquery.pages import read_by_arrow
from pipelines.bigquery.results import Storage
from pipelines.core.partition import ConfigurationError

if TYPE_CHECKING:
    from pipelines.bigquery import storage


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

"""What configuration says of reading from BigQuery."""

from __future__ import annotations

from dlt.common.configuration import configspec
from dlt.common.configuration.specs import BaseConfiguration


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

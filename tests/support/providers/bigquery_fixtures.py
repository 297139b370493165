"""Fixtures for whatever reads BigQuery: a server on loopback, and the real client for it.

def test_…(gcp_export: BigQueryServer, bigquery_client: ClientFactory) -> None:
    gcp_export.fail("tabledata.list", "backendError", times=2)
    client = bigquery_client(gcp_export)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

# Google's client takes a second to import, which only the tests that use it shall pay
if TYPE_CHECKING:
    from google.cloud import bigquery

    from scripts.sandbox.bigquery.server import BigQueryServer

ClientFactory = Callable[..., "bigquery.Client"]


@pytest.fixture
def bigquery_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQueryServer]:
    """A server of the test's own, without tables, that needs no token. The process's variables
    name it, so that Google's libraries ask nobody else."""
    from scripts.sandbox.bigquery.server import BigQueryServer

    with BigQueryServer() as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def gcp_export(bigquery_server: BigQueryServer) -> BigQueryServer:
    """The server with the sandbox's billing exports (scripts/sandbox/gcp/exports.py)."""
    from scripts.sandbox.gcp import exports

    exports.load_into(bigquery_server)
    return bigquery_server


@pytest.fixture
def bigquery_client() -> Iterator[ClientFactory]:
    """Makes clients of a server: anonymous ones, or with `signed` of its service account."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery
    from google.oauth2 import service_account

    made: list[bigquery.Client] = []

    def make(server: BigQueryServer, *, signed: bool = False, **options: Any) -> bigquery.Client:
        account = server.service_account()
        client = bigquery.Client(
            project=server.project,
            credentials=service_account.Credentials.from_service_account_info(account)
            if signed
            else AnonymousCredentials(),
            client_options={"api_endpoint": server.url},
            **options,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()

"""Azure Blob Storage and Google Cloud Storage, by their real clients against loopback servers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scripts.sandbox.focus.azure_blob import KEY, SAS, AzureBlobServer
from scripts.sandbox.focus.deliveries import azure, generic
from scripts.sandbox.focus.gcs import GcsServer
from scripts.sandbox.focus.rows import azure as azure_row
from scripts.sandbox.focus.rows import google as google_row
from scripts.sandbox.focus.store import Objects
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import mart

LONG_AGO = datetime(2026, 11, 2, 5, tzinfo=UTC)
PERIOD = "x_partition, count(*), round(sum(billed_cost), 6)"
STORES = ("azure", "sas", "gcs")


class Store:
    """A server of one kind, with what is delivered into it."""

    def __init__(self, kind: str, server: Any) -> None:
        self.kind, self.objects = kind, server.objects
        self.environ = (
            server.environ("SOURCES__FOCUS")
            if kind == "gcs"
            else server.environ("SOURCES__FOCUS", by_sas=kind == "sas")
        )

    def deliver(self, month: str, *costs: float, at: datetime = LONG_AGO) -> None:
        """A month: Azure's run with its manifest, or files of Google's view."""
        if self.kind == "gcs":
            rows = [google_row(month, day, cost) for day, cost in enumerate(costs, 1)]
            for number, each in enumerate(rows):
                generic(self.objects, month, [each], name=f"{number:012d}", at=at)
        else:
            rows = [azure_row(month, day, cost) for day, cost in enumerate(costs, 1)]
            azure(self.objects, month, rows, parts=len(rows), extension="parquet", at=at)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, commands: Commands) -> Iterator[Store]:
    """A running store that the only export lies in."""
    with GcsServer() if request.param == "gcs" else AzureBlobServer() as server:
        made = Store(request.param, server)
        commands.set(made.environ)
        yield made


@pytest.fixture(params=["azure", "gcs"])
def one_store(request: pytest.FixtureRequest, commands: Commands) -> Iterator[Store]:
    """The same, with one kind of credentials each."""
    with GcsServer() if request.param == "gcs" else AzureBlobServer() as server:
        made = Store(request.param, server)
        commands.set(made.environ)
        yield made


@pytest.mark.quick("gcs")
def test_a_store_is_listed_in_pages_read_and_restated(commands: Commands, store: Store) -> None:
    store.deliver("2026-09", 1.0, 2.0)
    store.deliver("2026-10", 4.0, 8.0)
    if store.kind != "gcs":
        store.objects.put("exports/focus-daily/20261001-20261031", b"", LONG_AGO)  # a folder
    assert commands("load", "focus").out == "focus: 2 loaded, 0 unchanged, 0 failed\n"
    store.deliver("2026-10", 16.0, 32.0, at=LONG_AGO + timedelta(days=1))
    assert commands("load", "focus").out == "focus: 1 loaded, 1 unchanged, 0 failed\n"
    commands.well("normalize focus", "doctor")
    assert mart(commands, "costs", PERIOD, "group by 1 order by 1") == [
        ("2026-09@main", 2, 3.0),
        ("2026-10@main", 2, 48.0),
    ]
    printed = "".join(commands.printed)
    assert [
        word for word in (KEY, SAS.partition("sig=")[2], "PRIVATE KEY") if word in printed
    ] == []


@pytest.mark.quick("gcs")
def test_a_file_that_is_replaced_while_it_is_read_is_read_again(
    commands: Commands, one_store: Store
) -> None:
    one_store.deliver("2026-10", 1.0, 2.0)
    one_store.objects.before_read = lambda: one_store.deliver("2026-10", 4.0, 8.0)
    commands.well("load focus", "normalize focus")
    assert mart(commands, "costs", PERIOD, "group by 1") == [("2026-10@main", 2, 12.0)]


@pytest.mark.quick("another key")
@pytest.mark.parametrize("case", ["no right", "no bucket", "another key"])
def test_a_store_that_refuses_says_how_to_mend_it(
    commands: Commands, one_store: Store, case: str
) -> None:
    one_store.deliver("2026-10", 1.0)
    is_azure = one_store.kind == "azure"
    keys = "SOURCES__FOCUS__CREDENTIALS"
    match case:
        case "no right":
            one_store.objects.refuse = 403
            expected = "Storage Blob Data Reader" if is_azure else "Storage Object Viewer"
        case "no bucket":
            scheme = "az" if is_azure else "gs"
            commands.set({"SOURCES__FOCUS__BUCKET_URL": f"{scheme}://another"})
            expected = "Correct SOURCES__FOCUS__BUCKET_URL"
        case _ if is_azure:
            commands.set({f"{keys}__AZURE_STORAGE_ACCOUNT_KEY": "b3RoZXI="})
            expected = "access denied (AuthenticationFailed)"
        case _:
            other = one_store.environ[keys].replace("billing-reader@", "nobody@")
            commands.set({keys: other})
            expected = "Google refuses the credentials"
    ran = commands("load", "focus")
    assert ran.status != 0
    assert expected in ran.err, ran.err
    printed = "".join(commands.printed)
    assert [word for word in (KEY, "b3RoZXI=", "PRIVATE KEY") if word in printed] == []


def test_a_store_of_objects_pages() -> None:
    objects = Objects("x")
    for key in ("b", "a", "c"):
        objects.put(key, b"")
    assert objects.listed("", "") == (["a", "b"], "b")
    assert objects.listed("", "b") == (["c"], "")

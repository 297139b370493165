"""AWS's own totals: pages paid for, months asked for once a day, rights that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.partition import ConfigurationError, PartitionError, Selection
from pipelines.providers.aws.totals.account import TotalsSettings
from pipelines.providers.aws.totals.cost_explorer import CostExplorer
from pipelines.providers.aws.totals.invoices import Invoices
from scripts.sandbox.aws_billing.server import ACCOUNT, AwsBillingServer, Invoice, Total
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.providers.stripe_ledgers import TODAY, mart
from tests.support.published import files_with

#: From October 2026 to this month, whatever it is.
MONTHS = (TODAY.year - 2026) * 12 + TODAY.month - 9
NOW = datetime(2026, 11, 19, 7, tzinfo=UTC)
TOTALS = [
    Total("2026-10", "Amazon Elastic Compute Cloud - Compute", "Usage", "7.0412", "6.5"),
    Total("2026-10", "AWS Lambda", "Usage", "0.0041", "0.0041"),
    Total("2026-11", "AWS Lambda", "Usage", "0.5", "0.5"),
    Total("2026-11", "AWS Lambda", "Credit", "-0.25", "-0.25"),
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsBillingServer]:
    """A stand-in that boto3's clients find."""
    with AwsBillingServer(TOTALS, [Invoice("2026-10", "EUINGB26-1", "100", "108")]) as found:
        for name, value in found.environ.items():
            monkeypatch.setenv(name, value)
        yield found


def explorer(**changes: Any) -> CostExplorer:
    return CostExplorer(TotalsSettings(totals_months=2, **changes), lambda: NOW)


def asked(published: Mapping[str, str], **selection: Any) -> dict[str, bool]:
    """Whether each month would be asked for."""
    found = explorer().partitions(Selection(**selection), published)
    return {each.key: not each.fingerprint for each in found}


def test_every_page_is_read_counted_and_merged_by_month(server: AwsBillingServer) -> None:
    server.page = 3
    provider = explorer()
    provider.partitions()
    rows = [(row["service"], row["record_type"], row["unblended"], row["net_amortized"])
            for month in ("2026-10", "2026-11") for row in provider.rows(month)]  # fmt: skip
    assert rows == [
        ("Amazon Elastic Compute Cloud - Compute", "Usage", 7.0412, 6.5),
        ("AWS Lambda", "Usage", 0.0041, 0.0041),
        ("AWS Lambda", "Usage", 0.5, 0.5),
        ("AWS Lambda", "Credit", -0.25, -0.25),
    ]
    assert (provider.pages, server.asked.count("GetCostAndUsage")) == (2, 2)
    assert {row["account"] for row in provider.rows("2026-10")} == {ACCOUNT}


def test_no_more_pages_are_paid_for_than_the_cap_allows(server: AwsBillingServer) -> None:
    server.page = 1
    provider = explorer(totals_pages=3)
    provider.partitions()
    with pytest.raises(PartitionError, match=r"more than 3 pages, 0\.03 USD"):
        provider.rows("2026-10")
    assert server.asked.count("GetCostAndUsage") == 3


def test_a_final_month_is_never_asked_for_and_an_open_one_once_a_day() -> None:
    assert asked({}) == {"2026-10": True, "2026-11": True}
    known = {"2026-10": "d1-final", "2026-11": "d2-20261119"}
    assert asked(known) == {"2026-10": False, "2026-11": False}
    assert asked(known | {"2026-11": "d2-20261118"}) == {"2026-10": False, "2026-11": True}
    assert asked(known, first="2026-10") == {"2026-10": True, "2026-11": True}


@pytest.mark.parametrize(
    ("action", "right", "read"),
    [
        ("GetCostAndUsage", "ce:GetCostAndUsage", explorer),
        (
            "ListInvoiceSummaries",
            "invoicing:ListInvoiceSummaries",
            lambda: Invoices(TotalsSettings(), lambda: NOW),
        ),
    ],
)
def test_a_right_that_is_missing_is_named_without_a_secret(
    server: AwsBillingServer, action: str, right: str, read: Any
) -> None:
    server.denied = {action}
    provider = read()
    provider.partitions()
    said = rf"may not ask for totals .*Allow {right}, or leave"
    with pytest.raises(ConfigurationError, match=said) as error:
        provider.rows("2026-10")
    assert server.environ["AWS_SECRET_ACCESS_KEY"] not in repr(error.value)


def test_an_invoice_has_its_number_its_entity_and_both_amounts(server: AwsBillingServer) -> None:
    (row,) = Invoices(TotalsSettings(), lambda: NOW).rows("2026-10")
    assert row == {
        "account": ACCOUNT,
        "invoice_id": "EUINGB26-1",
        "invoice_type": "INVOICE",
        "entity": "Amazon Web Services EMEA SARL",
        "currency": "USD",
        "before_tax": 100.0,
        "after_tax": 108.0,
        "issued_at": datetime(2026, 11, 4, tzinfo=UTC),
        "estimated": True,
        "asked_at": NOW,
    }


def test_a_load_publishes_what_is_chosen_reconciles_it_and_asks_once_a_day(
    commands: Commands, aws_bucket: FolderBucket
) -> None:
    deliver(aws_bucket.root, "2026-10", [40.0, 2.5])
    payer = "111122223333"
    totals = [Total("2026-10", "AmazonEC2", "Usage", "42.5", "42.5")]
    invoices = [Invoice("2026-10", "E-1", "42.5", "51.0")]
    with AwsBillingServer(totals, invoices, account=payer) as server:
        commands.set(server.environ)
        commands.set({"SOURCES__AWS__OBJECTS": '["cost_explorer","invoices"]'})
        commands.set({"SOURCES__AWS__TOTALS_MONTHS": str(MONTHS)})
        commands.read_from(aws_bucket.url)
        commands.well("load aws --to 2026-10", "load aws --to 2026-10")
        commands.well("normalize aws", marts=True)
        assert server.asked.count("GetCostAndUsage") == 1
        examined = commands("doctor", "aws").out
    columns = "kind, ours, theirs, verdict, reason"
    assert mart(commands, "reconciliation", columns, "order by 1") == [
        ("invoice", 42.5, 51.0, "explained", "tax"),
        ("net_amortized", 42.5, 42.5, "agrees", ""),
        ("net_unblended", 42.5, 42.5, "agrees", ""),
        ("unblended", 42.5, 42.5, "agrees", ""),
    ]
    assert f"totals of account {payer}: cost_explorer, invoices; at most 20 pages" in examined


@pytest.mark.thorough  # a client that finds nobody tries again for a while
def test_the_keys_of_the_billing_apis_appear_nowhere(
    commands: Commands, aws_bucket: FolderBucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="pipelines")
    deliver(aws_bucket.root, "2026-10", [42.5])
    totals = [Total("2026-10", "AmazonEC2", "Usage", "42.5", "42.5")]
    words = ("load aws --to 2026-10", "load aws --to 2026-10 --debug", "doctor aws", "status")
    with AwsBillingServer(totals, account="111122223333") as server:
        secrets = {"AWS_SECRET_ACCESS_KEY": "secretOfSomebody", "AWS_SESSION_TOKEN": "sessionOfOne"}
        commands.set(server.environ | secrets)
        commands.set({"SOURCES__AWS__OBJECTS": '["cost_explorer","invoices"]'})
        commands.set({"SOURCES__AWS__TOTALS_MONTHS": str(MONTHS)})
        commands.read_from(aws_bucket.url)
        server.denied = {"GetCostAndUsage", "ListInvoiceSummaries"}
        assert [commands(*each.split()).status for each in words[:2]] == [2, 2]
    # nobody listens any more
    assert [commands(*each.split()).status for each in words[1:]] == [1, 1, 0]
    printed = "".join(commands.printed) + caplog.text
    assert "GetCostAndUsage" in printed
    for secret in secrets.values():
        assert secret not in printed
        places = (tmp_path / "dlt", tmp_path / "project", commands.data)
        assert files_with(secret, *places) == []

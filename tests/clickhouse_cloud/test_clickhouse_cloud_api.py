"""What can go wrong between the API and a load: limits, refusals, answers of another shape."""

from __future__ import annotations

import logging
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from pipelines.core.partition import ConfigurationError, PartitionError, UserError
from pipelines.providers.clickhouse_cloud.client import Client, Organization
from pipelines.providers.clickhouse_cloud.settings import ClickhouseCloudSettings, configuration
from pipelines.providers.clickhouse_cloud.usage import rows_of
from scripts.sandbox.clickhouse_cloud.server import KEY_ID, KEY_SECRET, ClickhouseCloudServer
from scripts.sandbox.clickhouse_cloud.usage import ORGANIZATION, PROD, record
from tests.support.commands import Commands

DAY = date(2025, 1, 31)
FIRST = date(2025, 1, 1)
OF = Organization(ORGANIZATION, "Example", DAY)


def settings(server: ClickhouseCloudServer, **changes: Any) -> ClickhouseCloudSettings:
    """Those of the server's key."""
    given = {"key_id": KEY_ID, "key_secret": KEY_SECRET, "api_base": server.address}
    return configuration(**(given | changes))


def test_requests_are_spaced_by_the_published_limit() -> None:
    waits: list[float] = []
    with ClickhouseCloudServer([], seconds=0) as server:
        client = Client(settings(server), waits.append)
        for _ in range(11):
            client.organization()
    assert len(waits) == 1
    assert 0 < waits[0] <= 10


def test_a_request_that_is_refused_for_its_rate_waits_for_a_window() -> None:
    waits: list[float] = []
    with ClickhouseCloudServer([]) as server:
        server.faults.extend([429, 429])
        found = Client(settings(server), waits.append).organization()
    assert (found, waits) == (Organization(ORGANIZATION, "Example", date(2026, 9, 1)), [10.0, 10.0])


def test_the_limit_of_the_sandbox_is_the_published_one() -> None:
    with ClickhouseCloudServer([]) as server:
        clients = [Client(settings(server), lambda seconds: None) for _ in range(10)]
        for client in clients:
            client.organization()
        waits: list[float] = []
        with pytest.raises(UserError, match="answers 429, 6 times: TOO_MANY_REQUESTS"):
            Client(settings(server), waits.append).organization()
    assert waits == [10.0] * 5


def test_errors_of_the_server_are_tried_again_and_then_reported() -> None:
    waits: list[float] = []
    with ClickhouseCloudServer([]) as server:
        server.faults.extend([500] * 6)
        with pytest.raises(UserError, match=r"answers 500, 6 times: INTERNAL_ERROR: try again\."):
            Client(settings(server), waits.append).organization()
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_a_window_of_more_than_31_days_is_refused_with_the_apis_reason() -> None:
    said = "to_date cannot be more than 30 days after"
    with ClickhouseCloudServer([]) as server, pytest.raises(PartitionError, match=said):
        Client(settings(server)).usage_cost(ORGANIZATION, FIRST, date(2025, 2, 1))


def test_an_organisation_that_is_not_the_keys_is_a_mistake_of_the_configuration() -> None:
    said = r"no such organisation \(404\)"
    with ClickhouseCloudServer([]) as server, pytest.raises(ConfigurationError, match=said):
        Client(settings(server, organization_id="other")).organization()


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_named_and_never_shown(
    commands: Commands, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with ClickhouseCloudServer([]) as server:
        commands.set(server.environ)
        if status == 401:
            commands.set({"SOURCES__CLICKHOUSE_CLOUD__KEY_SECRET": KEY_SECRET[::-1]})
        else:
            server.faults.extend([403] * 9)
        ran = commands("load", "clickhouse_cloud")
        examined = commands("doctor")
    assert (ran.status, f"({status})" in ran.err) == (2, True)
    assert "source clickhouse_cloud" in examined.out
    everything = "".join([*commands.printed, caplog.text, *server.seen])
    assert [text for text in (KEY_ID, KEY_SECRET, KEY_SECRET[::-1]) if text in everything] == []


def test_a_repr_of_the_settings_shows_no_key() -> None:
    with ClickhouseCloudServer([]) as server:
        found = settings(server)
        assert KEY_SECRET not in repr(found) + repr(Client(found)) + str(vars(Client(found)).keys())


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"costs": {"2025-01-31": 1}}, "`costs` is not a list"),
        ({"costs": []}, "grandTotalCHC is 3.6 without records"),
        ({"grandTotalCHC": None}, "grandTotalCHC is None, not a number"),
        ({"record": {"locked": None}}, "a record without date, entity, metrics or locked"),
        ({"record": {"metrics": {"computeCHC": "3.6"}}}, "computeCHC is '3.6', not a number"),
        ({"record": {"totalCHC": None}}, "totalCHC is None, not a number"),
        ({"record": {"date": "2025-02-01"}}, "a record of 2025-02-01, which was not asked for"),
        ({"twice": True}, f"service {PROD} is there twice"),
    ],
)
def test_an_answer_that_is_not_as_documented_stops_the_month(
    changes: dict[str, Any], what: str
) -> None:
    one = record(DAY, "service", PROD, "prod", compute="3.6") | changes.pop("record", {})
    costs = [one, one] if changes.pop("twice", False) else [one]
    result = {"grandTotalCHC": Decimal("3.6"), "costs": costs} | changes
    with pytest.raises(PartitionError, match=what):
        rows_of(result, OF, FIRST, DAY)


def test_a_bare_result_without_its_envelope_is_not_read_as_nothing() -> None:
    class Bare(ClickhouseCloudServer):
        def answer(self, target: str, authorization: str) -> tuple[int, Any]:
            return 200, {"grandTotalCHC": 0, "costs": []}

    with Bare([]) as server, pytest.raises(PartitionError, match="does not hold `result`"):
        Client(settings(server)).usage_cost(ORGANIZATION, FIRST, DAY)


def test_amounts_are_exact_to_the_last_digit_of_the_answer() -> None:
    one = record(DAY, "service", PROD, "prod", compute="0.1", publicDataTransfer="0.2")
    found = rows_of({"grandTotalCHC": Decimal("0.3"), "costs": [one]}, OF, FIRST, DAY)
    assert [(row["meter"], row["amount_chc"]) for row in found] == [
        ("service.computeCHC", 0.1),
        ("service.publicDataTransferCHC", 0.2),
    ]

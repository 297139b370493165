"""Stripe's ledger from the API to published months, and what can go wrong on the way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core import months
from pipelines.core.partition import PartitionError, Selection
from pipelines.providers.stripe.api import RETRIES, VERSION, Api
from pipelines.providers.stripe.fields import SCHEMA, keep_allowed
from pipelines.providers.stripe.months import EPOCH, first_month
from pipelines.providers.stripe.settings import StripeSettings
from pipelines.stripe_pipeline import StripeLedger, fingerprint
from scripts.sandbox.stripe.ledger import transaction, transactions
from scripts.sandbox.stripe.server import KEY, PATHS, Fault, StripeServer
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import (
    NOW,
    TODAY,
    mart,
    official_objects,
    published_in,
    rates_of,
    rows,
    served,
)

MONTH = f"{NOW:%Y-%m}"
_BAL = "balance_transactions"


def ledger(server: StripeServer, now: datetime = NOW, **options: Any) -> StripeLedger:
    found = StripeSettings(stripe_secret_key=KEY, api_base=server.url, **options)
    return StripeLedger(found, clock=lambda: now)


# From the API to what is published.


@pytest.mark.thorough
def test_yen_are_not_divided_by_a_hundred(commands: Commands) -> None:
    with served(*rows(("charge", 5000, 180, "jpy"))) as server:
        commands.set(server.environ)
        commands.well("load", "normalize", marts=True)
    found = mart(commands, "revenue", "currency, gross, fee, net, gross_reporting, class")
    assert found == [("JPY", Decimal(5000), Decimal(180), Decimal(4820), None, "revenue")]


MOVEMENTS = (
    ("charge", 10_000, 320, "usd"),
    ("refund", -10_000, 0, "usd"),
    ("dispute", -5_000, 1_500, "usd"),
    ("dispute_reversal", 5_000, 0, "usd"),
    ("payout", -3_180, 0, "usd"),
    ("payout_reversal", 3_180, 0, "usd"),
    ("topup", 20_000, 0, "usd"),
    ("fee", -427, 37, "usd"),
)


def test_movements_of_money_are_neither_revenue_nor_cost(commands: Commands) -> None:
    with served(*rows(*MOVEMENTS)) as server:
        commands.set(server.environ)
        commands.well("load", "normalize", marts=True)
    figures = "revenue_gross, revenue_contra, disputes, fees, taxes, revenue_net, cost_billed"
    assert mart(commands, "margin_daily", figures) == [
        pytest.approx((100.0, -100.0, 0.0, 22.84, 0.0, -22.84, 0.0), abs=1e-9)
    ]


@pytest.mark.thorough
def test_a_pending_row_that_became_available_is_published_again(commands: Commands) -> None:
    pending = rows(("charge", 4_900, 172, "usd"))
    with served(*pending) as server:
        commands.set(server.environ)
        commands.well("load", "normalize", marts=True)
        assert mart(commands, "revenue", "status") == [("pending",)]
        server.offer(_BAL, [pending[0] | {"status": "available"}])
        assert commands("load").out == "stripe: 1 loaded, 0 unchanged, 0 failed\n"
        commands.well("normalize", marts=True)
        assert mart(commands, "revenue", "status, count(*)", "group by 1") == [("available", 1)]
        assert commands("load").out == "stripe: 0 loaded, 1 unchanged, 0 failed\n"


def test_a_month_that_is_loaded_again_replaces_the_old_one(commands: Commands) -> None:
    with served(*rows(("charge", 100, 3, "usd"), ("charge", 200, 6, "usd"))) as server:
        commands.set(server.environ)
        commands.well("load", "normalize")
        server.offer(_BAL, rows(("charge", 700, 9, "eur")))
        commands.well("load", "normalize")
        assert published_in(commands, "currency, gross") == [("EUR", Decimal(7))]


def test_conversion_goes_through_the_euro_at_the_rate_of_the_day(commands: Commands) -> None:
    with served(*rows(("charge", 10_000, 500, "jpy"))) as server, rates_of() as fx:
        commands.set(server.environ | fx.environ)
        commands.well("load", "normalize", marts=True)
    (usd,), (jpy,) = (
        mart(
            commands,
            "fx_rates",
            "units_per_eur",
            f"where currency = '{c}' order by rate_date desc limit 1",
        )
        for c in ("USD", "JPY")
    )
    ((gross, fee, net, rate, source, age),) = mart(
        commands,
        "revenue",
        "gross_reporting, fee_reporting, net_reporting, rate, rate_source, "
        "activity_date - rate_date",
    )
    assert rate == pytest.approx(
        float(jpy / usd) if isinstance(jpy, Decimal) else float(jpy[0] / usd[0])
    )
    assert [gross, fee, net] == pytest.approx(
        [Decimal(amount) for amount in (10_000 / rate, 500 / rate, 9_500 / rate)],
        abs=Decimal("1e-6"),
    )
    assert (source, age in range(4)) == ("ECB", True)


# Which months are read.


def test_every_month_since_the_first_is_listed_in_one_request() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    created = [datetime(2026, month, 3, tzinfo=UTC) for month in (3, 8, 11)]
    with served(*(transaction(at, 0, "charge", 100) for at in created)) as server:
        stripe = ledger(server, now)

        def keys(selection: Selection, *published: str) -> list[str]:
            return [p.key for p in stripe.partitions(selection, dict.fromkeys(published, "x"))]

        every = list(months.between("2026-03", "2026-11"))
        assert keys(Selection()) == every
        assert keys(Selection(), "2026-02", *every[1:]) == ["2026-02", *every]
        assert keys(Selection(first="2026-08", last="2026-09"), *every) == ["2026-08", "2026-09"]
        before = len(server.seen)
        assert keys(Selection(), *every) == every
        assert len(server.seen) - before == 1


@settings(max_examples=100)
@given(st.integers(0, 185), st.integers(0, 185))
def test_the_first_month_is_found_in_few_requests(first: int, now: int) -> None:
    start, last = months.after(EPOCH, first), months.after(EPOCH, max(first, now))
    asked = []

    def has_before(instant: int) -> bool:
        asked.append(instant)
        return instant > months.start_of(start)

    assert first_month(has_before, last, ()) == start
    assert len(asked) <= 9


def test_an_account_without_transactions_has_no_months(commands: Commands) -> None:
    with served() as server:
        commands.set(server.environ)
        assert commands("load").out == "stripe: 0 loaded, 0 unchanged, 0 failed\n"


@pytest.mark.thorough
def test_several_accounts_lie_in_one_month_apart(commands: Commands) -> None:
    with StripeServer(key="rk_one") as server:
        server.offer(_BAL, rows(("charge", 100, 3, "usd")), "rk_one")
        server.offer(_BAL, rows(("charge", 200, 6, "usd")), "rk_two")
        keys = json.dumps({"us": "rk_one", "eu": "rk_two"})
        commands.set({"SOURCES__STRIPE__ACCOUNTS": keys, "SOURCES__STRIPE__API_BASE": server.url})
        commands.well("load", "normalize", marts=True)
    found = mart(commands, "revenue", "account, gross", "order by 1")
    assert found == [("eu", Decimal(2)), ("us", Decimal(1))]


# Paging.


class Overlapping(StripeServer):
    """Repeats the last row of a page at the start of the next one, every time."""

    def answer(self, target: str, key: str) -> tuple[int, str]:
        status, body = super().answer(target, key)
        page = json.loads(body)
        if "starting_after=" in target and page.get("data"):
            after = target.partition("starting_after=")[2].partition("&")[0]
            page["data"].insert(0, next(r for r in self.all if r["id"] == after))
        return status, json.dumps(page)

    all: list[dict[str, Any]]


@settings(deadline=None)
@given(st.lists(st.integers(0, 86_399), max_size=260), st.integers(1, 3))
def test_paging_loses_nothing_and_counts_nothing_twice(seconds: list[int], workers: int) -> None:
    day = datetime(2026, 10, 5, tzinfo=UTC)
    made = [
        transaction(day + timedelta(seconds=second), number, "charge", 100 + number)
        for number, second in enumerate(seconds)
    ]
    with Overlapping() as server:
        server.all = made
        server.offer(_BAL, made)
        found = ledger(server, workers=workers).read("2026-10")
    assert [row["id"] for row in found] == [
        row["id"] for row in sorted(made, key=lambda row: (row["created"], row["id"]))
    ]
    assert server.versions <= {VERSION}


def test_the_edges_of_a_month_belong_to_one_month() -> None:
    edges = [months.start_of("2026-10"), months.start_of("2026-11") - 1, months.start_of("2026-11")]
    made = [transaction(datetime.fromtimestamp(at, UTC), 0, "charge", 1) for at in edges]
    with served(*made) as server:
        found = [[row["created"] for row in ledger(server).read(m)] for m in ("2026-10", "2026-11")]
    assert found == [edges[:2], edges[2:]]


def test_content_alone_makes_the_fingerprint() -> None:
    made = [
        keep_allowed(row, "main")
        for row in rows(("charge", 100, 3, "usd"), ("refund", -100, 0, "usd"))
    ]
    changed = [made[0], made[1] | {"status": "available"}]
    assert fingerprint(made) == fingerprint([dict(row) for row in made]) != fingerprint(changed)


# Errors.


def failing(commands: Commands, server: StripeServer, *faults: Fault) -> tuple[int, str]:
    commands.set(server.environ)
    server.faults.extend(faults)
    ran = commands("load", "stripe")
    assert KEY not in ran.out + ran.err
    assert "Traceback" not in ran.err
    return ran.status, " ".join(ran.err.split())


def test_too_many_requests_are_waited_for_as_stripe_asks() -> None:
    waits: list[float] = []
    with served(*rows(("charge", 100, 3, "usd"))) as server:
        server.faults.extend([Fault(429, {"Retry-After": "7"}), Fault(429), Fault(429)])
        api = Api("main", KEY, server.url, wait=waits.append)
        assert len(list(api.rows("/v1/balance_transactions"))) == 1
    assert waits == [7.0, 1.0, 2.0]


def test_a_server_that_fails_once_is_asked_again(commands: Commands) -> None:
    with served(*rows(("charge", 100, 3, "usd"))) as server:
        status, _ = failing(commands, server, Fault(500), Fault(200, cut=True))
    assert status == 0


def test_a_server_that_keeps_failing_is_named_and_the_month_stays(commands: Commands) -> None:
    with served(*rows(("charge", 100, 3, "usd"))) as server:
        commands.set(server.environ)
        commands.well("load")
        status, said = failing(commands, server, *[Fault(500)] * (RETRIES + 1))
    assert (status, "Stripe answers 500" in said) == (1, True)
    assert (commands.data / "stripe" / _BAL / f"created_month={MONTH}").is_dir()


def test_a_wrong_key_is_a_matter_of_configuration(commands: Commands) -> None:
    with served() as server:
        commands.set(server.environ | {"SOURCES__STRIPE__STRIPE_SECRET_KEY": "rk_live_wrong9876"})
        ran = commands("load", "stripe")
    assert (ran.status, "refuses the key (401)" in ran.err) == (2, True)
    assert "9876" not in ran.out + ran.err


def test_a_restricted_key_is_told_which_right_it_lacks(commands: Commands) -> None:
    with served() as server:
        server.rights[KEY] = ("products",)
        status, said = failing(commands, server)
    assert (status, "the right to read Balance (" in said) == (2, True)


def test_without_a_key_the_variable_is_named(commands: Commands) -> None:
    ran = commands("load", "stripe")
    assert (ran.status, "SOURCES__STRIPE__STRIPE_SECRET_KEY" in ran.err) == (2, True)


def test_no_network_is_said_in_words(commands: Commands) -> None:
    with StripeServer() as server:
        environ = server.environ
    commands.set(environ)
    ran = commands("load", "stripe")
    assert (ran.status, "no connection to Stripe" in ran.err.replace("\n", " ")) == (1, True)
    assert KEY not in ran.out + ran.err


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("<html>proxy</html>", "Stripe answers 200"),
        (
            '{"data": [], "has_more": true}',
            "the response says has_more, but contains no next object",
        ),
        ('{"object": "list"}', "the response is not a list with"),
    ],
)
def test_a_page_that_is_not_stripes_stops_the_month(body: str, what: str) -> None:
    with served(*rows(("charge", 100, 3, "usd"))) as server:
        server.faults.append(Fault(200, body=body))
        with pytest.raises(Exception, match=what):
            list(Api("main", KEY, server.url).rows("/v1/balance_transactions"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", 12.5),
        ("amount", True),
        ("amount", None),
        ("id", None),
        ("created", "now"),
        ("status", 3),
    ],
)
def test_an_object_of_another_shape_is_refused_by_name(field: str, value: object) -> None:
    (row,) = rows(("charge", 100, 3, "usd"))
    with pytest.raises(PartitionError, match=field if field != "id" else "without an id"):
        keep_allowed(row | {field: value}, "main")


# No personal data.


def test_of_every_official_object_only_the_allow_list_is_kept() -> None:
    objects = official_objects().values()
    allowed = set(SCHEMA.names)
    needed = {"id": "txn_1", "created": 1, "currency": "usd", "amount": 1, "fee": 0, "net": 1}
    checked = 0
    for each in (each for each in objects if isinstance(each, dict)):
        good = {n: each[n] for n in needed if type(each.get(n)) is type(needed[n])}
        clean = {k: v for k, v in each.items() if k not in ("status", "type", "available_on")}
        row = keep_allowed(clean | needed | good, "main")
        assert set(row) == allowed
        assert all(value is None or isinstance(value, str | int | float) for value in row.values())
        checked += 1
    assert checked > 150


@pytest.mark.quick("published")
@pytest.mark.parametrize("marts", [False, True], ids=["published", "marts"])
def test_names_and_addresses_never_reach_the_disk(commands: Commands, marts: bool) -> None:
    (row,) = rows(("charge", 100, 3, "usd"))
    whole = {"id": "ch_1", "billing_details": {"email": "jenny.rosen@example.com"}}
    with served(row | {"source": whole, "metadata": {"name": "Jenny Rosen"}}) as server:
        commands.set(server.environ)
        commands.well("load", "normalize", marts=marts)
    assert published_in(commands, "source_id") == [("ch_1",)]
    written = b"".join(p.read_bytes() for p in commands.data.rglob("*") if p.is_file())
    assert b"Rosen" not in written
    assert b"rosen" not in written


def test_the_example_of_stripe_itself_is_read() -> None:
    row = keep_allowed(official_objects()["balance_transaction"], "main")
    assert (row["id"], row["amount"], row["currency"]) == (
        "txn_1PgaxNB7WZ01zgkWEV3TLf40",
        100,
        "usd",
    )


# The sandbox.


def test_a_later_ledger_has_the_same_rows_and_more() -> None:
    first = TODAY - timedelta(days=40)
    early, late = (transactions(first, NOW - timedelta(days=back)) for back in (9, 0))
    same = [{**row, "status": ""} for row in late[: len(early)]]
    assert same == [{**row, "status": ""} for row in early]
    assert {row["status"] for row in early} == {"pending", "available"}
    assert {row["currency"] for row in late} == {"usd", "eur", "jpy", "kwd", "isk", "ugx"}


def test_a_list_pages_as_stripes_does() -> None:
    made = rows(*[("charge", 1, 0, "usd")] * 3)
    with served(*made) as server:
        status, body = server.answer("/v1/balance_transactions?limit=2", KEY)
        page = json.loads(body)
        ids = [row["id"] for row in page["data"]]
        rest = json.loads(server.answer(f"/v1/{_BAL}?starting_after={ids[-1]}", KEY)[1])
        assert (status, len(ids), page["has_more"]) == (200, 2, True)
        assert ([row["id"] for row in rest["data"]], rest["has_more"]) == ([made[0]["id"]], False)
        assert server.answer(f"/v1/{_BAL}?limit=101", KEY)[0] == 400
        assert server.answer(f"/v1/{_BAL}", "rk_other")[0] == 401
        assert {server.answer(f"/v1/{path}", KEY)[0] for path in PATHS} == {200}
        assert server.answer("/v1/customers", KEY)[0] == 404

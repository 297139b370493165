"""What is read of Stripe besides the ledger: lists of objects, and the balance that it gives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.core.partition import PartitionError
from pipelines.providers.stripe.objects import FIELDS, Listing
from scripts.sandbox.stripe.ledger import transactions
from scripts.sandbox.stripe.server import KEY, StripeServer
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import NOW, TODAY, official_objects, rows, served
from tests.support.published_clickhouse import environ, query

PERSONAL = "Mr Nobody <mr.nobody@example.com>"
LISTS = tuple(FIELDS)
OBJECTS: dict[str, dict[str, Any]] = {
    "products": {"id": "prod_1", "active": True, "name": "Seats", "updated": 9},
    "prices": {
        "id": "price_1",
        "product": "prod_1",
        "currency": "usd",
        "unit_amount": 2000,
        "recurring": {"interval": "month", "interval_count": 1},
    },
    "subscriptions": {
        "id": "sub_1",
        "status": "canceled",
        "items": {"data": [{"price": {"id": "price_1", "nickname": PERSONAL}, "quantity": 3}]},
    },
    "invoices": {
        "id": "in_1",
        "status": "paid",
        "total": 6000,
        "parent": {"subscription_details": {"subscription": "sub_1"}},
    },
    "payouts": {
        "id": "po_1",
        "status": "in_transit",
        "currency": "usd",
        "amount": 97,
        "automatic": True,
        "arrival_date": int(NOW.timestamp()),
        "reconciliation_status": "in_progress",
        "destination": PERSONAL,
    },
}


def chosen(*names: str) -> dict[str, str]:
    return {"SOURCES__STRIPE__OBJECTS": json.dumps(names)}


def offer(server: StripeServer, table: str, **changes: Any) -> None:
    """One object of a list, with personal data where the API has it."""
    personal = {"description": PERSONAL, "customer_email": PERSONAL, "metadata": {"n": PERSONAL}}
    one = {"object": table[:-1], "created": 5} | OBJECTS[table] | personal | changes
    server.offer(table, [one])


def read(commands: Commands, table: str, columns: str) -> list[Any]:
    files = f"{commands.data}/stripe/{table}/*/*.parquet"
    return duckdb.connect().execute(f"select {columns} from '{files}'").fetchall()


SEEN = (
    ("products", "id, name, active, updated", ("prod_1", "Seats", True, 9)),
    ("prices", 'product, unit_amount, "interval"', ("prod_1", 2000, "month")),
    ("subscriptions", "status, prices, quantities", ("canceled", '["price_1"]', "[3]")),
    ("invoices", "subscription, total", ("sub_1", 6000)),
    ("payouts", "status, amount, automatic", ("in_transit", 97, True)),
)


def test_nothing_but_the_ledger_is_read_unless_it_is_chosen(commands: Commands) -> None:
    with served(*rows(("charge", 100, 3, "usd"))) as server:
        commands.set(server.environ)
        assert commands("load").out == "stripe: 1 loaded, 0 unchanged, 0 failed\n"
        assert {target.partition("?")[0] for target in server.seen} == {"/v1/balance_transactions"}
        commands.set(chosen("customers"))
        ran = commands("load")
    assert (ran.status, "sources.stripe.objects: unknown table customers" in ran.err) == (2, True)


@pytest.mark.quick("raw")
@pytest.mark.parametrize("marts", [False, True], ids=["raw", "marts"])
def test_chosen_lists_reach_raw_without_personal_data(commands: Commands, marts: bool) -> None:
    with served(*rows(("charge", 100, 3, "usd"))) as server:
        for name in LISTS:
            offer(server, name)
        commands.set(server.environ | chosen(*LISTS))
        commands.well("load", "normalize", *["check"] * marts, marts=marts)
        assert [read(commands, table, columns) for table, columns, _ in SEEN] == [
            [row] for *_, row in SEEN
        ]
        assert any("status=all" in target for target in server.seen)
        written = b"".join(p.read_bytes() for p in commands.data.rglob("*") if p.is_file())
        assert b"obody" not in written
        offer(server, "products", name="More seats")
        again = [
            f"stripe_{name}: {int(name == 'products')} loaded"
            for name in (*LISTS, "payout_transactions")
        ]
        assert [line.partition(",")[0] for line in commands("load").out.splitlines()][1:] == again
        assert read(commands, "products", "name") == [("More seats",)]


@pytest.mark.thorough
def test_chosen_lists_reach_clickhouse(commands: Commands, clickhouse: ClickHouseConfig) -> None:
    with served(*rows(("charge", 100, 3, "usd"))) as server:
        for name in LISTS:
            offer(server, name)
        commands.set(server.environ | chosen(*LISTS))
        migrate(clickhouse, ())
        commands.set(environ(clickhouse, commands.data))
        assert commands("load", "stripe").status == 0
        offer(server, "prices", unit_amount=2500)
        assert commands("load", "stripe").status == 0
    assert query(clickhouse, "select unit_amount from stripe__prices") == [(2500,)]
    sql = "select word from raw_partitions where word like 'stripe_%' order by 1"
    names = sorted((*LISTS, "payout_transactions"))
    assert query(clickhouse, sql) == [(f"stripe_{name}",) for name in names]


def leaves(found: Any, allowed: set[str], path: str = "") -> Any:
    """The same object with personal data in every text that stands at no allowed path."""
    if isinstance(found, dict):
        return {k: leaves(v, allowed, f"{path}.{k}".strip(".")) for k, v in found.items()}
    if isinstance(found, list):
        return [leaves(each, allowed, f"{path}[]") for each in found]
    inside = path in allowed or path.removesuffix(".id") in allowed
    return found if inside or not isinstance(found, str | None) else PERSONAL


def official() -> Iterator[dict[str, Any]]:
    """Every object in the official fixtures, those within others too."""

    def within(found: Any) -> Iterator[dict[str, Any]]:
        if isinstance(found, dict):
            yield found
            for each in found.values():
                yield from within(each)
        elif isinstance(found, list):
            for each in found:
                yield from within(each)

    yield from within(official_objects())


@pytest.mark.parametrize("name", LISTS)
def test_of_every_official_object_only_the_allow_list_is_kept(name: str) -> None:
    listing = Listing(name)
    allowed = {path for path, _ in FIELDS[name].values()} | {"id"}
    kind = name[:-1]
    checked = own = 0
    for each in official():
        clean = leaves(each, allowed) | {"id": "x_1", "created": 1}
        if each.get("object") != kind:
            with pytest.raises(PartitionError, match=f"it is not of the kind {kind}"):
                listing.keep_allowed(clean, "main")
        try:
            row = listing.keep_allowed(clean | {"object": kind}, "main")
        except PartitionError:  # its field is of another type
            assert each.get("object") != kind
            continue
        assert set(row) == set(listing.schema.names)
        assert PERSONAL not in repr(row)
        checked += 1
        own += each.get("object") == kind
    assert checked > 500
    assert own > 0


# The balance.


def ledger() -> list[dict[str, Any]]:
    return transactions(TODAY - timedelta(days=50), NOW - timedelta(minutes=5))


@pytest.fixture(params=["filesystem", "clickhouse"])
def engine(
    request: pytest.FixtureRequest, commands: Commands, clickhouse: ClickHouseConfig
) -> Commands:
    if request.param == "clickhouse":
        migrate(clickhouse, ())
        commands.set(environ(clickhouse, commands.data))
    return commands


def check(commands: Commands) -> list[str]:
    """The lines that the check of the balance prints, empty when it is silent."""
    parts = commands.checked("stripe_balance").split("stripe_balance: one row per")
    return [] if len(parts) == 1 else parts[1].splitlines()


def load(commands: Commands, *options: str) -> None:
    ran = commands("load", "stripe", *options)
    assert ran.status == 0, ran


@pytest.mark.thorough
def test_the_balance_is_the_sum_of_the_ledger_and_a_lost_row_is_named(engine: Commands) -> None:
    good = ledger()
    lost = next(row for row in good if row["currency"] == "jpy")
    with served(*good) as server:
        engine.set(server.environ | chosen("balances"))
        load(engine)
        assert check(engine) == []
        server.hidden = {lost["id"]}  # of the list, not of the balance
        load(engine, "--force")
        named = "\n".join(check(engine))
        assert ("jpy" in named, "usd" in named) == (True, False)
        server.hidden = set()
        load(engine, "--force")
        assert check(engine) == []


@pytest.mark.quick("filesystem")
def test_without_its_beginning_the_ledger_is_compared_with_nothing_yet(engine: Commands) -> None:
    good = ledger()
    with served(*good) as server:
        engine.set(server.environ | chosen("balances"))
        load(engine, "--from", f"{TODAY:%Y-%m}")
        assert check(engine) == []


def look_before(engine: Commands, warehouse: ClickHouseConfig, ago: int, less: int) -> None:
    """A look of long ago, as the last one but `ago` seconds before and with `less` in it."""
    changed = (
        f"as_of_second - {ago} as as_of_second, "
        f"available + pending - {less} as available, 0 as pending"
    )
    folder = engine.data / "stripe" / "balances"
    if folder.is_dir():
        look = folder / "read_date=2020-01-01"  # the day is in no column of a file
        shutil.rmtree(look, ignore_errors=True)
        (last,) = folder.glob("read_date=*")
        sql = f"select * replace ({changed}) from read_parquet('{last}/*.parquet', "
        found = duckdb.connect().sql(f"{sql} hive_partitioning = false)").to_arrow_table()
        shutil.copytree(last, look)
        for file in look.glob("*.parquet"):
            pq.write_table(found, file)
        delivery = look / "_delivery.json"
        delivery.write_text(delivery.read_text().replace(f'"{last.name[10:]}"', '"2020-01-01"'))
        return
    query(warehouse, "alter table stripe__balances drop partition '2020-01-01'")
    query(
        warehouse,
        f"insert into stripe__balances select * replace ('2020-01-01' as read_date, {changed}) "
        "from stripe__balances",
    )


@pytest.mark.thorough
def test_without_its_beginning_the_change_between_two_looks_is_compared(
    engine: Commands, clickhouse: ClickHouseConfig
) -> None:
    early = NOW.replace(day=1, hour=0, minute=0, second=0)
    month = rows(("charge", 500, 20, "usd"), at=early)
    for number, at in enumerate((NOW, early - timedelta(days=70)), start=1):
        month += rows(("charge", 100 * number, 3, "usd"), at=at)
    with served(*month) as server:
        engine.set(server.environ | chosen("balances"))
        load(engine, "--from", f"{early:%Y-%m}")
    # a look before: all but the newest transaction, then one unit less
    for less, said in ((97, False), (98, True)):
        look_before(engine, clickhouse, int((NOW - early).total_seconds()), less)
        assert bool(check(engine)) is said


def test_a_balance_needs_its_own_right(commands: Commands) -> None:
    with served(*rows(("charge", 100, 3, "usd"))) as server:
        server.rights[KEY] = ("balance_transactions",)
        commands.set(server.environ | chosen("balances"))
        ran = commands("load")
    said = " ".join(ran.err.split())
    assert (ran.status, "the right to read Balance (" in said) == (2, True)

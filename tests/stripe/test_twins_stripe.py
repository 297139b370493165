"""Stripe and rates through both twins: the same rows, the same marts, on parquet and ClickHouse."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.core.landing import delivered, write_rows
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.layout import RawTable
from pipelines.normalize.columns import constants
from pipelines.providers.stripe import normalize as rules
from pipelines.providers.stripe.fields import SCHEMA, keep_allowed
from pipelines.tables.revenue import STRIPE
from pipelines.tables.schema import Context, arrow_of
from scripts.sandbox.fx.server import BASES, MORE, FxServer, archive
from scripts.sandbox.stripe.ledger import transactions
from scripts.sandbox.stripe.server import StripeServer
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import NOW, TODAY, mart, rows
from tests.support.published_clickhouse import environ, query
from tests.support.twins import on_a_database

RAW_TABLE = RawTable("stripe", "stripe", "balance_transactions", "created_month")
MONTH, MARK, LOAD = "2026-10", "f00d", "1790000000.5"
LOOKUPS = Path(__file__).parents[2] / "pipelines" / "tables" / "lookups"
_ARROW = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}


@pytest.fixture(scope="module")
def warehouse(
    clickhouse_server: ClickHouseConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with on_a_database(clickhouse_server, tmp_path_factory.mktemp("twins"), ()) as twins:
        yield twins.warehouse


def of_pandas(raw: pa.Table) -> list[dict[str, Any]]:
    frame = rules.normalize(raw, Context(MONTH, MARK, LOAD))
    table = pa.Table.from_pandas(frame, preserve_index=False).cast(arrow_of(STRIPE))
    return sorted(table.to_pylist(), key=lambda row: row["transaction_id"])


def of_clickhouse(warehouse: Warehouse, raw: pa.Table, folder: Path) -> list[dict[str, Any]]:
    path = folder / "rows.parquet"
    write_rows(path, SCHEMA, [raw])
    delivery = delivered(
        "stripe", MONTH, MARK, [path], delivered_at=NOW, layout="balance transactions"
    )
    warehouse.publish(RAW_TABLE, folder, delivery.loaded_by(LOAD))
    names = ", ".join(column.name for column in STRIPE)
    with connect(warehouse.config) as client:
        found = client.query_arrow(
            f"select {names} from normalized_stripe order by transaction_id", settings=_ARROW
        )
    found_rows: list[dict[str, Any]] = found.cast(arrow_of(STRIPE)).to_pylist()
    return found_rows


def raw_of(*given_rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([keep_allowed(row, "main") for row in given_rows], SCHEMA)


def test_every_category_type_and_currency_is_the_same_in_both(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    def first(name: str) -> list[str]:
        with (LOOKUPS / name).open() as lines:
            return [line[0] for line in list(csv.reader(lines))[1:]]

    categories = rows(
        *((c, -1234, 5, "usd") for c in [*first("stripe_categories.csv"), "new_thing"])
    )
    types = [
        row | {"reporting_category": empty, "type": kind, "id": f"type_{number}"}
        for number, kind in enumerate([*first("stripe_types.csv"), "adjustment"])
        for empty, row in [(None if number % 2 else "", categories[0])]
    ]
    currencies = [
        categories[0] | {"currency": code.lower(), "id": f"currency_{code}"}
        for code in [*first("stripe_currencies.csv"), "XTS"]
    ]
    bare = [categories[0] | {"id": "bare", "source": None, "status": None, "available_on": None}]
    raw = raw_of(*categories, *types, *currencies, *bare)
    pandas, clickhouse = of_pandas(raw), of_clickhouse(warehouse, raw, tmp_path)
    assert pandas == clickhouse
    by_id = {row["transaction_id"]: row for row in pandas}
    assert by_id["currency_XTS"]["gross"] is None
    assert {
        code: by_id[f"currency_{code}"]["gross"]
        for code in ("JPY", "USD", "KWD", "ISK", "UGX", "HUF", "TWD")
    } == {
        "JPY": Decimal(-1234),
        "USD": Decimal("-12.34"),
        "KWD": Decimal("-1.234"),
        "ISK": Decimal("-12.34"),
        "UGX": Decimal("-12.34"),
        "HUF": Decimal("-12.34"),
        "TWD": Decimal("-12.34"),
    }
    classes = {row["reporting_category"]: row["class"] for row in pandas}
    assert (classes["new_thing"], classes[None]) == ("unclassified", "unclassified")
    golden = constants("stripe_categories.csv", "reporting_category", "class")
    assert {name: classes[name] for name in golden} == golden


_MINOR = st.integers(-(2**62), 2**62)
_CODES = st.sampled_from(["usd", "jpy", "kwd", "isk", "ugx", "eur", "xxx", "clp", "bhd"])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_MINOR, st.integers(-(2**40), 2**40), _CODES), min_size=1, max_size=20))
def test_money_is_exact_in_both(
    warehouse: Warehouse, tmp_path: Path, entries: list[tuple[int, int, str]]
) -> None:
    given_rows = rows(*(("charge", amount, fee, code) for amount, fee, code in entries))
    for number, row in enumerate(given_rows):
        row["id"] = f"{number:05d}"
    raw = raw_of(*given_rows)
    pandas = of_pandas(raw)
    assert pandas == of_clickhouse(warehouse, raw, tmp_path)
    exponents = {"usd": 2, "jpy": 0, "kwd": 3, "isk": 2, "ugx": 2, "eur": 2, "clp": 0, "bhd": 3}
    for row, (amount, fee, code) in zip(pandas, entries, strict=True):
        if code == "xxx":
            assert (row["gross"], row["fee"], row["net"]) == (None, None, None)
            continue
        worth = Decimal(1).scaleb(-exponents[code])
        assert (row["gross"], row["fee"]) == (amount * worth, fee * worth)
        assert row["gross"] - row["fee"] == row["net"]


MARTS = {"fx_rates": "1, 2", "revenue": "transaction_id", "margin_daily": "1"}


@pytest.mark.thorough
def test_both_destinations_have_the_same_marts_and_no_check_fails(
    commands: Commands, clickhouse: ClickHouseConfig, tmp_path: Path
) -> None:
    """A ledger of 80 days, loaded twice, and a check of everything on either side."""
    made = transactions(TODAY - timedelta(days=80), NOW)
    content = archive(TODAY, TODAY - timedelta(days=100), BASES | MORE)
    found: dict[str, dict[str, list[Any]]] = {}
    with StripeServer() as stripe, FxServer(content) as fx:
        stripe.offer("balance_transactions", made)
        commands.set(stripe.environ | fx.environ | {"NORMALIZE__REPORTING_CURRENCY": "CHF"})
        commands.well("load", "normalize", "check", marts=True)
        local = {
            name: mart(commands, name, _plain(name), f"order by {key}")
            for name, key in MARTS.items()
        }
        fresh = mart(commands, "freshness", "source, newest_day", "order by 1")
        commands.set(environ(clickhouse, tmp_path))
        commands.well("migrate")
        assert commands("load", "stripe", "fx", marts=True).status == 0
        assert commands("check").status == 0
        assert commands("load", "stripe", "fx").out.count(" 0 loaded") == 2
        assert commands("migrate", "--validate").status == 0
        there = {
            name: query(clickhouse, f"select {_plain(name)} from {name} order by {key}")
            for name, key in MARTS.items()
        }
        found = {"local": local, "there": there}
    assert fresh == query(clickhouse, "select source, newest_day from freshness order by 1")
    newest = max(row["created"] for row in made)
    (last_rate,) = query(clickhouse, "select max(rate_date) from fx_rates")[0]
    assert fresh == [("fx", last_rate), ("stripe", datetime.fromtimestamp(newest, UTC).date())]
    assert TODAY - timedelta(days=3) < last_rate <= TODAY
    for name in MARTS:
        assert len(found["local"][name]) == len(found["there"][name]) > 0
        for one, other in zip(found["local"][name], found["there"][name], strict=True):
            assert one == _nearly(other, one), name
    assert len(found["local"]["margin_daily"]) == 81
    total = sum(row["net"] for row in made if row["currency"] == "usd")
    (net,) = query(clickhouse, "select sum(net) from revenue where currency = 'USD'")[0]
    assert net == Decimal(total) / 100


def _plain(name: str) -> str:
    """The columns of a mart that do not differ between two loads."""
    from pipelines.tables.shapes import mart_columns

    names = [column.name for column in mart_columns(())[name]]
    return ", ".join(f'"{n}"' for n in names if n not in ("x_dlt_load_id",))


def _nearly(values: Any, wanted: Any) -> tuple[Any, ...]:
    """Floats that are equal but for the order of a sum count as equal."""
    return tuple(
        want
        if isinstance(want, float) and value == pytest.approx(want, rel=1e-9, abs=1e-9)
        else value
        for value, want in zip(values, wanted, strict=True)
    )

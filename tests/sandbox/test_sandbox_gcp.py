"""The GCP sandbox: the same rows each time, in Google's shape, and invoices that add up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.sandbox.bigquery.server import BigQueryServer
from scripts.sandbox.gcp import charges, lines, schema
from scripts.sandbox.gcp import exports as gcp
from tests.conftest import ROOT
from tests.support.providers.bigquery_fixtures import ClientFactory

pytestmark = pytest.mark.thorough  # made-up bills: what is made of them is tested beside it

Row = dict[str, Any]


@cache
def tables(restated: bool = False) -> dict[str, pa.Table]:
    return gcp.tables(restated=restated)


@cache
def rows(name: str, restated: bool = False) -> list[Row]:
    return list(tables(restated)[name].to_pylist())


def both() -> list[Row]:
    """Every row once: of the account in USD the detailed ones."""
    return rows(gcp.DETAILED_USD) + rows(gcp.STANDARD_CHF)


def count(of: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, int]:
    return dict(sorted(Counter(map(key, of)).items()))


def credit_types(row: Row) -> set[str]:
    return {each["type"] for each in row["credits"]}


def pacific_day(row: Row) -> date:
    moment: datetime = row["usage_start_time"]
    return moment.astimezone(lines.PACIFIC).date()


def as_text(row: Row) -> str:
    return json.dumps(row, default=str, sort_keys=True)


# what it is made of


def test_the_same_rows_are_made_in_every_process(tmp_path: Path) -> None:
    # parquet holds values only, no padding
    code = (
        "import pyarrow.parquet as pq; from scripts.sandbox.gcp import exports as sandbox_gcp\n"
        "for name, table in sandbox_gcp.tables(restated=True).items():\n"
        f"    pq.write_table(table, {str(tmp_path)!r} + '/' + name)"
    )
    environ = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True)
    for name, table in tables(restated=True).items():
        pq.write_table(table, tmp_path / "here")
        assert (tmp_path / name).read_bytes() == (tmp_path / "here").read_bytes()


def test_the_columns_are_googles() -> None:
    assert {name: table.schema.names for name, table in tables().items()} == {
        gcp.DETAILED_USD: DETAILED,
        gcp.STANDARD_USD: STANDARD,
        gcp.STANDARD_CHF: STANDARD,
    }
    assert gcp.DETAILED_USD == (
        "example-billing.billing_export.gcp_billing_export_resource_v1_01A2B3_C4D5E6_F70819"
    )
    kinds = {field.name: field.type for field in schema.DETAILED}
    assert (kinds["cost"], kinds["cost_at_list"]) == (pa.float64(), pa.float64())
    assert kinds["cost_at_effective_price_default"] == pa.decimal128(38, 9)
    assert [field.name for field in kinds["credits"].value_type] == [
        "name",
        "amount",
        "full_name",
        "id",
        "type",
    ]


DETAILED = """billing_account_id service sku usage_start_time usage_end_time project labels
    system_labels location resource tags price subscription transaction_type seller_name
    export_time cost currency currency_conversion_rate usage credits invoice cost_type
    adjustment_info cost_at_list cost_at_effective_price_default cost_at_list_consumption_model
    consumption_model _PARTITIONTIME""".split()
STANDARD = [name for name in DETAILED if name not in {"resource", "subscription"}]


def test_there_are_a_few_thousand_rows_a_month() -> None:
    by_month = count(both(), lambda row: row["invoice"]["month"])
    assert by_month == {"202607": 2389, "202608": 2414, "202609": 2346, "202610": 2326}
    assert len({row["export_time"].date() for row in both()}) == 123
    assert {row["project"]["id"] for row in both() if row["project"]} == {
        "shop-production",
        "shop-staging",
        "data-platform",
        "zurich-erp",
        "zurich-reports",
    }


def test_the_standard_export_is_the_detailed_one_without_resources() -> None:
    table = tables()[gcp.DETAILED_USD].drop_columns(list(schema.DETAILED_ONLY))
    assert table.equals(tables()[gcp.STANDARD_USD])


def test_rows_come_by_export_into_the_partition_of_their_day() -> None:
    for name in gcp.TABLES:
        moments = [row["export_time"] for row in rows(name)]
        assert moments == sorted(moments)
    for row in both():
        assert row["_PARTITIONTIME"].date() == row["export_time"].date()
        assert row["usage_end_time"] < row["export_time"]
        assert row["usage_start_time"] < row["usage_end_time"]


# money


def test_the_totals_are_these() -> None:
    usd = gcp.totals(tables()[gcp.DETAILED_USD])
    chf = gcp.totals(tables()[gcp.STANDARD_CHF])
    assert gcp.totals(tables()[gcp.STANDARD_USD]) == usd
    assert usd | chf == TOTALS


def test_money_is_whole_micros() -> None:
    for row in both():
        amounts = [row["cost"], *(each["amount"] for each in row["credits"])]
        assert amounts == [round(amount * 1e6) / 1e6 for amount in amounts]
        listed = row["cost_at_list"]
        assert listed is None or listed == round(listed * 1e6) / 1e6


def test_a_closed_invoice_is_whole_cents() -> None:
    sums: Counter[tuple[str, str]] = Counter()
    for row in both():
        sums[row["invoice"]["month"], row["currency"]] += charges.net(row)
    closed = {key: total for key, total in sums.items() if key[0] != gcp.INVOICES[-1]}
    assert len(closed) == 6
    assert [total % 10_000 for total in closed.values()] == [0] * 6


def test_a_franc_has_its_rate_of_the_month_and_a_dollar_is_one() -> None:
    rates = {(row["currency"], row["currency_conversion_rate"]) for row in both()}
    assert rates == {
        ("USD", 1.0),
        ("CHF", 0.80125),
        ("CHF", 0.80642),
        ("CHF", 0.79705),
        ("CHF", 0.79211),
    }
    lake = next(row for row in rows(gcp.STANDARD_CHF) if row["sku"]["description"] == "Requests")
    assert float(lake["price"]["list_price"]) == round(0.0000004 * 0.80125, 9)


def test_costs_are_prices_times_quantities() -> None:
    for row in (row for row in both() if row["price"] and not row["adjustment_info"]):
        if row["export_time"].time() == lines.RUNS[2] and row["cost"] < 0:
            continue  # a correction keeps the prices and the list costs
        amount = row["usage"]["amount_in_pricing_units"]
        price = row["price"]
        costs = {
            "list_price": row["cost_at_list"],
            "effective_price_default": row["cost_at_effective_price_default"],
            "list_price_consumption_model": row["cost_at_list_consumption_model"],
        }
        for name, cost in costs.items():
            assert float(cost) == pytest.approx(amount * float(price[name]), abs=1e-6)
        assert float(price["effective_price"]) <= float(price["list_price"])


def test_every_kind_of_credit_is_there() -> None:
    found = count((each for row in both() for each in row["credits"]), lambda each: each["type"])
    assert found == {
        "COMMITTED_USAGE_DISCOUNT": 485,
        "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE": 244,
        "FEE_UTILIZATION_OFFSET": 122,
        "FREE_TIER": 244,
        "PROMOTION": 427,
        "SUSTAINED_USAGE_DISCOUNT": 491,
    }
    several = [row for row in both() if len(row["credits"]) > 1]
    assert {frozenset(credit_types(row)) for row in several} == {
        frozenset({"SUSTAINED_USAGE_DISCOUNT", "PROMOTION"})
    }


def test_the_flexible_commitment_is_offset_by_what_draws_on_it() -> None:
    fees = [row for row in both() if "FEE_UTILIZATION_OFFSET" in credit_types(row)]
    assert {row["subscription"]["instance_id"] for row in fees} == {"2000000000000000002"}
    offsets = [-round(row["credits"][0]["amount"] * 1e6) for row in fees]
    assert all(0 < offset <= charges.FLEXIBLE_FEE for offset in offsets)
    assert min(offsets) < charges.FLEXIBLE_FEE  # some days leave a part of it unused
    drawn = [row for row in both() if row["consumption_model"] == lines.FLEXIBLE]
    for row in drawn:
        assert row["cost"] < float(row["cost_at_effective_price_default"])


def test_cost_types_and_what_they_leave_out() -> None:
    assert count(both(), lambda row: (row["cost_type"], row["transaction_type"] or "")) == {
        ("adjustment", ""): 2,
        ("regular", "GOOGLE"): 9442,
        ("regular", "THIRD_PARTY_RESELLER"): 4,
        ("rounding_error", ""): 6,
        ("tax", ""): 21,
    }
    taxes = [row for row in both() if row["cost_type"] == "tax"]
    assert sum(row["project"] is None for row in taxes) == 6  # on support, which has no project
    partner = [row for row in both() if row["seller_name"]]
    assert {row["invoice"]["publisher_type"] for row in partner} == {"PARTNER"}


# time


def test_usage_of_the_last_pacific_day_may_be_on_the_next_invoice() -> None:
    rolled = [
        row
        for row in both()
        if row["cost_type"] == "regular"
        and not row["adjustment_info"]
        and row["invoice"]["month"] != lines.month_of(pacific_day(row))
    ]
    assert count(rolled, lambda row: (pacific_day(row).isoformat(), row["invoice"]["month"])) == {
        ("2026-07-31", "202608"): 19,
        ("2026-08-31", "202609"): 14,
        ("2026-09-30", "202610"): 11,
    }


def test_the_month_ends_in_pacific_time() -> None:
    evening = [
        row
        for row in both()
        if row["usage_start_time"] == datetime(2026, 8, 1, 6, tzinfo=UTC)
        and row["invoice"]["month"] == "202607"
    ]
    assert len(evening) > 0
    assert {pacific_day(row) for row in evening} == {date(2026, 7, 31)}


def test_some_rows_are_exported_days_late() -> None:
    delays = [(row["export_time"] - row["usage_end_time"]).days for row in both() if row["price"]]
    assert sum(delay >= 3 for delay in delays) > 100


def test_identical_rows_are_there() -> None:
    counts = Counter(map(as_text, both()))
    twice = [json.loads(text) for text, times in counts.items() if times > 1]
    assert set(counts.values()) == {1, 2}
    assert {row["sku"]["description"] for row in twice} == {
        "Network Internet Data Transfer Out from Americas to EMEA"
    }
    assert len(twice) == 3 * 3 * 4  # three meters, on the 9th, 18th and 27th


def test_a_correction_equals_its_row_but_for_four_columns() -> None:
    run = datetime.combine(date(2026, 9, 20), lines.RUNS[2], UTC)
    made = [
        row for row in both() if row["export_time"] == run and pacific_day(row) == date(2026, 9, 12)
    ]
    free = {"cost", "credits", "usage", "export_time", "_PARTITIONTIME"}

    def kept(row: Row) -> str:
        usage = {name: v for name, v in row["usage"].items() if name != "amount"}
        return as_text({name: v for name, v in row.items() if name not in free} | {"u": usage})

    originals = {kept(row): row for row in both() if row["export_time"] < run}
    pairs: dict[str, list[float]] = {}
    for row in made:
        pairs.setdefault(kept(row), []).append(row["cost"])
    assert len(pairs) == 3
    for key, costs in pairs.items():
        cost = originals[key]["cost"]
        assert costs == [-cost, round(cost * 1e6) * 80 // 100 / 1e6]


def test_adjustments_are_of_an_earlier_month() -> None:
    found = [row for row in both() if row["adjustment_info"]]
    assert count(
        found,
        lambda row: (
            row["adjustment_info"]["type"],
            row["cost_type"],
            lines.month_of(pacific_day(row)),
            row["invoice"]["month"],
        ),
    ) == {
        ("GOODWILL", "adjustment", "202607", "202608"): 1,
        ("PRICE_CORRECTION", "regular", "202608", "202609"): 6,
        ("SLA_VIOLATION", "adjustment", "202609", "202610"): 1,
    }


# labels


def test_labels_are_as_people_write_them() -> None:
    pairs = {(each["key"], each["value"]) for row in both() for each in row["labels"]}
    assert {
        ("it's", 'a "quoted" value'),
        ("größe", "süß"),
        ("user:Cost Center", "R&D; 100%"),
        ("a-b", "dash"),
        ("a_b", "underscore"),
        ("environment", ""),
        ("environment", "Staging"),
        ("k8s-label/app.kubernetes.io/name", "cart"),
    } <= pairs
    assert any(
        {each["key"].lower() for each in row["tags"]} >= {"environment"}
        and {each["key"] for each in row["project"]["labels"]} >= {"environment"}
        for row in both()
        if row["project"]
    )
    assert any(row["project"] and not row["project"]["labels"] for row in both())


# restated


def test_restating_adds_late_rows_and_a_day_with_corrections() -> None:
    for name in (gcp.DETAILED_USD, gcp.STANDARD_CHF):
        before = Counter(map(as_text, rows(name)))
        after = Counter(map(as_text, rows(name, restated=True)))
        assert before - after == Counter()
    more = Counter(map(as_text, rows(gcp.DETAILED_USD, True)))
    more -= Counter(map(as_text, rows(gcp.DETAILED_USD)))
    new = [json.loads(text) for text in more.elements()]
    by_day = count(new, lambda row: row["export_time"][:10])
    assert by_day == {"2026-10-29": 6, "2026-10-30": 5, "2026-11-01": 40}
    assert [day.isoformat() for day in (*gcp.LATE_DAYS, gcp.NEW_DAY)] == list(by_day)
    taken_back = [row for row in new if row["cost"] < 0]
    assert {row["usage_start_time"][:10] for row in taken_back} == {"2026-10-21"}
    assert {row["invoice"]["month"] for row in taken_back} == {"202610"}


def test_a_day_can_shrink() -> None:
    day = date(2026, 10, 14)
    shrunk = gcp.tables(restated=True, shrunk_day=day)
    lost = Counter(map(as_text, rows(gcp.STANDARD_CHF, True)))
    lost -= Counter(map(as_text, shrunk[gcp.STANDARD_CHF].to_pylist()))
    gone = [json.loads(text) for text in lost.elements()]
    assert {row["export_time"][:10] for row in gone} == {day.isoformat()}
    assert len(gone) > 5


# from a client


def test_googles_own_query_gives_the_totals(
    gcp_export: BigQueryServer, bigquery_client: ClientFactory
) -> None:
    # "Return details by cost type", cloud.google.com/billing/docs/how-to/bq-examples
    sql = """
        SELECT invoice.month, currency, cost_type,
          SUM(cost) + SUM(IFNULL((SELECT SUM(c.amount) FROM UNNEST(credits) c), 0)) AS total,
          (SUM(CAST(cost * 1000000 AS int64))
            + SUM(IFNULL((SELECT SUM(CAST(c.amount * 1000000 AS int64))
                          FROM UNNEST(credits) c), 0))) AS micros
        FROM `{}` GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
    client = bigquery_client(gcp_export)
    found = {}
    for name in (gcp.DETAILED_USD, gcp.STANDARD_CHF):
        for row in client.query_and_wait(sql.format(name)):
            found[row["month"], row["currency"], row["cost_type"]] = row["micros"]
            assert row["total"] == pytest.approx(row["micros"] / 1e6)
    assert found == TOTALS


def test_the_export_reaches_the_client_whole(
    gcp_export: BigQueryServer, bigquery_client: ClientFactory
) -> None:
    client = bigquery_client(gcp_export)
    end = datetime(2026, 7, 4, tzinfo=UTC)
    sql = f"SELECT * FROM `{gcp.DETAILED_USD}` WHERE _PARTITIONTIME < TIMESTAMP('2026-07-04')"
    job = client.query(sql)
    got = job.to_arrow(create_bqstorage_client=False).to_pylist()
    hidden = schema.PARTITION_TIME
    expected = [
        {name: value for name, value in row.items() if name != hidden}
        for row in rows(gcp.DETAILED_USD)
        if row[hidden] < end
    ]
    assert sorted(map(as_text, got)) == sorted(map(as_text, expected))
    assert len(got) > 100
    whole = client.get_table(gcp.DETAILED_USD).num_bytes
    assert 0 < job.total_bytes_processed < whole / 30


def test_the_command_serves_the_export(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    run = subprocess.Popen(
        [sys.executable, "-m", "scripts.sandbox", "gcp", "--port", "0", "--key", str(key)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout
    said = [run.stdout.readline().strip() for _ in range(6)]
    url = said.pop().removeprefix("BIGQUERY_EMULATOR_HOST=")
    assert said.pop().startswith("SOURCES__GCP__STORAGE_URL=http://127.0.0.1:")
    assert said == [
        f"gcp {gcp.STANDARD_USD}: 6,272 rows",
        f"gcp {gcp.DETAILED_USD}: 6,272 rows",
        f"gcp {gcp.STANDARD_CHF}: 3,203 rows",
        f"key file: {key}",
    ]
    account = json.loads(key.read_text())
    assert account["token_uri"] == f"{url}/token"
    run.terminate()
    run.stdout.close()
    assert run.wait(20) != 0


#: Net micros.
TOTALS = {
    ("202607", "CHF", "regular"): 1_363_995_170,
    ("202607", "CHF", "rounding_error"): -8_778,
    ("202607", "CHF", "tax"): 110_483_608,
    ("202608", "CHF", "regular"): 1_388_410_566,
    ("202608", "CHF", "rounding_error"): -1_821,
    ("202608", "CHF", "tax"): 112_461_255,
    ("202609", "CHF", "regular"): 1_327_603_188,
    ("202609", "CHF", "rounding_error"): -9_045,
    ("202609", "CHF", "tax"): 107_535_857,
    ("202610", "CHF", "adjustment"): -12_340_000,
    ("202610", "CHF", "regular"): 1_320_129_038,
    ("202607", "USD", "regular"): 4_890_467_586,
    ("202607", "USD", "rounding_error"): -8_626,
    ("202607", "USD", "tax"): 220_071_040,
    ("202608", "USD", "adjustment"): -25_000_000,
    ("202608", "USD", "regular"): 5_065_453_883,
    ("202608", "USD", "rounding_error"): -4_307,
    ("202608", "USD", "tax"): 226_820_424,
    ("202609", "USD", "regular"): 4_934_256_309,
    ("202609", "USD", "rounding_error"): -7_842,
    ("202609", "USD", "tax"): 222_041_533,
    ("202610", "USD", "regular"): 4_916_032_588,
}

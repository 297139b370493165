"""GCP cost through both twins: golden rows, everything of the sandbox, random lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.providers.gcp import normalize
from pipelines.providers.gcp.columns import CONTRACT
from pipelines.tables.schema import ShapeError
from scripts.sandbox.gcp import exports
from scripts.sandbox.gcp.lines import micros
from tests.core.test_normalize_lookups import FOCUS_SERVICE_CATEGORIES, lookup_rows
from tests.support.providers.gcp_cases import case, typed
from tests.support.providers.raw_gcp import LINE, Row, credit, labels, landed
from tests.support.twins import FINGERPRINT, GCP, LOAD_ID, Twins, differences, on_a_database

TAG_COLUMNS = ("Environment", "team", "user:Cost Center", "a-b", "it's", "größe")


@pytest.fixture(scope="module")
def twins(
    clickhouse_server: ClickHouseConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Twins]:
    folder = tmp_path_factory.mktemp("twins")
    with on_a_database(clickhouse_server, folder, TAG_COLUMNS, GCP) as made:
        yield made


def line(**changes: Any) -> Row:
    """The usual line with other values."""
    return LINE | changes


def published(twins: Twins, *rows: Row) -> list[Row]:
    """What both twins make of these rows, in their order; they have to agree."""
    raw = landed(rows)
    keyed = raw.set_column(
        raw.schema.get_field_index("resource_global_name"),
        "resource_global_name",
        pa.array([f"{number:05d}" for number in range(len(rows))]),
    )
    names = [twins.write(keyed)]
    pandas, clickhouse = twins.pandas(names), twins.clickhouse(names)
    assert differences(pandas, clickhouse, GCP.key) == []
    return sorted(pandas.to_pylist(), key=lambda row: str(row["resource_id"]))


_GOLDEN: list[Row] = []


def golden(*rows: Row) -> slice:
    """Where these lines stand in `delivered`, the one delivery of all golden lines."""
    _GOLDEN.extend(rows)
    return slice(len(_GOLDEN) - len(rows), len(_GOLDEN))


@pytest.fixture(scope="module")
def delivered(twins: Twins) -> list[Row]:
    """What both twins make of every golden line."""
    return published(twins, *_GOLDEN)


def values(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


@pytest.mark.thorough
def test_a_line_of_usage_fills_the_whole_shape(twins: Twins) -> None:
    (row,) = published(twins, line(credits=[credit(-2.5, "FREE_TIER")]))
    assert row == {
        "provider_name": "Google Cloud",
        "publisher_name": "Google Cloud",
        "invoice_issuer_name": None,
        "invoice_id": None,
        "billing_account_id": "01A2B3-C4D5E6-F70819",
        "billing_account_name": None,
        "sub_account_id": "shop-production",
        "sub_account_name": "Shop",
        "billing_period_start": datetime(2026, 10, 1, 7, tzinfo=UTC),
        "billing_period_end": datetime(2026, 11, 1, 7, tzinfo=UTC),
        "charge_period_start": datetime(2026, 10, 30, 7, tzinfo=UTC),
        "charge_period_end": datetime(2026, 10, 30, 8, tzinfo=UTC),
        "charge_category": "Usage",
        "charge_class": None,
        "charge_description": "N2 Instance Core running in Iowa",
        "charge_frequency": "Usage-Based",
        "service_category": "Compute",
        "service_name": "Compute Engine",
        "sku_id": "2DA5-55D3-E679",
        "sku_price_id": "2DA5-55D3-E679/0",
        "region_id": "us-central1",
        "region_name": "Iowa",
        "availability_zone": "us-central1-a",
        "resource_id": "00000",
        "resource_name": "web-1",
        "resource_type": None,
        "consumed_quantity": 14400.0,
        "consumed_unit": "seconds",
        "pricing_quantity": 4.0,
        "pricing_unit": "hour",
        "pricing_category": "Standard",
        "billed_cost": 7.5,
        "effective_cost": 7.5,
        "list_cost": 12.5,
        "contracted_cost": 11.25,
        "billing_currency": "USD",
        "commitment_discount_id": None,
        "commitment_discount_type": None,
        "commitment_discount_category": None,
        "commitment_discount_status": None,
        "tags": [("application", "web"), ("tag:Environment", "prod"), ("project:team", "shop")],
        "tag_environment": "prod",
        "tag_team": "shop",
        "tag_cost_center": None,
        "tag_a_b": None,
        "tag_it_s": None,
        "tag_groe": None,
        "x_cost_categories": [],
        "x_account_tags": [],
        "x_billing_entity": None,
        "x_commitment_family": None,
        "x_commitment_end": None,
        "x_usage_date": date(2026, 10, 30),
        "x_source": "gcp",
        "x_partition": "2026-10-31",
        "x_line_item_type": "regular",
        "x_credit_amount": -2.5,
        "x_credits": [("FREE_TIER", -2.5)],
        "x_currency_rate_usd": 1.0,
        "x_billed_cost_usd": 7.5,
        "x_effective_cost_usd": 7.5,
        "x_fingerprint": FINGERPRINT,
        "x_dlt_load_id": LOAD_ID,
    }


# Money.


ALL_CREDITED = golden(line(cost=10.0, credits=[credit(-10.0)]))


def test_a_credit_that_takes_all_of_it_leaves_nothing(delivered: list[Row]) -> None:
    rows = delivered[ALL_CREDITED]
    assert values(rows, "billed_cost", "x_credit_amount") == [(0.0, -10.0)]


ADJUSTED = golden(line(cost=50.0), line(cost=-20.0, cost_type="adjustment", cost_at_list=None))


def test_usage_and_its_adjustment_come_to_the_difference(delivered: list[Row]) -> None:
    rows = delivered[ADJUSTED]
    assert sum(row["billed_cost"] for row in rows) == 30.0
    assert values(rows, "charge_category", "billed_cost", "list_cost") == [
        ("Usage", 50.0, 12.5),
        ("Adjustment", -20.0, -20.0),
    ]


RATES: list[tuple[float, str, float | None, float | None]] = [
    (79.705, "CHF", 0.79705, 100.0),  # below 1: a franc is worth more than a dollar
    (100.0, "EUR", 0.92, 108.69565217391305),
    (100.0, "EUR", None, None),  # no rate is no guess
    (100.0, "EUR", 0.0, None),
    (100.0, "USD", None, 100.0),
]
CONVERTED = golden(
    *(line(cost=c, currency=word, currency_conversion_rate=rate) for c, word, rate, _ in RATES)
)


def test_units_per_dollar_divide(delivered: list[Row]) -> None:
    rows = delivered[CONVERTED]
    assert values(rows, "billing_currency", "billed_cost") == [(c, b) for b, c, *_ in RATES]
    usd = [None if dollars is None else pytest.approx(dollars, rel=1e-12) for *_, dollars in RATES]
    assert [row["x_billed_cost_usd"] for row in rows] == usd
    assert [row["x_effective_cost_usd"] for row in rows] == usd


COST_TYPES = [
    ("regular", "Usage", "Usage-Based", 1.0),
    ("tax", "Tax", "One-Time", 1.0),
    ("adjustment", "Adjustment", "One-Time", 1.0),
    ("rounding_error", "Adjustment", "One-Time", 1.0),
    ("something_new", "unclassified", None, None),
    ("", "unclassified", None, None),
    (None, "unclassified", None, None),
]


OF_COST_TYPES = golden(
    *(line(cost=1.0, cost_at_list=None, cost_type=kind) for kind, *_ in COST_TYPES)
)


def test_every_cost_type_is_billed_and_an_unknown_one_is_unclassified(
    delivered: list[Row],
) -> None:
    rows = delivered[OF_COST_TYPES]
    assert values(
        rows, "charge_category", "charge_frequency", "effective_cost", "billed_cost", "list_cost"
    ) == [
        (category, frequency, effective, 1.0, effective)
        for _, category, frequency, effective in COST_TYPES
    ]


OFFSET_FEE = golden(
    line(
        cost=8.4,
        cost_at_list=8.4,
        credits=[credit(-6.1, "FEE_UTILIZATION_OFFSET")],
        subscription={"instance_id": "2000000000000000002"},
    )
)


def test_a_fee_that_its_use_offsets_costs_what_stayed_unused(delivered: list[Row]) -> None:
    rows = delivered[OFFSET_FEE]
    assert values(rows, "billed_cost", "effective_cost", "commitment_discount_id", "x_credits") == [
        (2.3, 2.3, "2000000000000000002", [("FEE_UTILIZATION_OFFSET", -6.1)])
    ]


CREDITS = [credit(-0.1, "PROMOTION"), credit(-0.2, "PROMOTION"), credit(-0.3, None)]
CREDITED = golden(line(cost=0.6, credits=CREDITS), line(credits=[]))


def test_credits_are_also_told_by_type(delivered: list[Row]) -> None:
    rows = delivered[CREDITED]
    assert values(rows, "billed_cost", "x_credit_amount", "x_credits") == [
        (0.0, -0.6, [("PROMOTION", -0.3), ("unclassified", -0.3)]),
        (10.0, 0.0, []),
    ]


SPOT = {"id": "1", "description": "Spot Preemptible N2 Instance Core running in Iowa"}
FLEXIBLE = {"id": "9A7C-41D2-88E0", "description": "Compute Flexible CUDs - 1 Year"}
PRICED = golden(
    line(),
    line(sku=SPOT),
    line(credits=[credit(-10.0, "COMMITTED_USAGE_DISCOUNT")]),
    line(consumption_model=FLEXIBLE),
    line(consumption_model=None),
    line(cost_type="tax", sku=SPOT),
    line(sku={"id": "2", "description": "Autopilot Spot Pod mCPU Requests (Iowa)"}),
    line(sku={"id": "3", "description": "Nvidia L4 GPU attached to Spot VMs running in Iowa"}),
    line(sku={"id": "4", "description": "Preemptible N1 Predefined Instance Core"}),
    line(sku={"id": "5", "description": "Spotlight tickets"}),
)


def test_usage_below_a_commitment_is_committed_and_spot_is_dynamic(delivered: list[Row]) -> None:
    rows = delivered[PRICED]
    assert [row["pricing_category"] for row in rows] == [
        "Standard", "Dynamic", "Committed", "Committed", "Standard", None,
        "Dynamic", "Dynamic", "Dynamic", "Standard",
    ]  # fmt: skip


GOOGLES_OWN = golden(*map(typed, case("gcp_cud_google_example")))


def test_googles_own_example_of_a_commitment_saves_a_quarter_in_both_models(
    delivered: list[Row],
) -> None:
    """Its first day in the model of credits, its second in the consumption model."""
    rows = delivered[GOOGLES_OWN]
    used = ("Committed Use Discount", "Spend", "Used")
    fee = ("Committed Use Discount", "Spend", None)
    names = ("type", "category", "status")
    assert values(
        rows,
        "charge_category",
        "billed_cost",
        "effective_cost",
        "list_cost",
        *(f"commitment_discount_{name}" for name in names),
    ) == [
        ("Usage", 0.0, 0.0, 50.0, *used),
        ("Purchase", 37.5, 37.5, 0.0, *fee),
        ("Usage", 37.5, 37.5, 50.0, *used),
        ("Purchase", 0.0, 0.0, 0.0, *fee),
    ]


BY_DOLLARS = {"id": "7", "description": "Commitment - dollar based v1: Compute Flexible for 1 Year"}
BY_CORE = {"id": "8", "description": "Commitment v1: N2 Cpu in Iowa for 1 Year"}
FEES = golden(
    line(sku=BY_DOLLARS, credits=[credit(-7.5, "FEE_UTILIZATION_OFFSET")]),
    line(sku=BY_CORE),
    line(sku=BY_CORE, cost_type="tax"),
)


def test_what_is_left_of_a_fee_is_its_unused_part(delivered: list[Row]) -> None:
    rows = delivered[FEES]
    assert values(
        rows,
        "charge_category",
        "charge_frequency",
        "effective_cost",
        "list_cost",
        "commitment_discount_category",
        "commitment_discount_status",
    ) == [
        ("Purchase", "Recurring", 2.5, 0.0, "Spend", "Unused"),
        ("Purchase", "Recurring", 10.0, 0.0, "Usage", None),
        ("Tax", "One-Time", 10.0, 12.5, None, None),
    ]


# Time.


EDGES = [
    ("202607", "2026-07-01 07:00", "2026-08-01 07:00"),
    ("202611", "2026-11-01 07:00", "2026-12-01 08:00"),  # summer time ends
    ("202603", "2026-03-01 08:00", "2026-04-01 07:00"),  # and begins
    ("202612", "2026-12-01 08:00", "2027-01-01 08:00"),
    ("202613", None, None),
    ("2026-1", None, None),
    ("", None, None),
    (None, None, None),
]
INVOICED = golden(*(line(invoice={"month": month}) for month, *_ in EDGES))


def test_an_invoice_has_the_edges_of_its_month_in_us_pacific(delivered: list[Row]) -> None:
    names = ("billing_period_start", "billing_period_end")
    assert values(delivered[INVOICED], *names) == [
        tuple(text and datetime.fromisoformat(text).replace(tzinfo=UTC) for text in edges)
        for _, *edges in EDGES
    ]


INFO = {"id": "price-2026-09", "description": "List price corrected", "type": "CORRECTION"}
BEFORE = datetime(2026, 10, 1, 6, 59, tzinfo=UTC)  # still September in US/Pacific
CORRECTED = golden(
    line(adjustment_info=INFO, usage_start_time=BEFORE),
    line(adjustment_info=INFO, usage_start_time=datetime(2026, 10, 1, 7, tzinfo=UTC)),
    line(usage_start_time=BEFORE),
)


def test_an_adjustment_of_an_earlier_month_is_a_correction(delivered: list[Row]) -> None:
    rows = delivered[CORRECTED]
    assert values(rows, "charge_class", "charge_description") == [
        ("Correction", "List price corrected"),
        (None, "List price corrected"),
        (None, "N2 Instance Core running in Iowa"),
    ]


# Tags.


PROJECT = LINE["project"]
TAGGED = golden(
    line(labels=labels(team="a"), tags=labels(team="b"), project=PROJECT),
    line(labels=[], tags=labels(TEAM="b"), project=PROJECT | {"labels": labels(team="c")}),
    line(labels=labels(team=""), tags=[], project=PROJECT),
    line(labels=[], tags=[], project=None),
    line(labels=[*labels(a_b="1"), {"key": "a-b", "value": "2"}], tags=[], project=None),
    line(labels=[{"key": "Cost Center", "value": "R&D"}], tags=[], project=None),
    line(labels=[{"key": "user:Cost Center", "value": "x"}], tags=[], project=None),
)


def test_labels_tags_and_project_labels_are_found_in_this_order(delivered: list[Row]) -> None:
    rows = delivered[TAGGED]
    assert values(rows, "tag_team", "tag_a_b", "tag_cost_center") == [
        ("a", None, None),
        ("c", None, None),  # exactly the key goes before another case of it
        (None, None, None),
        (None, None, None),
        (None, "2", None),
        (None, None, "R&D"),
        (None, None, "x"),
    ]
    assert [sorted(row["tags"]) for row in rows[:3]] == [
        [("project:team", "shop"), ("tag:team", "b"), ("team", "a")],
        [("project:team", "c"), ("tag:TEAM", "b")],
        [("project:team", "shop"), ("team", "")],
    ]


DOUBLED = [*labels(Environment="one"), *labels(Environment="two")]
TWICE = golden(line(labels=[], tags=DOUBLED, project=None))


def test_of_two_equal_tags_of_a_row_the_first_stays(delivered: list[Row]) -> None:
    (row,) = delivered[TWICE]
    assert (row["tags"], row["tag_environment"]) == ([("tag:Environment", "one")], "one")


# Everything at once.


@pytest.mark.thorough
def test_the_whole_export_nets_to_the_micro(twins: Twins) -> None:
    """By invoice month, currency and cost type, as the generator says; no drift of floats."""
    for name in (exports.DETAILED_USD, exports.STANDARD_CHF):
        table = exports.tables(restated=True)[name]
        rows = published(twins, *(row for row in table.to_pylist()))
        found: Counter[tuple[str, str, str]] = Counter()
        for row in rows:
            pacific = row["billing_period_start"].astimezone(normalize.PACIFIC)
            key = (f"{pacific:%Y%m}", row["billing_currency"], row["x_line_item_type"])
            found[key] += micros(row["billed_cost"])
            assert row["billed_cost"] == micros(row["billed_cost"]) / 1e6
        assert dict(found) == exports.totals(table)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=4)
PAIRS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["environment", "Environment", "user:team", "a-b", "it's", ""])
            | TEXTS,
            "value": TEXTS,
        }
    ),
    max_size=3,
)
MONEY = st.integers(-(10**9), 10**9).map(lambda amount: amount / 1e6)
LINES = st.fixed_dictionaries(
    {
        "cost": st.none() | MONEY,
        "cost_type": st.sampled_from(["regular", "tax", "adjustment", "rounding_error", "new", ""]),
        "credits": st.lists(
            st.builds(
                credit,
                MONEY,
                st.sampled_from(["PROMOTION", "COMMITTED_USAGE_DISCOUNT", "", None]),
            ),
            max_size=3,
        ),
        "currency": st.sampled_from(["USD", "CHF", "", None]),
        "currency_conversion_rate": st.sampled_from([None, 0.0, -1.0, 0.79705, 1.0]),
        "cost_at_list": st.none() | MONEY,
        "cost_at_effective_price_default": st.none() | MONEY.map(lambda x: Decimal(str(x))),
        "labels": PAIRS,
        "tags": PAIRS,
        "project": st.none() | st.fixed_dictionaries({"id": TEXTS, "labels": PAIRS}),
        "invoice": st.fixed_dictionaries({"month": st.sampled_from(["202610", "202611", "", "x"])}),
        "adjustment_info": st.none() | st.fixed_dictionaries({"id": TEXTS}),
        "usage_start_time": st.none()
        | st.integers(0, 34 * 86400 * 10**6).map(
            lambda after: datetime(2026, 9, 29, tzinfo=UTC) + timedelta(microseconds=after)
        ),
        "price": st.sampled_from(
            [None, *({"tier_start_amount": Decimal(x)} for x in ("0", "0.5", "1000", "1E-9"))]
        ),
        "seller_name": st.sampled_from([None, "", "Example Software, Inc."]),
        "transaction_type": st.sampled_from([None, "GOOGLE", "THIRD_PARTY_RESELLER"]),
    }
)


@settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.explicit],
)
@given(st.lists(LINES, min_size=1, max_size=20))
def test_the_twins_agree_on_random_lines(twins: Twins, rows: list[Row]) -> None:
    published(twins, *(LINE | row for row in rows))


# Shapes.


@pytest.mark.parametrize("missing", normalize.REQUIRED)
def test_a_file_without_a_required_column_is_refused_by_name(missing: str) -> None:
    raw = landed([LINE]).drop_columns([missing])
    with pytest.raises(ShapeError, match=f"^Column {missing} is missing"):
        normalize.normalize(raw, normalize.Context("2026-10-31", "f", "l"))


@pytest.mark.parametrize("text", ["[{", "1", '["a"]', '{"a": 1}', "[],[]"])
def test_what_is_no_list_of_records_is_refused(text: str) -> None:
    raw = landed([LINE])
    at = raw.schema.get_field_index("credits")
    broken = raw.set_column(at, "credits", pa.array([text]))
    with pytest.raises(ShapeError, match=r"^Column credits must hold lists of records"):
        normalize.normalize(broken, normalize.Context("2026-10-31", "f", "l"))


def test_the_raw_table_declares_what_is_landed(twins: Twins) -> None:
    rows = twins.warehouse.manager.execute(f"describe table {GCP.raw_table.clickhouse_name}")
    assert set(CONTRACT) - {row[0] for row in rows} == set()


def test_services_and_regions_have_names_and_categories() -> None:
    services = lookup_rows("gcp_services.csv")
    assert {row["service_category"] for row in services} - FOCUS_SERVICE_CATEGORIES == set()
    for rows, key in ((services, "service"), (lookup_rows("gcp_regions.csv"), "region_id")):
        assert len({row[key] for row in rows}) == len(rows) >= 40
        assert [row for row in rows if not all(row.values())] == []

"""AWS's twins: pandas and ClickHouse normalise the same delivery to the same rows.

What those rows must be is tested on pandas alone (test_normalize_aws*.py). Only the totals of a few
bills calculated by hand are asserted for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.aws_pipeline import AwsExport, AwsSettings
from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.destinations.clickhouse.parquet_columns import kind_of_clickhouse
from pipelines.providers.aws.contract import REQUIRED
from pipelines.providers.aws.deliveries import files_of
from pipelines.providers.aws.landing import land
from pipelines.tables.schema import COSTS, cost_columns
from scripts.sandbox.aws import delivery, months
from tests.core.test_normalize_lookups import lookup_rows
from tests.support.providers.random_aws import ENDS, LINES, OPTIONAL, TAG_MAPS
from tests.support.providers.raw_aws import (
    FOCUS_ROW,
    MAP,
    NET_RECURRING,
    NET_RI_COST,
    NET_SP_COST,
    NET_UPFRONT,
    ON_DEMAND,
    PLANNED,
    PUBLIC,
    RECURRING,
    RESERVED,
    RI_COST,
    SP_COST,
    TOTAL,
    UPFRONT,
    USED,
    Row,
    focus,
    legacy_csv,
    legacy_parquet,
    line,
    retyped,
    savings_plan_hour,
    table,
)
from tests.support.twins import (
    FINGERPRINT,
    LOAD_ID,
    PARTITION,
    RAW_TABLE,
    Twins,
    differences,
    on_a_database,
)

TAG_COLUMNS = (
    "Environment", "team", "user:Owner", "Cost Center", "it's", "a-b", "Équipe", "ΟΔΟΣ id",
    'say "hi"\\now', "100% {sure};",
)  # fmt: skip
KINDS = [*(row["line_item_type"] for row in lookup_rows("aws_line_items.csv"))]
FORMS = (table, legacy_parquet, legacy_csv)
Form = Callable[[list[Row]], pa.Table]


@pytest.fixture(scope="module")
def twins(
    clickhouse_server: ClickHouseConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Twins]:
    folder = tmp_path_factory.mktemp("twins")
    with on_a_database(clickhouse_server, folder, TAG_COLUMNS) as made:
        yield made


def usage(**columns: list[Any]) -> list[Row]:
    """A line of usage for each value of one column."""
    ((name, values),) = columns.items()
    return [line("Usage", 1.0, {name: value}) for value in values]


# Kinds of lines and the forms in which they come.

EVERY_COST = {
    "line_item_net_unblended_cost": 1.0,
    RI_COST: 0.07,
    NET_RI_COST: 0.06,
    UPFRONT: 0.035,
    NET_UPFRONT: 0.03,
    RECURRING: 0.025,
    NET_RECURRING: 0.02,
    SP_COST: 0.1,
    NET_SP_COST: 0.09,
    TOTAL: 0.12,
    USED: 0.07,
}
GOLDEN = [
    ON_DEMAND,
    *(
        line(kind, cost, *others)
        for kind in (*KINDS, "SomethingNew", "usage", "", None)
        for cost, others in (
            (1.25, []),
            (None, []),
            (-1.25, [{name: None if "_net_" in name else v for name, v in EVERY_COST.items()}]),
            (1.25, [PUBLIC, RESERVED, EVERY_COST]),
            (1.25, [PLANNED, RESERVED, {UPFRONT: None, RECURRING: 0.5, TOTAL: 0.12}]),
            (2.5, [PLANNED, {USED: 0.1, "line_item_product_code": "ComputeSavingsPlans"}]),
        )
    ),
    *(
        line(kind, 1.0, line_item_usage_type=usage_type)
        for kind in ("Usage", "Tax")
        for usage_type in ("SpotUsage:c5.large", "USW2-SpotUsage:c5", "spotusage", "", None)
    ),
    *usage(line_item_operation=["EKSPod-EC2", "ECSTask-EC2", "ekspod-ec2", "", None]),
    *usage(line_item_currency_code=["USD", "usd", "CHF", "XXX", "", None]),
    *usage(line_item_product_code=[*(r["product_code"] for r in lookup_rows("aws_services.csv"))]),
    *usage(line_item_product_code=["8xmarketplace", "amazonec2", "", None]),
    *usage(product_region_code=[*(r["region_id"] for r in lookup_rows("aws_regions.csv"))]),
    *usage(product_region_code=["mars-north-1", "", None]),
    *usage(product_region=["eu-central-1", "mars-north-1", "", None]),
    *usage(reservation_reservation_a_r_n=["", None]),
    *usage(savings_plan_savings_plan_a_r_n=["", None]),
    *(
        line("Usage", 1.0, of, reservation_end_time=one, savings_plan_end_time=other)
        for of in (PLANNED, RESERVED, PLANNED | RESERVED, {})
        for one, other in zip(ENDS, (*ENDS[1:], ENDS[0]), strict=True)
    ),
    line("Usage", product_region_code="", product_region="eu-central-1"),
    *(
        line("Usage", product=product, product_product_name=name, line_item_product_code=code)
        for product in ([("product_name", "EC2"), ("vcpu", "2")], [("product_name", "")], [], None)
        for name in ("Amazon EC2", "", None)
        for code in ("AmazonEC2", "", None)
    ),
    *usage(line_item_resource_id=["i-1", "", " ", "é 🎉 \\ ' \" \t\n\x00", "x" * 70_000]),
]


@pytest.mark.quick("table")
@pytest.mark.parametrize("form", FORMS)
def test_a_line_of_every_kind_is_the_same(twins: Twins, form: Form) -> None:
    assert twins.differences(form(GOLDEN)) == []
    assert twins.read().num_rows == len(GOLDEN) - 2  # the rows of split cost allocation


EVERY_TEXT = [column.name for column in COSTS if column.focus and column.type == "text"]


@pytest.mark.quick("focus")
@pytest.mark.parametrize(
    "raw",
    [
        table([ON_DEMAND | {n: "" for n, value in ON_DEMAND.items() if isinstance(value, str)}]),
        focus([FOCUS_ROW | dict.fromkeys(EVERY_TEXT, "")]),
    ],
    ids=["cur", "focus"],
)
def test_empty_text_is_null_in_both(twins: Twins, raw: pa.Table) -> None:
    both = twins.both(raw)
    assert differences(*both) == []
    assert [name for name, value in both[1].to_pylist()[0].items() if value == ""] == []


BILLS: dict[str, tuple[list[Row], float, float]] = {
    "a credit": ([line("Usage", 100.0), line("Credit", -30.0)], 70.0, 70.0),
    "every sign": (
        [
            line("Usage", 100.0),
            line("EdpDiscount", -5.0),
            line("Credit", -10.0),
            line("Refund", -3.0),
            line("Tax", 8.0),
        ],
        90.0,
        90.0,
    ),
    "an hour under a plan": (savings_plan_hour(), 0.06, 0.06),
    "a reservation without upfront fee": (
        [
            line("DiscountedUsage", 0.0, RESERVED, {RI_COST: 0.07}),
            line("RIFee", 0.07, RESERVED, {UPFRONT: 0.0, RECURRING: 0.0}),
        ],
        0.07,
        0.07,
    ),
    "a plan paid upfront": (
        [
            line("SavingsPlanUpfrontFee", 876.0, PLANNED),
            line("SavingsPlanCoveredUsage", 0.10, PLANNED, {SP_COST: 0.10}),
            line("SavingsPlanNegation", -0.10, PLANNED),
            line("SavingsPlanRecurringFee", 0.0, PLANNED, {TOTAL: 0.10, USED: 0.10}),
        ],
        876.0,
        0.10,
    ),
    "on demand at list price": (
        [line("Usage", 100.0, pricing_public_on_demand_cost=100.0)],
        100.0,
        100.0,
    ),
    "a reservation's upfront fee": (
        [line("Fee", 300.0, RESERVED, bill_billing_entity="AWS", line_item_legal_entity="AWS")],
        300.0,
        0.0,
    ),
}


@pytest.mark.quick("every sign")
@pytest.mark.parametrize("bill", BILLS)
def test_a_bill_comes_to_the_same_right_total(twins: Twins, bill: str) -> None:
    rows, billed, effective = BILLS[bill]
    both = twins.both(table(rows))
    assert differences(*both) == []
    for found in both:
        assert total(found, "billed_cost") == billed
        assert total(found, "effective_cost") == effective


def total(found: pa.Table, column: str) -> float:
    return round(math.fsum(found[column].to_pylist()), 9)


@pytest.mark.thorough
def test_neither_sees_a_saving_in_usage_on_demand_or_the_marketplace_in_an_upfront_fee(
    twins: Twins,
) -> None:
    rows = [
        line("Usage", 100.0, pricing_public_on_demand_cost=100.0),
        line("Fee", 300.0, RESERVED, bill_billing_entity="AWS", line_item_legal_entity="AWS"),
    ]
    names = ("charge_category", "publisher_name", "list_cost", "commitment_discount_type")
    both = twins.both(table(rows))
    for found in both:
        assert found.select(names).sort_by("list_cost").to_pylist() == [
            dict(zip(names, ("Usage", None, 100.0, None), strict=True)),
            dict(zip(names, ("Purchase", "AWS", 300.0, "Reserved Instance"), strict=True)),
        ]
    assert differences(*both) == []


OTHER_FOCUS_ROWS: list[Row] = [
    *(
        {"charge_category": category, "billed_cost": cost}
        for category in ("Usage", "Purchase", "Tax", "Credit", "Adjustment", "New", "", None)
        for cost in (-30.0, None)
    ),
    {"effective_cost": None, "list_cost": None, "contracted_cost": None},
    {"commitment_discount_id": "arn", "commitment_discount_status": "Unused"},
    {"commitment_discount_type": "Savings Plan", "commitment_discount_category": "Spend"},
    {"billing_currency": "CHF", "charge_class": "Correction"},
    {"tags": None},
    {"tags": [("user:it's", "x"), ("Owner", "plain"), ("user:OWNER", "mine"), ("", "")]},
    dict.fromkeys(FOCUS_ROW) | {"billed_cost": 1.0, "charge_category": "Usage"},
    {name: "" for name, value in FOCUS_ROW.items() if isinstance(value, str)},
]
FOCUS = [FOCUS_ROW | others for others in ({}, *OTHER_FOCUS_ROWS)]
FOCUS_1_2 = {"invoice_id": "1", "sku_meter": "m", "capacity_reservation_id": None}


@pytest.mark.quick("1.2")
@pytest.mark.parametrize(
    "raw",
    [
        focus(FOCUS),
        focus(FOCUS, pa.decimal128(20, 9)),
        focus([row | FOCUS_1_2 for row in FOCUS]),
        focus([{name: FOCUS_ROW[name] for name in REQUIRED["FOCUS"]}]),
    ],
    ids=["1.0", "decimal", "1.2", "bare"],
)
def test_a_focus_export_is_the_same(twins: Twins, raw: pa.Table) -> None:
    assert twins.differences(raw) == []
    assert twins.read().num_rows == raw.num_rows


DELIVER: dict[str, Callable[..., object]] = {
    "cur2": delivery.deliver_cur2,
    "legacy-csv": delivery.deliver_legacy_csv,
    "legacy-parquet": delivery.deliver_legacy_parquet,
    "focus": delivery.deliver_focus,
}


@cache
def october() -> list[Row]:
    """The sandbox's month: every 7th line of the frequent kinds, and all of the others."""
    rows = months.line_items(PARTITION)
    frequent = {"Usage", "SavingsPlanCoveredUsage", "SavingsPlanNegation", "DiscountedUsage"}
    return [
        row
        for at, row in enumerate(rows)
        if at % 7 == 0 or row["line_item_line_item_type"] not in frequent
    ]


def landed(bucket: Path, folder: Path) -> list[pa.Table]:
    """The only delivery in a bucket as a load lands it."""
    export = AwsExport(AwsSettings(bucket_url=bucket.as_uri()))
    (partition,) = export.partitions()
    _, objects = files_of(export.bucket, partition)
    files = land(export.bucket, partition, objects, folder, lambda _: None)
    return [pq.ParquetFile(folder / file.name).read() for file in files]


@pytest.mark.thorough
@pytest.mark.parametrize("form", DELIVER)
def test_a_delivery_that_was_landed_is_the_same(twins: Twins, tmp_path: Path, form: str) -> None:
    DELIVER[form](tmp_path / "bucket", "billing", "export", PARTITION, october(), files=2)
    raw = landed(tmp_path / "bucket", tmp_path / "landed")
    assert twins.differences(*raw) == []
    assert twins.read().num_rows > 500


# Tags.

TAGS: list[list[tuple[str, str]] | None] = [
    None,
    [],
    [("user:team", "a")],
    [("user_Team", "a")],
    [("TEAM", "a")],
    [("user:Team", "other"), ("user:team", "exact")],
    [("user:TEAM", "first"), ("user:Team", "second")],
    [("user:team", ""), ("user:Team", "other")],
    [("team", "plain"), ("user:team", "mine")],
    [("user:team", "mine"), ("team", "plain")],
    [("team", "plain"), ("user_team", "mine")],
    [("user:team", "1"), ("user_team", "2"), ("z", "3"), ("team", "4")],
    [("team", "1"), ("team", "2")],
    [("", "1"), ("user:", "2"), ("user_", "3"), ("b", "4")],
    [("user:user:team", "x"), ("user:user_team", "y"), ("User:team", "z")],
    [("\nuser:team", "x"), ("user:team\n", "y"), ("user\n:team", "z")],
    [("user:Owner", "o")],
    [("user:OWNER", "O")],
    [("owner", "o"), ("user:OWNER", "O")],
    [("user:Cost Center", "7")],
    [("COST CENTER", "7"), ("cost_center", "8")],
    [("user:it's", "x"), ("user:IT'S", "y")],
    [("user:a-b", "1"), ("user:a_b", "2"), ("user:A-b", "3"), ("a b", "4")],
    [("user:a_b", "2")],
    [('user:SAY "HI"\\NOW', "x")],
    [("user:100% {sure};", "x"), ("100% {SURE};", "y")],
    [("user:équipe", "x"), ("ÉQUIPE", "y")],
    [("user:οδος id", "final sigma")],
    [("user:οδοσ ID", "no final sigma")],
    [("user:Environment", "é 🎉 \\ ' \" \t\n\x00"), ("ключ", "ü"), ("🎉", "")],
    [("aws:createdBy", "root"), ("aws:Environment", "y"), ("aws_stack", "s")],
    [("user:Name", "web")],
    [("name", "lower"), ("NAME", "upper")],
    [("user_name", "")],
    [(f"user:k{at}", str(at)) for at in range(500)],
    *([(f"user:{key.swapcase()}", "other case")] for key in (*TAG_COLUMNS, "Name")),
]


@pytest.mark.quick("cur2")
@pytest.mark.parametrize(
    "form",
    [
        lambda tags: table(usage(resource_tags=tags)),
        lambda tags: legacy_csv(usage(resource_tags=tags)),
        lambda tags: focus([FOCUS_ROW | {"tags": pairs} for pairs in tags]),
    ],
    ids=["cur2", "csv", "focus"],
)
def test_tags_are_the_same_whatever_their_keys(
    twins: Twins, form: Callable[[Any], pa.Table]
) -> None:
    assert twins.differences(form(TAGS)) == []
    found = twins.read()
    of_tags = [name for name in found.schema.names if name.startswith("tag_")]
    assert [name for name in of_tags if found[name].null_count == len(found)] == []


@pytest.mark.thorough
def test_flat_tag_columns_are_the_same(twins: Twins) -> None:
    snake = [
        None,
        [("user_environment", "prod"), ("user_cost_center", ""), ("aws_created_by", "root")],
        [("user_team", "a"), ("team", "plain"), ("name", "web")],
        [("user_user_team", "b"), ("user_name", "db")],
    ]
    assert twins.differences(legacy_parquet(usage(resource_tags=snake))) == []
    assert twins.read()["tag_team"].to_pylist().count("a") == 1


@pytest.mark.thorough
@pytest.mark.parametrize(
    "maps",
    [
        pa.array([[("user:team", None), ("b", None)], [("user:team", "a"), ("b", "")], None], MAP),
        pa.nulls(3, MAP),
        pa.array([[("user:team", "a")], [], None], pa.map_(pa.large_string(), pa.large_string())),
        pa.array(
            [[("user:team", "a")], [("b", "a"), ("user:team", "")], None],
            pa.map_(pa.string(), pa.dictionary(pa.int32(), pa.string())),
        ),
    ],
    ids=["null-values", "all-null", "large", "dictionary"],
)
def test_maps_of_any_text_are_the_same(twins: Twins, maps: pa.Array) -> None:
    raw = table([line("Usage", 1.0)] * 3).append_column("resource_tags", maps)
    assert twins.differences(raw) == []
    raw = focus([FOCUS_ROW] * 3).drop_columns("tags").append_column("tags", maps)
    assert twins.differences(raw) == []


# Types, times, amounts and columns that are not there.


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("line_item_product_code", pa.large_string()),
        ("line_item_product_code", pa.binary()),
        ("line_item_product_code", pa.dictionary(pa.int8(), pa.string())),
        ("line_item_product_code", pa.dictionary(pa.int32(), pa.large_string())),
        ("line_item_net_unblended_cost", pa.decimal128(18, 6)),
        ("line_item_net_unblended_cost", pa.decimal128(38, 18)),
        ("line_item_net_unblended_cost", pa.decimal256(60, 18)),
        ("line_item_net_unblended_cost", pa.float32()),
        ("line_item_usage_amount", pa.int8()),
        ("line_item_usage_amount", pa.uint64()),
        ("line_item_usage_amount", pa.dictionary(pa.int32(), pa.float64())),
        ("line_item_usage_start_date", pa.timestamp("s")),
        ("line_item_usage_start_date", pa.timestamp("us")),
        ("line_item_usage_start_date", pa.timestamp("ns")),
        ("line_item_usage_start_date", pa.timestamp("ms", tz="Europe/Berlin")),
        ("line_item_usage_start_date", pa.timestamp("ns", tz="Asia/Tokyo")),
        ("bill_billing_period_start_date", pa.date32()),
        ("reservation_effective_cost", pa.null()),
        ("line_item_usage_account_name", pa.null()),
        ("line_item_usage_end_date", pa.null()),
    ],
    ids=str,
)
def test_a_column_of_another_fitting_type_is_the_same(
    twins: Twins, name: str, kind: pa.DataType
) -> None:
    rows = [
        ON_DEMAND | {"line_item_net_unblended_cost": 0.125, RI_COST: None},
        ON_DEMAND | {"line_item_net_unblended_cost": None, "line_item_product_code": None},
    ]
    raw = retyped(table(rows), name, kind)
    assert raw.schema.field(name).type == kind
    assert twins.differences(raw) == []


MOMENTS = [
    datetime.fromisoformat(moment).replace(tzinfo=UTC)
    for moment in (
        "0001-01-01", "1850-06-01", "1899-12-31T23:00", "1925-01-01", "1969-12-31T23:59:59.999999",
        "1970-01-01", "2026-03-08T10:30", "2026-10-03T23:59:59.999999", "2026-11-01T08:30",
        "2038-01-19T03:14:08", "2149-06-07", "2262-04-12", "2300-01-01", "9999-12-31T23:59:59",
    )
]  # fmt: skip


@pytest.mark.thorough
def test_times_are_the_same_however_far(twins: Twins) -> None:
    times = [
        "line_item_usage_start_date", "line_item_usage_end_date",
        "bill_billing_period_start_date", "bill_billing_period_end_date",
    ]  # fmt: skip
    rows = [line("Usage", 1.0, dict.fromkeys(times, moment)) for moment in [*MOMENTS, None]]
    assert twins.differences(table(rows)) == []
    days = sorted(day for day in twins.read()["x_usage_date"].to_pylist() if day)
    assert days == [moment.date() for moment in MOMENTS]


@pytest.mark.thorough
def test_zoneless_times_of_any_age_are_the_same(twins: Twins) -> None:
    near = [moment for moment in MOMENTS if 1700 < moment.year < 2262]
    raw = legacy_parquet(usage(line_item_usage_start_date=near))
    assert twins.differences(raw) == []
    assert twins.differences(raw, use_deprecated_int96_timestamps=True) == []
    in_ms = {"coerce_timestamps": "ms", "allow_truncated_timestamps": True}
    assert twins.differences(raw, version="1.0", **in_ms) == []


AMOUNTS = (
    0.0, -0.0, 5e-324, -1e-12, 1e-9, 1e-7, 0.1 + 0.2, 12345678.123456789, 1e15, -1e300, 1e300,
    math.nan, math.inf, -math.inf, None,
)  # fmt: skip


PAIRS_OF_AMOUNTS = [
    ("Usage", "line_item_unblended_cost", "line_item_net_unblended_cost"),
    ("Usage", "line_item_usage_amount", *PUBLIC),
    ("Credit", "line_item_unblended_cost", "line_item_net_unblended_cost"),
    ("DiscountedUsage", RI_COST, NET_RI_COST),
    ("RIFee", UPFRONT, NET_UPFRONT),
    ("RIFee", RECURRING, NET_RECURRING),
    ("RIFee", UPFRONT, RECURRING),
    ("RIFee", NET_UPFRONT, NET_RECURRING),
    ("SavingsPlanCoveredUsage", SP_COST, NET_SP_COST),
    ("SavingsPlanRecurringFee", TOTAL, USED),
]


@pytest.mark.thorough
def test_amounts_are_the_same_however_small_or_huge(twins: Twins) -> None:
    rows = [
        line(kind, 1.0, {one: first, other: second})
        for kind, one, other in PAIRS_OF_AMOUNTS
        for first in AMOUNTS
        for second in AMOUNTS
    ]
    assert twins.differences(table(rows)) == []
    numbers = [name for name, value in FOCUS_ROW.items() if isinstance(value, float)]
    rows = [FOCUS_ROW | dict.fromkeys(numbers, amount) for amount in AMOUNTS]
    assert twins.differences(focus(rows)) == []
    found = twins.read()
    assert [found[name].null_count for name in numbers] == [4] * len(numbers)


@pytest.mark.thorough
def test_months_whose_files_differ_in_columns_are_the_same(twins: Twins) -> None:
    bare = table([line("Usage", 1.0)])
    assert twins.differences(bare, table([ON_DEMAND]), bare) == []
    assert twins.differences(bare) == []
    one = table([line("Usage", 1.0, line_item_product_code="AmazonEC2")])
    other = retyped(one, "line_item_product_code", pa.large_string())
    assert twins.differences(one, other, retyped(one, "line_item_product_code", pa.null())) == []


@pytest.mark.thorough
def test_columns_without_a_value_are_the_same(twins: Twins) -> None:
    required = {name: ON_DEMAND[name] for name in REQUIRED["CUR"]}
    assert twins.differences(table([dict.fromkeys(ON_DEMAND) | required])) == []
    assert twins.differences(table([dict.fromkeys(ON_DEMAND)])) == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name",
    "region kind net rate tag_keys lower_keys source entries stripped places winners kept".split(),
)
def test_a_new_column_of_any_name_changes_nothing(twins: Twins, name: str) -> None:
    raw = table([ON_DEMAND, line("Tax", 8.0)])
    new = pa.array(["x", "y"])
    assert twins.differences(raw.append_column(name, new)) == []


def test_a_month_without_rows_is_the_same(twins: Twins) -> None:
    assert twins.differences(table([ON_DEMAND]).slice(0, 0)) == []
    assert twins.read().num_rows == 0


# Random deliveries.

HOSTILE = st.text(st.characters(codec="utf-8"), max_size=8)
HOSTILE_KEYS = HOSTILE | HOSTILE.map("user:{}".format) | st.sampled_from(TAG_COLUMNS)
ANY_TIME = st.datetimes(datetime(1700, 1, 1), datetime(2260, 1, 1)).map(  # noqa: DTZ001
    lambda time: time.replace(tzinfo=UTC)
)
#: Not so huge that two of them add up to infinity.
ANY_AMOUNT = st.floats().filter(lambda amount: not 1e300 < abs(amount) < math.inf)
ANY_TAGS = TAG_MAPS | st.lists(st.tuples(HOSTILE_KEYS, HOSTILE), max_size=4)
RANDOM_LINES = st.builds(
    lambda usual, odd: usual | odd,
    LINES,
    st.fixed_dictionaries(
        {},
        optional={
            "line_item_usage_start_date": ANY_TIME,
            "line_item_unblended_cost": ANY_AMOUNT,
            "line_item_resource_id": HOSTILE,
            "line_item_line_item_type": HOSTILE,
            "resource_tags": ANY_TAGS,
        },
    ),
)
RANDOMLY = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink is to publish for minutes
    suppress_health_check=[
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,  # clean_environment, which nothing here changes
        HealthCheck.too_slow,
    ],
)


@RANDOMLY
@given(
    st.lists(RANDOM_LINES, min_size=1, max_size=20),
    st.sets(st.sampled_from(OPTIONAL), max_size=6),
    st.sampled_from(FORMS),
)
def test_random_lines_are_the_same(
    twins: Twins, rows: list[Row], missing: set[str], form: Form
) -> None:
    kept = [{name: row[name] for name in row if name not in missing} for row in rows]
    assert twins.differences(form(kept)) == []


def of_focus(name: str) -> st.SearchStrategy[object]:
    """Values of a column of a FOCUS export."""
    given = FOCUS_ROW[name]
    if isinstance(given, datetime):
        return st.none() | ANY_TIME
    if isinstance(given, float):
        return st.none() | ANY_AMOUNT
    if name == "x_cost_categories":
        return st.none() | st.just(given)
    return ANY_TAGS if name == "tags" else st.none() | st.just(given) | HOSTILE


FOCUS_LINES = st.fixed_dictionaries(
    {name: of_focus(name) for name in FOCUS_ROW}
    | {
        "charge_category": st.sampled_from(("Usage", "Credit", "Tax", "usage", "", None)),
        "billing_currency": st.sampled_from(("USD", "CHF", "", None)),
    }
)


@pytest.mark.thorough
@RANDOMLY
@given(st.lists(FOCUS_LINES, min_size=1, max_size=15))
def test_random_rows_of_a_focus_export_are_the_same(twins: Twins, rows: list[Row]) -> None:
    assert twins.differences(focus(rows)) == []


# The view itself.


@pytest.mark.thorough
@pytest.mark.parametrize("raw", [table(GOLDEN), focus(FOCUS)], ids=["cur", "focus"])
def test_a_direct_insert_gives_what_publishing_gives(twins: Twins, raw: pa.Table) -> None:
    name = twins.write(twins.keyed(raw))
    published = twins.clickhouse([name])
    inserted = pq.ParquetFile(twins.folder / name).read()
    columns = {"x_fingerprint": FINGERPRINT, "x_dlt_load_id": LOAD_ID}
    for column, value in ({RAW_TABLE.column: "1999-01"} | columns).items():
        inserted = inserted.append_column(column, pa.array([value] * len(inserted)))
    with connect(twins.config) as client:
        client.insert_arrow(RAW_TABLE.clickhouse_name, inserted)
    found = twins.read("1999-01")
    for both in (RAW_TABLE.clickhouse_name, RAW_TABLE.normalized_table):
        twins.warehouse.manager.execute(f"alter table {both} drop partition '1999-01'")
    at = found.schema.get_field_index("x_partition")
    moved = found.set_column(at, found.field(at), published["x_partition"])
    assert found["x_partition"].unique().to_pylist() == ["1999-01"]
    assert differences(moved, published) == []


TYPES = {
    ("text", True): ("Nullable(String)", "LowCardinality(Nullable(String))"),
    ("text", False): ("String", "LowCardinality(String)"),
    ("number", True): ("Nullable(Float64)",),
    ("timestamp", True): ("Nullable(DateTime64(6, 'UTC'))",),
    ("date", True): ("Nullable(Date32)",),
    ("map", False): ("Map(LowCardinality(String), String)",),
    ("amounts", False): ("Map(LowCardinality(String), Float64)",),
}


def test_the_published_table_has_the_columns_of_the_cost_shape(twins: Twins) -> None:
    rows = twins.warehouse.manager.execute(f"describe table {RAW_TABLE.normalized_table}")
    wanted = cost_columns(TAG_COLUMNS)
    assert [row[0] for row in rows] == [column.name for column in wanted]
    types = {row[0]: row[1] for row in rows}
    assert [
        (column, types[column.name])
        for column in wanted
        if types[column.name] not in TYPES[column.type, column.nullable]
    ] == []
    meanings = {row[0]: row[4] for row in rows}
    assert {c.name: meanings[c.name] for c in COSTS} == {c.name: c.meaning for c in COSTS}


KIND_WORDS = {
    "text": "text",
    "number": "number",
    "timestamp": "time",
    "date": "time",
    "map": "map of text",
    "amounts": "map of number",
}


@pytest.mark.parametrize("view", ["normalize_aws", "normalize_aws_focus"])
def test_a_view_selects_the_columns_of_the_cost_shape(twins: Twins, view: str) -> None:
    execute = twins.warehouse.manager.execute
    ((select,),) = execute(
        "select as_select from system.tables where database = currentDatabase() and name = %(v)s",
        {"v": view},
    )
    given = {row[0]: kind_of_clickhouse(row[1]) for row in execute(f"describe ({select})")}
    wanted = cost_columns(TAG_COLUMNS)
    assert given == {column.name: KIND_WORDS[column.type] for column in wanted}


@pytest.mark.thorough
def test_migrating_again_changes_nothing(twins: Twins) -> None:
    said: list[str] = []
    migrate(twins.config, TAG_COLUMNS, said.append)
    assert said == []

"""FOCUS rows through both twins: each named correction, every provider's rows, random rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.destinations.layout import RawTable
from pipelines.providers.focus import normalize
from pipelines.providers.focus.contract import (
    COLUMNS,
    KNOWN,
    PREVIEW,
    PROVIDER,
    REQUIRED,
    kind_of,
    type_of,
    version_of,
)
from pipelines.tables.schema import Context, ShapeError
from scripts.sandbox.focus import google
from scripts.sandbox.focus import rows as made
from tests.support.twins import Subject, Twins, differences, on_a_database

Row = dict[str, Any]
TAG_COLUMNS = ("Environment", "team", "user:Cost Center", "a-b", "it's", "größe")
FOCUS = Subject(
    raw_table=RawTable("focus", "focus", "cost_and_usage", "billing_period"),
    normalizer=normalize,
    partition="2026-10@main",
    key="sku_price_id",
    raw_key=lambda names: "sku_price_id",
    form=lambda names: f"FOCUS {version_of(names)}",
)
START = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def twins(
    clickhouse_server: ClickHouseConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Twins]:
    folder = tmp_path_factory.mktemp("twins")
    with on_a_database(clickhouse_server, folder, TAG_COLUMNS, FOCUS) as found:
        yield found


def landed(rows: Sequence[Row]) -> pa.Table:
    """Rows with the specification's names, or ours, in the columns of the contract."""
    from pipelines.providers.focus.contract import names_of

    given_names = list(dict.fromkeys(name for each in rows for name in each))
    names = names_of(given_names, "the test's rows")
    columns = []
    for name, given_name in zip(names, given_names, strict=True):
        values = [each.get(given_name) for each in rows]
        if kind_of(name) == "map":
            values = [list(v.items()) if isinstance(v, dict) else v for v in values]
        elif kind_of(name) == "text":
            values = [None if v is None else str(v) for v in values]
        columns.append(pa.array(values, type_of(name)))
    return pa.Table.from_arrays(columns, names)


def published(twins: Twins, *rows: Row) -> list[Row]:
    """What both twins make of these rows, in their order; they agree to the last digit."""
    raw = landed(rows)
    keys = pa.array([f"{number:05d}" for number in range(len(rows))])
    if "sku_price_id" in raw.column_names:
        raw = raw.drop_columns(["sku_price_id"])
    names = [twins.write(raw.append_column("sku_price_id", keys))]
    pandas, clickhouse = twins.pandas(names), twins.clickhouse(names)
    assert differences(pandas, clickhouse, FOCUS.key) == []
    assert differences(*twins.days(), key="") == []
    ours, theirs = (
        sorted(table.to_pylist(), key=lambda row: str(row[FOCUS.key]))
        for table in (pandas, clickhouse)
    )
    for column in ("billed_cost", "effective_cost", "list_cost", "contracted_cost",
                   "x_billed_cost_usd", "x_effective_cost_usd", "x_credit_amount"):  # fmt: skip
        assert [row[column] for row in ours] == [row[column] for row in theirs], column
    return ours


def values(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


# The named corrections, each with rows that it changes and rows that it leaves.


@pytest.mark.thorough
def test_azure_1_0_preview(twins: Twins) -> None:
    def line(**changes: Any) -> Row:
        return made.azure_preview("2026-10", 1, 2.0, **changes)

    found = published(
        twins,
        line(x_OnDemandCost=2.5),
        line(PricingCategory="Commitment-Based", ChargeSubcategory="Used Commitment"),
        line(PricingCategory="Dynamic", ChargeSubcategory="Unused Commitment", UsageUnit=""),
        line(ChargeCategory="Adjustment", ChargeSubcategory="Credit", BilledCost=-1.0),
        line(ChargeCategory="Adjustment", ChargeSubcategory="Refund", BilledCost=-1.0),
        line(ChargeCategory="Adjustment", ChargeSubcategory="Rounding Error", Region=None),
        line(ChargeCategory="Purchase", ChargeSubcategory="Credit", PricingCategory=None),
    )
    assert values(
        found, "charge_category", "charge_class", "pricing_category", "commitment_discount_status",
        "region_id", "region_name", "consumed_quantity", "consumed_unit", "contracted_cost",
        "x_credit_amount",
    ) == [
        ("Usage", None, "Standard", None, "westeurope", "West Europe", 24.0, "Hours", 2.5, 0.0),
        ("Usage", None, "Committed", "Used", "westeurope", "West Europe", 24.0, "Hours", 2.0, 0.0),
        ("Usage", None, "Dynamic", "Unused", "westeurope", "West Europe", 24.0, None, 2.0, 0.0),
        ("Credit", None, "Standard", None, "westeurope", "West Europe", 24.0, "Hours", 2.0, -1.0),
        ("Adjustment", "Correction", "Standard", None, "westeurope", "West Europe", 24.0, "Hours",
         2.0, 0.0),
        ("Adjustment", None, "Standard", None, None, None, 24.0, "Hours", 2.0, 0.0),
        ("Purchase", None, None, None, "westeurope", "West Europe", 24.0, "Hours", 2.0, 0.0),
    ]  # fmt: skip


def test_the_preview_s_columns_mean_nothing_in_a_file_of_1_0(twins: Twins) -> None:
    found = published(
        twins,
        made.azure("2026-10", 1, 2.0, Region="Elsewhere", UsageQuantity=5.0, x_OnDemandCost=9.0),
    )
    columns = "region_id", "consumed_quantity", "contracted_cost", "pricing_category"
    assert values(found, *columns) == [("westeurope", 24.0, 2.0, "Standard")]


def test_google_credit_list_cost(twins: Twins) -> None:
    def credit(cost: float, provider: str = "Google Cloud") -> Row:
        return made.google("2026-10", 1, cost, ChargeCategory="Credit", ProviderName=provider,
                           Tags={})  # fmt: skip

    found = published(
        twins, credit(-2.0), credit(1.0), credit(-2.0, "Acme"), credit(-3.0, "Google")
    )
    assert values(found, "billed_cost", "list_cost", "contracted_cost", "x_credit_amount") == [
        (-2.0, 0.0, 0.0, -2.0),
        (1.0, 1.0, 1.0, 1.0),
        (-2.0, -2.0, -2.0, -2.0),
        (-3.0, 0.0, 0.0, -3.0),
    ]


@pytest.mark.thorough
def test_google_negative_list_cost(twins: Twins) -> None:
    def usage(billed: float | None, listed: float | None, **changes: Any) -> Row:
        changes = {"BilledCost": billed, "ListCost": listed, "Tags": {}} | changes
        return made.google("2026-10", 1, 2.0, **changes)

    found = published(
        twins,
        usage(-2.0, -2.5),
        usage(2.0, -2.5),
        usage(-2.0, 2.5),
        usage(None, -2.5),
        usage(-2.0, None),
        usage(-2.0, -2.5, ChargeCategory="Tax"),
        usage(-2.0, -2.5, ProviderName="Acme"),
    )
    assert values(found, "charge_class", "billed_cost", "list_cost") == [
        ("Correction", -2.0, -2.5),
        (None, 2.0, -2.5),
        (None, -2.0, 2.5),
        (None, None, -2.5),
        (None, -2.0, None),
        (None, -2.0, -2.5),
        (None, -2.0, -2.5),
    ]


def test_google_lower_case_and_google_billing_period(twins: Twins) -> None:
    def line(**changes: Any) -> Row:
        return google.viewed("2026-10", 1, 2.0, **{"Tags": {}, **changes})

    found = published(
        twins,
        line(),
        line(ChargeCategory="adjustment", ChargeClass="correction", PricingCategory="committed"),
        line(ChargeCategory="error", PricingCategory="negotiated", ChargeClass=""),
        line(ChargeCategory="Tax", PricingCategory="", BillingPeriodEnd=None),
        line(BillingPeriodStart=None),
        line(ProviderName="Acme", ChargeClass="correction"),
        made.google("2026-12", 1, 2.0, Tags={}),
    )
    october = (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
    as_delivered = (datetime(2026, 10, 1, 7, tzinfo=UTC), datetime(2026, 10, 31, 7, tzinfo=UTC))
    names = "charge_category", "charge_class", "pricing_category"
    assert values(found, *names, "billing_period_start", "billing_period_end") == [
        ("Usage", None, "Standard", *october),
        ("Adjustment", "Correction", "Committed", *october),
        ("unclassified", None, "negotiated", *october),
        ("Tax", None, None, *october),
        ("Usage", None, "Standard", None, as_delivered[1]),
        ("unclassified", "correction", "standard", *as_delivered),
        ("Usage", None, "Standard", datetime(2026, 12, 1, tzinfo=UTC),
         datetime(2027, 1, 1, tzinfo=UTC)),
    ]  # fmt: skip


@pytest.mark.thorough
def test_aws_contracted_cost(twins: Twins) -> None:
    def usage(billed: float, contracted: float | None, **changes: Any) -> Row:
        changes = {"BilledCost": billed, "ContractedCost": contracted} | changes
        return made.row("2026-10", 1, 2.0, "AWS", **changes)

    found = published(
        twins,
        usage(2.0, 0.0),
        usage(0.0, 0.0),
        usage(2.0, 1.5),
        usage(2.0, 0.0, ChargeCategory="Tax"),
        usage(2.0, 0.0, ProviderName="Acme"),
        usage(2.0, 0.0, ProviderName="Amazon Web Services"),
    )
    assert [row["contracted_cost"] for row in found] == [None, 0.0, 1.5, 0.0, 0.0, None]


# Who, what, which currency.


def test_the_provider_is_the_row_s_own_else_the_configured_one(twins: Twins) -> None:
    def line(provider: str | None, service: str | None, configured: str | None) -> Row:
        changes = {"ServiceProviderName": service, PROVIDER: configured}
        return made.row("2026-10", 1, 1.0) | {"ProviderName": provider} | changes

    found = published(
        twins, line("A", "B", "C"), line(None, "B", "C"), line("", "", "C"), line(None, None, None)
    )
    assert [row["provider_name"] for row in found] == ["A", "B", "C", "unknown"]


def test_a_category_that_focus_does_not_have_is_unclassified(twins: Twins) -> None:
    words = ["Usage", "Purchase", "Tax", "Credit", "Adjustment", "usage", "Refund", "", None]
    found = published(twins, *(made.row("2026-10", 1, 1.0, ChargeCategory=word) for word in words))
    assert [row["charge_category"] for row in found] == [*words[:5], *["unclassified"] * 4]


def test_only_dollars_have_a_rate_of_the_row_s_own(twins: Twins) -> None:
    words = ["USD", "usd", "CHF", "TOKENS", "", None]
    found = published(twins, *(made.row("2026-10", 1, 3.0, BillingCurrency=word) for word in words))
    columns = "billing_currency", "x_currency_rate_usd", "x_billed_cost_usd"
    assert values(found, *columns) == [
        ("USD", 1.0, 3.0),
        ("usd", None, None),
        ("CHF", None, None),
        ("TOKENS", None, None),
        (None, None, None),
        (None, None, None),
    ]


@pytest.mark.quick("newest")
@pytest.mark.parametrize(
    "kind", ["row", "azure", "azure_preview", "google", "oci", "databricks", "newest"]
)
def test_every_provider_s_rows_are_the_same_in_both(twins: Twins, kind: str) -> None:
    lines = [getattr(made, kind)("2026-10", day, 0.1 * day) for day in range(1, 4)]
    for each in lines:
        if isinstance(each["Tags"], list):
            each["Tags"] = {tag["key"]: tag["value"] for tag in each["Tags"]}
    found = published(twins, *lines)
    assert [row["billed_cost"] for row in found] == [0.1 * day for day in range(1, 4)]


# Random rows.

_TEXTS = st.sampled_from([None, "", "a", "Ünï", "it's", "NULL", " b "])
_AMOUNTS = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, 1e-9, -1.5, 3.0, 1e12]),
    st.floats(-1e9, 1e9, allow_nan=False, width=64),
)
_TIMES = st.one_of(
    st.none(),
    st.integers(0, 4_102_444_800).map(lambda second: datetime.fromtimestamp(second, UTC)),
)
_KEYS = st.sampled_from(["Environment", "team", "TEAM", "user:team", "a-b", "Cost Center", "größe"])
_OF_NAME = {
    "provider_name": ["Google Cloud", "AWS", "Microsoft", "Oracle", None],
    "charge_category": ["Usage", "Purchase", "Tax", "Credit", "Adjustment", "Other", None],
    "charge_subcategory": ["Refund", "Credit", "Used Commitment", "Unused Commitment", None],
    "charge_class": ["Correction", "", None],
    "pricing_category": ["On-Demand", "Commitment-Based", "Standard", "Dynamic", None],
    "billing_currency": ["USD", "EUR", "TOKENS", None],
    "region": ["West Europe", "", "ÉTÉ 1", None],
}
_OF_KIND = {
    "text": _TEXTS,
    "number": _AMOUNTS,
    "time": _TIMES,
    "map": st.one_of(st.none(), st.dictionaries(_KEYS, st.sampled_from(["x", "", "y"]))),
}


def _rows(names: Sequence[str]) -> st.SearchStrategy[list[Row]]:
    columns = {
        name: st.sampled_from(_OF_NAME[name]) if name in _OF_NAME else _OF_KIND[kind_of(name)]
        for name in names
    }
    return st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=12)


_OLD = (*COLUMNS[PREVIEW], *(n for n in COLUMNS["1.0"] if n not in ("consumed_quantity",
        "consumed_unit", "charge_class", "region_id", "region_name")))  # fmt: skip
_NEW = tuple(name for name in KNOWN if name not in COLUMNS[PREVIEW])


@settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.explicit],
)
@given(st.one_of(_rows(_OLD), _rows(_NEW), _rows((*REQUIRED, "provider_name"))))
def test_the_twins_agree_on_random_rows(twins: Twins, rows: list[Row]) -> None:
    found = published(twins, *rows)
    raw = [row["billed_cost"] for row in rows if row["billed_cost"] is not None]
    assert math.fsum(row["billed_cost"] or 0.0 for row in found) == math.fsum(raw)


# Shapes.


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_file_without_a_required_column_is_refused_by_name(missing: str) -> None:
    raw = landed([made.row("2026-10", 1, 1.0)]).drop_columns([missing])
    with pytest.raises(ShapeError, match=f"^Column {missing} is missing"):
        normalize.normalize(raw, Context("2026-10@main", "f", "l"))


def test_the_raw_table_declares_every_column_of_the_contract(twins: Twins) -> None:
    rows = twins.warehouse.manager.execute("describe table focus__cost_and_usage")
    assert {*KNOWN, PROVIDER} - {row[0] for row in rows} == set()

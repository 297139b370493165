"""The forms in which AWS delivers, types that fit, and deliveries of another shape."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from pipelines.providers.aws import focus as aws_focus
from pipelines.providers.aws import normalize
from pipelines.providers.aws.contract import REQUIRED
from pipelines.tables.schema import ShapeError
from tests.support.providers import oracle_aws
from tests.support.providers.raw_aws import (
    CARRIED,
    CONTEXT,
    FOCUS_ROW,
    MAP,
    ON_DEMAND,
    ON_DEMAND_COST,
    PUBLIC,
    RESERVED,
    RI_COST,
    START,
    Row,
    focus,
    legacy_csv,
    legacy_parquet,
    line,
    normalized,
    retyped,
    savings_plan_hour,
    table,
)

FORM_ROWS = [
    ON_DEMAND | {"resource_tags": [("user_team", "a"), ("aws_created_by", "root")]},
    line("DiscountedUsage", 0.0, RESERVED, PUBLIC, {RI_COST: 0.07}),
    *savings_plan_hour(),
    line("Credit", -3.5, line_item_product_code="AmazonEC2"),
    line("Tax", 8.0, resource_tags=[("user_team", "")]),
]
NAMES_OF_ACCOUNTS = ("billing_account_name", "sub_account_name")


@pytest.mark.parametrize("form", [legacy_parquet, legacy_csv])
def test_legacy_reports_give_what_cur_2_gives(form: Any) -> None:
    modern, legacy = normalized(table(FORM_ROWS)), normalized(form(FORM_ROWS))
    for row in (*modern, *legacy):
        row.update(dict.fromkeys(NAMES_OF_ACCOUNTS))
        row["tags"] = [(key, value) for key, value in row["tags"] if value]
    assert legacy == modern


#: Columns of CUR 2.0 that AWS's FOCUS export does not have.
NOT_IN_FOCUS = ("x_billing_entity", "x_commitment_family", "x_line_item_type")


@pytest.mark.parametrize("amounts", [None, pa.decimal128(20, 9)], ids=["double", "decimal"])
def test_a_focus_export_gives_what_cur_2_gives(amounts: pa.DataType | None) -> None:
    (row,) = normalized(focus([FOCUS_ROW], amounts))
    missing = dict.fromkeys(NOT_IN_FOCUS) | {"x_account_tags": []}
    assert oracle_aws.is_same(row, ON_DEMAND_COST | missing)


def test_focus_figures_are_taken_as_delivered() -> None:
    changes: list[Row] = [
        {
            "charge_category": "Credit",
            "billed_cost": -30.0,
            "effective_cost": -29.0,
            "list_cost": None,
        },
        {"charge_category": "Purchase", "billed_cost": 300.0, "effective_cost": 0.0},
        {"charge_category": "Adjustment", "commitment_discount_status": "Unused"},
        {"charge_category": "SomethingNew", "service_category": None, "provider_name": ""},
    ]
    names = (
        "charge_category",
        "billed_cost",
        "effective_cost",
        "list_cost",
        "x_credit_amount",
        "commitment_discount_status",
        "service_category",
        "provider_name",
    )
    found = normalized(focus([FOCUS_ROW | change for change in changes]))
    assert [tuple(row[name] for name in names) for row in found] == [
        ("Credit", -30.0, -29.0, None, -30.0, None, "Compute", "AWS"),
        ("Purchase", 300.0, 0.0, 0.096, 0.0, None, "Compute", "AWS"),
        ("Adjustment", 0.09, 0.09, 0.096, 0.0, "Unused", "Compute", "AWS"),
        ("unclassified", 0.09, 0.09, 0.096, 0.0, None, "Other", "AWS"),
    ]


def test_a_focus_export_of_the_required_columns_is_null_elsewhere() -> None:
    (row,) = normalized(focus([{name: FOCUS_ROW[name] for name in REQUIRED["FOCUS"]}]))
    assert {name: value for name, value in row.items() if value is not None} == {
        "provider_name": "AWS",
        "charge_period_start": START,
        "charge_category": "Usage",
        "service_category": "Other",
        "billed_cost": 0.09,
        "billing_currency": "USD",
        "tags": [],
        "x_cost_categories": [],
        "x_account_tags": [],
        "x_billed_cost_usd": 0.09,
        "x_currency_rate_usd": 1.0,
        "x_usage_date": date(2026, 10, 3),
        "x_source": "aws",
        "x_credit_amount": 0.0,
        "x_credits": [],
        **CARRIED,
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("line_item_product_code", pa.large_string()),
        ("line_item_product_code", pa.binary()),
        ("line_item_product_code", pa.dictionary(pa.int8(), pa.string())),
        ("line_item_product_code", pa.dictionary(pa.int32(), pa.large_string())),
        ("line_item_net_unblended_cost", pa.decimal128(18, 6)),
        ("line_item_net_unblended_cost", pa.float32()),
        ("line_item_usage_amount", pa.int64()),
        ("line_item_usage_amount", pa.dictionary(pa.int32(), pa.float64())),
        ("line_item_usage_start_date", pa.timestamp("ns")),
        ("line_item_usage_start_date", pa.timestamp("ms", tz="Europe/Berlin")),
        ("resource_tags", pa.map_(pa.large_string(), pa.large_string())),
        ("reservation_effective_cost", pa.null()),
        ("reservation_effective_cost", pa.string()),
        ("line_item_usage_account_name", pa.int32()),
    ],
    ids=str,
)
def test_a_column_of_another_fitting_type_gives_the_same(name: str, kind: pa.DataType) -> None:
    nothing = "reservation_effective_cost", "line_item_usage_account_name"
    raw = table([ON_DEMAND | dict.fromkeys(nothing) | {"line_item_net_unblended_cost": 0.125}])
    changed = retyped(raw, name, kind)
    assert changed.schema.field(name).type == kind
    assert normalized(changed) == normalized(raw)


def test_a_usage_date_is_the_day_in_utc() -> None:
    late = line("Usage", line_item_usage_start_date=datetime(2026, 10, 3, 23, 59, 59, tzinfo=UTC))
    raw = table([late])
    at = raw.schema.get_field_index("line_item_usage_start_date")
    tokyo = raw.column(at).cast(pa.timestamp("us", tz="Asia/Tokyo"))
    (row,) = normalized(raw.set_column(at, "line_item_usage_start_date", tokyo))
    assert row["x_usage_date"] == date(2026, 10, 3)


# Deliveries of another shape.


@pytest.mark.parametrize("name", REQUIRED["CUR"])
def test_a_missing_required_column_is_named(name: str) -> None:
    raw = table([line("Usage", 1.0)]).drop_columns([name])
    with pytest.raises(ShapeError) as error:
        normalize.columns(raw.schema)
    assert str(error.value).startswith(f"Column {name} is missing (the file begins with line_item_")
    assert str(error.value).endswith("add it to the export's columns, or name another export.")
    with pytest.raises(ShapeError):
        normalize.normalize(raw, CONTEXT)


@pytest.mark.parametrize("name", REQUIRED["FOCUS"])
def test_a_focus_export_without_a_required_column_is_refused(name: str) -> None:
    raw = focus([FOCUS_ROW]).drop_columns([name])
    with pytest.raises(ShapeError, match=rf"^Column {name} is missing .* A FOCUS export needs it"):
        aws_focus.normalize(raw, CONTEXT)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("line_item_unblended_cost", "0.1", "is string, but must be a number."),
        ("line_item_net_unblended_cost", "n/a", "is string, but must be a number."),
        ("line_item_unblended_cost", True, "is bool, but must be a number."),
        (
            "line_item_usage_start_date",
            "2026-10-01",
            "is string, but must be a timestamp.",
        ),
        ("line_item_usage_account_id", 12345678901, "is int64, but must be text."),
        ("line_item_line_item_type", 1.5, "is double, but must be text."),
        ("resource_tags", "{}", "is string, but must be a map of text to text."),
        ("product", {"product_name": "x"}, "but must be a map of text to text."),
    ],
)
def test_a_column_of_a_wrong_type_is_named(name: str, value: object, message: str) -> None:
    raw = table([line("Usage", 1.0)])
    wrong = pa.array([value])
    at = raw.schema.get_field_index(name)
    raw = raw.append_column(name, wrong) if at < 0 else raw.set_column(at, name, wrong)
    with pytest.raises(ShapeError) as error:
        normalize.normalize(raw, CONTEXT)
    assert str(error.value).startswith(f"Column {name} is ")
    assert message in str(error.value)
    assert "load the partition again with --force" in str(error.value)


def test_a_column_that_occurs_twice_is_refused() -> None:
    raw = table([line("Usage", 1.0)])
    twice = raw.append_column("line_item_unblended_cost", pa.array([2.0]))
    with pytest.raises(ShapeError) as error:
        normalize.normalize(twice, CONTEXT)
    assert str(error.value) == "Column line_item_unblended_cost occurs 2 times: the file is broken."


def test_only_needed_columns_are_read() -> None:
    raw = table([ON_DEMAND | {"line_item_blended_cost": 1.0, "discount": "x"}])
    names, encoded = normalize.columns(raw.schema)
    assert set(raw.schema.names) - set(names) == {"line_item_blended_cost", "discount"}
    assert set(names) - set(encoded) == {
        name
        for name in names
        if not (
            pa.types.is_string(raw.schema.field(name).type)
            or pa.types.is_map(raw.schema.field(name).type)
        )
    }
    flat = legacy_parquet([ON_DEMAND])
    assert "resource_tags_user_environment" in normalize.columns(flat.schema)[1]
    names, encoded = normalize.columns(focus([FOCUS_ROW]).schema)
    assert set(FOCUS_ROW) - set(names) == {"x_service_code", "x_usage_type"}
    assert {"tags", "charge_category"} <= set(encoded)


def test_no_rows_are_no_rows_of_the_whole_shape() -> None:
    empty = table([ON_DEMAND]).slice(0, 0)
    assert normalize.normalize(empty, CONTEXT).shape == (0, len(ON_DEMAND_COST))
    without_chunks = pa.schema(empty.schema).empty_table()
    assert normalized(without_chunks) == []
    assert MAP.equals(without_chunks.schema.field("resource_tags").type)

"""The one description of the published tables."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from pipelines.core.registry import tables
from pipelines.tables.ddl import column_block
from pipelines.tables.raw_lists import RAW_LISTS
from pipelines.tables.schema import (
    COSTS,
    DELIVERIES,
    arrow_of,
    arrow_schema,
    cost_columns,
    deliveries_schema,
    tag_column_name,
)

SHAPE = """
    provider_name publisher_name invoice_issuer_name invoice_id
    billing_account_id billing_account_name
    sub_account_id sub_account_name
    billing_period_start billing_period_end charge_period_start charge_period_end
    charge_category charge_class charge_description charge_frequency service_category service_name
    sku_id sku_price_id region_id region_name availability_zone resource_id resource_name
    resource_type
    consumed_quantity consumed_unit pricing_quantity pricing_unit pricing_category
    billed_cost effective_cost list_cost contracted_cost billing_currency
    commitment_discount_id commitment_discount_type commitment_discount_category
    commitment_discount_status
    tags {tags}
    x_cost_categories x_account_tags x_billing_entity x_commitment_family x_commitment_end
    x_usage_date x_source x_partition x_line_item_type x_credit_amount x_credits
    x_currency_rate_usd x_billed_cost_usd x_effective_cost_usd x_fingerprint x_dlt_load_id
"""


def shape(tags: str = "") -> list[str]:
    return SHAPE.format(tags=tags).split()


def test_the_cost_shape_has_these_columns_in_this_order() -> None:
    assert [column.name for column in COSTS] == shape()


def test_tag_columns_follow_the_map_of_tags() -> None:
    columns = cost_columns(["Environment", "Cost Center"])
    assert [column.name for column in columns] == shape("tag_environment tag_cost_center")
    assert {column.type for column in columns if column.name.startswith("tag_")} == {"text"}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("Environment", "tag_environment"),
        ("Cost Center", "tag_cost_center"),
        ("user:Cost Center", "tag_cost_center"),
        ("user_team", "tag_team"),
        ("it's", "tag_it_s"),
        ("a-b", "tag_a_b"),
        ("Équipe", "tag_equipe"),
        ("  2nd  ", "tag_2nd"),
    ],
)
def test_a_tag_key_gives_a_name_that_needs_no_quotes(key: str, name: str) -> None:
    assert tag_column_name(key) == name


def test_two_tag_keys_with_one_column_name_are_refused() -> None:
    with pytest.raises(ValueError) as error:
        cost_columns(["Team", "a-b", "a_b"])
    assert str(error.value) == (
        "The tag keys 'a-b' and 'a_b' both give the column tag_a_b. Keep one of them in"
        " tag_columns."
    )


@pytest.mark.parametrize("key", ["", "user:", "環境", "--"])
def test_a_tag_key_without_a_usable_character_is_refused(key: str) -> None:
    with pytest.raises(ValueError) as error:
        tag_column_name(key)
    assert str(error.value) == (
        f"The tag key {key!r} has no letter or digit that a column name can hold."
        " Take it out of tag_columns; it stays in the map `tags`."
    )


def test_types_and_nulls_are_the_declared_ones() -> None:
    fields = {field.name: (field.type, field.nullable) for field in arrow_schema(["Team"])}
    assert fields["provider_name"] == (pa.string(), False)
    assert fields["billed_cost"] == (pa.float64(), True)
    assert fields["charge_period_start"] == (pa.timestamp("us", tz="UTC"), True)
    assert fields["x_usage_date"] == (pa.date32(), True)
    assert fields["tags"] == (pa.map_(pa.string(), pa.string()), False)
    assert fields["tag_team"] == (pa.string(), True)


def test_columns_of_ours_begin_with_x_and_the_others_have_a_focus_name() -> None:
    assert [c.name for c in COSTS if (c.focus is None) != c.name.startswith("x_")] == []
    assert [c.name for c in COSTS if c.focus and c.focus.lower() != c.name.replace("_", "")] == []


def test_every_column_says_what_it_means() -> None:
    assert [c.name for c in (*COSTS, *DELIVERIES) if not c.meaning.endswith(".")] == []


def test_the_history_of_deliveries_has_these_columns() -> None:
    assert [(field.name, str(field.type)) for field in deliveries_schema()] == [
        ("word", "string"),
        ("partition", "string"),
        ("fingerprint", "string"),
        ("files", "int64"),
        ("bytes", "int64"),
        ("rows", "int64"),
        ("billed", "double"),
        ("effective", "double"),
        ("billing_currency", "string"),
        ("recipe", "string"),
        ("delivered_at", "timestamp[us, tz=UTC]"),
        ("published_at", "timestamp[us, tz=UTC]"),
        ("load_id", "string"),
        ("read_seconds", "double"),
        ("stage_seconds", "double"),
        ("normalise_seconds", "double"),
        ("publish_seconds", "double"),
        ("read_bytes", "int64"),
        ("written_bytes", "int64"),
        ("cpu_seconds", "double"),
    ]


def test_the_description_is_usable_without_pandas() -> None:
    code = "import sys, pipelines.tables.schema; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_raw_list_declares_what_its_source_lands() -> None:
    lists = {
        entry.raw_table.clickhouse_name: entry.checked()
        for entry in tables()
        if entry.raw_table.raw_only or entry.raw_table.clickhouse_name in RAW_LISTS
    }
    declared = {
        name: [(column.name, str(arrow_of([column]).field(0).type)) for column in each.fields]
        for name, each in RAW_LISTS.items()
    }
    assert declared == {
        name: [(field.name, str(field.type)) for field in schema] for name, schema in lists.items()
    }


def test_a_block_of_columns_is_what_create_table_takes() -> None:
    assert column_block("fx_rates", ()).splitlines() == [
        "`rate_date` Date32 comment 'The day of the rate.',",
        "    `currency` LowCardinality(String) comment"
        " 'ISO 4217; EUR has the rate 1 on every day with any rate.',",
        "    `units_per_eur` Decimal(38, 9) comment 'Units of the currency for one euro.',",
        "    `rate_source` LowCardinality(String) comment"
        " 'ECB, or manual for sql/fx_rates.csv, which takes precedence.'",
    ]


def test_a_table_without_declared_columns_is_named() -> None:
    with pytest.raises(ValueError) as error:
        column_block("normalized_azure", ())
    assert str(error.value) == (
        "No columns are declared for normalized_azure. Add them to pipelines/tables."
    )

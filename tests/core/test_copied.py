"""Columns that are declared as copied: what is wrong with a line is said, and each rule's SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.tables.copied import PROVIDERS, copied, select_list

EVERY_FILE = sorted(
    str(path.relative_to(PROVIDERS).with_suffix("")) for path in PROVIDERS.glob("*/columns*.csv")
)


@pytest.mark.parametrize("name", EVERY_FILE)
def test_every_file_is_read_and_declares_no_column_twice(name: str) -> None:
    targets = [each.target.name for each in copied(name)]
    assert len(targets) == len(set(targets)) > 4


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("sub_account,text,project_id", "'sub_account' is not a column of its normalised table"),
        ("sku_id,text,sku_id\nsku_id,text,other", "sku_id is declared twice"),
        (
            "sku_id,copy,sku_id",
            "'copy' is not a rule. Write one of text, number, time, literal, lookup, tag, null",
        ),
        ("sku_id,number,sku_id", "number gives a number, but sku_id is a text"),
        ("billed_cost,text,cost", "text gives a text, but billed_cost is a number"),
        ("sku_id,text,", "'' is not an argument of text"),
        ("sku_id,null,sku_id", "'sku_id' is not an argument of null"),
        ("sku_id,literal,it's", '"it\'s" is not an argument of literal'),
        ("sku_id,text", "2 cells instead of target,rule,argument"),
        (
            "service_category,lookup,service_description:gcp_services",
            "write column:file:key or column:file:key:otherwise, of a lookup with service_category",
        ),
        (
            "service_category,lookup,service_description:gcp_regions:region_id:Other",
            "write column:file:key or column:file:key:otherwise, of a lookup with service_category",
        ),
        (
            "service_category,lookup,service_description:gcp_services:service",
            "service_category is never NULL, but lookup can give none",
        ),
        ("provider_name,null,", "provider_name is never NULL, but null can give none"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "gcp" / "columns.csv"
    path.parent.mkdir()
    path.write_text(f"target,rule,argument\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError) as error:
        copied("gcp/columns", tmp_path)
    assert str(error.value) == f"{path}, line {2 + line.count(chr(10))}: {problem}"


def test_a_file_without_its_first_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gcp" / "columns.csv"
    path.parent.mkdir()
    path.write_text("sku_id,text,sku_id\n", encoding="utf-8")
    with pytest.raises(ValueError) as error:
        copied("gcp/columns", tmp_path)
    assert str(error.value) == f"{path}: its first line has to be target,rule,argument"


def test_the_select_of_a_view_has_an_expression_for_each_line() -> None:
    assert select_list("stripe/columns").split(",\n    ") == [
        "id as transaction_id",
        "nullIf(source, '') as source_id",
        "account as account",
        "nullIf(status, '') as status",
        "nullIf(type, '') as type",
        "'stripe' as x_source",
    ]

"""The constants that both twins read."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pipelines.tables import line_items
from tests.support.providers import oracle_aws

LOOKUPS = Path(__file__).parents[2] / "pipelines" / "tables" / "lookups"


def lookup_rows(name: str) -> list[dict[str, str]]:
    with (LOOKUPS / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


FOCUS_SERVICE_CATEGORIES = {
    "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases",
    "Developer Tools", "Multicloud", "Identity", "Integration", "Internet of Things",
    "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security",
    "Storage", "Web", "Other",
}  # fmt: skip


def test_services_have_categories_of_the_focus_specification() -> None:
    rows = lookup_rows("aws_services.csv")
    assert {row["service_category"] for row in rows} - FOCUS_SERVICE_CATEGORIES == set()
    assert len({row["product_code"] for row in rows}) == len(rows) >= 80
    assert [row for row in rows if not all(row.values())] == []


def test_regions_have_names() -> None:
    rows = lookup_rows("aws_regions.csv")
    assert len({row["region_id"] for row in rows}) == len(rows) >= 38
    assert [row for row in rows if not all(row.values())] == []


def test_lines_of_every_kind_are_classified_as_the_oracle_does() -> None:
    assert {
        row["line_item_type"]: (row["charge_category"], row["charge_frequency"])
        for row in lookup_rows("aws_line_items.csv")
    } == {
        kind: (category, oracle_aws.frequency(kind))
        for kind, category in oracle_aws.CATEGORIES.items()
    }


def test_an_amount_that_is_not_in_the_vocabulary_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "aws_line_items.csv"
    file.write_text("line_item_type,effective\nTax,net\nUsage,public|nett\n")
    with pytest.raises(ValueError) as error:
        line_items.amounts("effective", file)
    assert str(error.value) == (
        "aws_line_items.csv, line 3: effective is 'nett'. Write one of net, gross, 0, public, "
        "reserved, covered, unused_reservation, unused_commitment, net_unless_reserved, "
        "net_unless_purchase, or several with | between them."
    )

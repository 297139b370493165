"""How much a partition may lose when it is loaded again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.core.partition import ConfigurationError, Delivery, Kept
from pipelines.core.shrinking import max_shrink, refuse_shrunk
from pipelines.tables.raw_tables import RAW_TABLES

pytestmark = pytest.mark.usefixtures("guarded")

MOMENT = datetime(2026, 11, 1, tzinfo=UTC)


def delivery(source_name: str, rows: int) -> Delivery:
    return Delivery(source_name, "2026-10", "f00d", rows, 1, MOMENT, MOMENT, "1", "form", ())


def is_kept(before: int, after: int, source_name: str = "aws") -> bool:
    try:
        refuse_shrunk(RAW_TABLES[source_name], delivery(source_name, after), {"2026-10": before})
    except Kept:
        return True
    return False


def test_half_of_the_rows_may_go_and_no_more() -> None:
    assert [is_kept(10, after) for after in (0, 4, 5, 10, 11)] == [True, True, False, False, False]
    assert is_kept(0, 0) is False
    assert is_kept(1, 0) is True


def test_the_share_is_a_matter_of_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__MAX_SHRINK", "0.2")
    monkeypatch.setenv("SOURCES__GCP__MAX_SHRINK", "1")
    assert (is_kept(10, 7), is_kept(10, 8), is_kept(10, 0, "gcp")) == (True, False, False)
    monkeypatch.setenv("SOURCES__AWS__MAX_SHRINK", "20")
    with pytest.raises(ConfigurationError, match=r"sources\.aws\.max_shrink is 20"):
        max_shrink("aws")


def test_a_list_of_what_there_is_now_may_become_empty() -> None:
    assert is_kept(10, 0, "stripe_products") is False


def test_what_is_kept_names_the_rows_and_the_option() -> None:
    with pytest.raises(Kept) as kept:
        refuse_shrunk(RAW_TABLES["aws"], delivery("aws", 3), {"2026-10": 1200})
    assert "aws 2026-10: 1,200 rows are published, and the provider now has 3." in str(kept.value)
    assert "load aws --from 2026-10 --to 2026-10 --accept-shrunk" in str(kept.value)

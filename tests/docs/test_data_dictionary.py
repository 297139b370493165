"""docs/columns.md says what the schema says."""

from __future__ import annotations

from scripts.docs.data_dictionary import PAGE, page


def test_the_data_dictionary_is_made_from_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()

"""docs/columns.md says what the schema says."""

from __future__ import annotations

from scripts.docs.data_dictionary import PAGE, RULES, page, rules


def test_the_data_dictionary_is_made_from_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_table_of_line_items_is_made_from_their_lookup() -> None:
    assert RULES.read_text(encoding="utf-8") == rules()

"""Random AWS lines, compared with the row-by-row oracle."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.providers.aws import normalize
from tests.support.providers import oracle_aws
from tests.support.providers.random_aws import LINES, OPTIONAL
from tests.support.providers.raw_aws import CARRIED, TAGS, Row, normalized, table
from tests.support.tiers import examples


def assert_as_the_oracle(raw: pa.Table, rows: list[Row]) -> None:
    wanted = [row | CARRIED for row in oracle_aws.normalize_rows(rows, TAGS)]
    found = normalized(raw)
    assert [row for row in zip(found, wanted, strict=True) if not oracle_aws.is_same(*row)] == []


@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, min_size=1, max_size=12), st.sets(st.sampled_from(OPTIONAL), max_size=6))
def test_random_lines_come_out_as_the_oracle_says(rows: list[Row], missing: set[str]) -> None:
    kept = [{name: row[name] for name in row if name not in missing} for row in rows]
    assert_as_the_oracle(table(kept), kept)


@pytest.mark.thorough
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, min_size=2, max_size=12), st.data())
def test_slices_and_chunks_do_not_change_a_line(rows: list[Row], data: st.DataObject) -> None:
    raw = table(rows)
    cut = data.draw(st.integers(0, len(rows)))
    kind = raw.schema.get_field_index("line_item_line_item_type")
    encoded = raw.set_column(
        kind, raw.field(kind).name, raw.column(kind).combine_chunks().dictionary_encode()
    )
    assert_as_the_oracle(encoded.slice(cut), rows[cut:])
    assert_as_the_oracle(raw.slice(0, cut), rows[:cut])
    assert_as_the_oracle(
        pa.concat_tables([raw.slice(cut), raw.slice(0, cut)]), rows[cut:] + rows[:cut]
    )


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, min_size=1, max_size=20))
def test_what_is_billed_is_what_the_raw_lines_say(rows: list[Row]) -> None:
    raw = [
        oracle_aws.net_or_gross(row, "line_item_net_unblended_cost", "line_item_unblended_cost")
        for row in rows
        if row["line_item_operation"] not in normalize.SPLIT_COST_ROWS
    ]
    found = [row["billed_cost"] for row in normalized(table(rows))]
    wanted = float(sum(cost for cost in raw if cost is not None))
    assert sum(cost for cost in found if cost is not None) == pytest.approx(wanted, abs=1e-8)

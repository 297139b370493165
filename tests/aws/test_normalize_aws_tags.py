"""Tags: prefixes, doubled and hostile keys, flat columns, and the columns of configured keys."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from pipelines.normalize.batches import file_schema
from pipelines.normalize.columns import Raw
from pipelines.normalize.tags import delivered, stripped
from pipelines.providers.aws import normalize
from pipelines.tables.schema import Context, arrow_schema
from tests.support.providers.raw_aws import MAP, legacy_csv, legacy_parquet, line, table

Pairs = list[tuple[str, str]]


def published(raw: pa.Table, keys: Sequence[str] = ()) -> list[dict[str, object]]:
    context = Context("2026-10", "f00d", "1.1", tuple(keys))
    costs = pa.Table.from_pandas(normalize.normalize(raw, context), preserve_index=False)
    rows: list[dict[str, object]] = costs.cast(file_schema(arrow_schema(keys))).to_pylist()
    return rows


def tagged(*maps: Pairs | None) -> pa.Table:
    return table([line("Usage", 1.0, resource_tags=pairs) for pairs in maps])


def tags(raw: pa.Table) -> list[object]:
    return [row["tags"] for row in published(raw)]


def tag(key: str, *maps: Pairs | None) -> list[object]:
    """The column of the configured key `key`, one value per map."""
    (name,) = set(file_schema(arrow_schema([key])).names) - set(file_schema(arrow_schema([])).names)
    return [row[name] for row in published(tagged(*maps), [key])]


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("user:Team", "Team"),
        ("user_team", "team"),
        ("user:Cost Center", "Cost Center"),
        ("user:it's", "it's"),
        ("user:a-b", "a-b"),
        ("user:ключ", "ключ"),
        ('user:"quoted"\\', '"quoted"\\'),
        ("user:user:Team", "user:Team"),
        ("aws:createdBy", "aws:createdBy"),
        ("aws_created_by", "aws_created_by"),
        ("username", "username"),
        ("User:Team", "User:Team"),
        ("user:", ""),
        ("", ""),
    ],
)
def test_a_key_loses_the_prefix_of_users_once(raw: str, key: str) -> None:
    assert tags(tagged([(raw, "x")])) == [[(key, "x")]]


def test_keys_that_look_alike_stay_apart() -> None:
    pairs = [("user:a-b", "1"), ("user:a_b", "2"), ("user:A-b", "3"), ("user:a b", "4")]
    assert tags(tagged(pairs)) == [[("a-b", "1"), ("a_b", "2"), ("A-b", "3"), ("a b", "4")]]


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ([("Team", "plain"), ("user:Team", "mine")], [("Team", "mine")]),
        ([("user:Team", "mine"), ("Team", "plain")], [("Team", "mine")]),
        ([("user:Team", "1"), ("user_Team", "2")], [("Team", "1")]),
        ([("Team", "1"), ("Team", "2")], [("Team", "1")]),
        ([("", "1"), ("user:", "2"), ("b", "3")], [("", "2"), ("b", "3")]),
        (
            [("a", "1"), ("Team", "2"), ("user_Team", ""), ("b", "3")],
            [("a", "1"), ("Team", ""), ("b", "3")],
        ),
    ],
)
def test_of_two_keys_that_become_one_the_users_own_stays(raw: Pairs, kept: Pairs) -> None:
    assert tags(tagged([("z", "0")], raw, None, raw)) == [[("z", "0")], kept, [], kept]


def test_doubles_are_found_among_very_many_keys() -> None:
    many = [[(f"user:k{at}", "x")] for at in range(5000)]
    doubled = [("Team", "plain"), ("user:Team", "mine")]
    assert tags(tagged(*many, doubled))[-1] == [("Team", "mine")]


def test_a_line_without_a_map_has_an_empty_one() -> None:
    assert tags(tagged(None, [], [("user:a", "1")], None)) == [[], [], [("a", "1")], []]


def test_an_empty_value_stays_in_the_map_and_is_null_in_its_column() -> None:
    rows = published(tagged([("user:Team", "")]), ["Team"])
    assert [(row["tags"], row["tag_team"]) for row in rows] == [([("Team", "")], None)]


@pytest.mark.parametrize(
    ("pairs", "value"),
    [
        ([("user:Team", "a")], "a"),
        ([("user_team", "a")], "a"),
        ([("TEAM", "a")], "a"),
        ([("user:team", "lower"), ("user:Team", "exact")], "exact"),
        ([("user:TEAM", "first"), ("user:team", "second")], "first"),
        ([("user:Team", ""), ("user:team", "lower")], None),
        ([("user:Teams", "a"), ("aws:Team", "b")], None),
        ([], None),
        (None, None),
    ],
)
def test_a_configured_key_finds_its_tag(pairs: Pairs | None, value: str | None) -> None:
    assert tag("Team", [("z", "0")], pairs, None) == [None, value, None]
    assert tag("user:Team", pairs) == [value]


@pytest.mark.parametrize("key", ["Cost Center", "it's", "a-b", "Équipe"])
def test_a_hostile_key_can_be_configured(key: str) -> None:
    hostile = [(f"user:{key.upper()}", "x"), ("user:a_b", "other")]
    assert tag(key, hostile, [("user:a_b", "y")]) == ["x", None]


def test_the_name_of_a_resource_is_its_name_tag() -> None:
    raw = tagged([("user:Name", "web")], [("user_name", "db")], [("user:Name", "")], None)
    assert [row["resource_name"] for row in published(raw)] == ["web", "db", None, None]


def test_flat_columns_give_the_map_of_what_is_set() -> None:
    rows = [
        line("Usage", 1.0, resource_tags=[("user_cost_center", "7"), ("aws_created_by", "root")]),
        line("Usage", 1.0, resource_tags=[("user_team", "a"), ("user_cost_center", "")]),
        line("Usage", 1.0),
        line("Usage", 1.0, resource_tags=[("user_team", "b"), ("user_cost_center", "8")]),
    ]
    found = published(legacy_parquet(rows), ["Team", "cost_center"])
    assert [(row["tags"], row["tag_team"], row["tag_cost_center"]) for row in found] == [
        ([("cost_center", "7"), ("aws_created_by", "root")], None, "7"),
        ([("team", "a")], "a", None),
        ([], None, None),
        ([("cost_center", "8"), ("team", "b")], "b", "8"),
    ]


def test_keys_of_a_csv_report_survive_as_they_are() -> None:
    pairs = [("user:Cost Center", "7"), ("user:it's", "x"), ("aws:createdBy", "root")]
    found = published(legacy_csv([line("Usage", 1.0, resource_tags=pairs)]), ["Cost Center"])
    assert [(row["tags"], row["tag_cost_center"]) for row in found] == [
        ([("Cost Center", "7"), ("it's", "x"), ("aws:createdBy", "root")], "7")
    ]


def test_a_report_without_tags_has_empty_maps() -> None:
    assert tags(table([line("Usage", 1.0)])) == [[]]


def test_a_sliced_table_has_the_tags_of_its_rows() -> None:
    raw = tagged([("a", "0")], None, [("user:Team", "1"), ("b", "2")], [], [("user:Team", "3")])
    rows = published(raw.slice(1, 3), ["Team"])
    assert [(row["tags"], row["tag_team"]) for row in rows] == [
        ([], None),
        ([("Team", "1"), ("b", "2")], "1"),
        ([], None),
    ]


def test_entries_that_a_null_row_hides_do_not_come_back() -> None:
    keys, values = pa.array(["user:Team", "a", "user:Team"]), pa.array(["hidden", "b", "c"])
    column = pa.MapArray.from_arrays(pa.array([0, 1, 3], pa.int32()), keys, values)
    masked = pa.Array.from_buffers(
        MAP, 2, [pa.py_buffer(b"\x02"), column.buffers()[1]], children=[column.values]
    )
    raw = Raw(pa.table({"resource_tags": masked}))
    assert masked.to_pylist() == [None, [("a", "b"), ("user:Team", "c")]]
    assert stripped(delivered(raw, "resource_tags", "-")).map().to_pylist() == [
        [],
        [("a", "b"), ("Team", "c")],
    ]
    assert len(stripped(delivered(raw, "resource_tags", "-")).row) == 2

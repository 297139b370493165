"""What sources declare of themselves: source.toml and shape.csv, and the error for a wrong one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from pipelines.tables.own_shapes import own_shape
from pipelines.tables.privacy import KEEP, pseudonym
from pipelines.tables.raw_tables import LINKED, RAW_TABLES
from pipelines.tables.schema import Column
from pipelines.tables.sources import (
    COST_SOURCES,
    PROVIDERS,
    SOURCE_NAMES,
    ListDeclaration,
    SourceDeclaration,
    read,
)

GOOD = {
    "dataset": '"moon"',
    "table": '"bill"',
    "partition": '"month"',
    "row": '"line"',
    "version": "1",
}
KNOWN = {"aws", "gcp", "stripe", "fx", "deribit", "clickhouse", "focus"}
HEAD = "column,type,nullable,many,privacy,meaning"
OURS = (
    "x_source,text,,,keep,The word.\nx_partition,text,,yes,shift,The month.\n"
    "x_fingerprint,text,,,pseudonym:delivery,The delivery.\nx_dlt_load_id,text,,,keep,The load.\n"
)


def known(names: Iterable[str]) -> list[str]:
    """The names that this file knows; another source has tests of its own."""
    return [name for name in names if name.partition("_")[0] in KNOWN]


def declared(folder: Path, changes: Mapping[str, str | None], more: str = "") -> SourceDeclaration:
    """The source moon as a file with these keys declares it."""
    keys = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    (folder / "moon").mkdir()
    lines = [f"{name} = {value}" for name, value in keys.items()]
    (folder / "moon" / "source.toml").write_text("\n".join([*lines, more]))
    return read("moon", folder)


def test_a_source_is_what_its_file_says(tmp_path: Path) -> None:
    lists = '[[lists]]\ntable = "craters"\npartition = "day"\nreader = "craters"\nrow = "crater"'
    assert declared(tmp_path, {"needs": '["url"]', "daily": "true"}, lists) == SourceDeclaration(
        name="moon",
        dataset="moon",
        table="bill",
        partition="month",
        row="line",
        version=1,
        needs=("url",),
        daily=True,
        lists=(ListDeclaration("craters", "day", "craters", "crater"),),
    )


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"colour": '"grey"'}, "unknown key colour"),
        ({"name": '"moon"'}, "unknown key name"),
        ({"table": None, "row": None}, "missing key table, row"),
        ({"version": '"1"'}, "version has to be of type int"),
        ({"needs": '"url"'}, "needs has to be of type tuple"),
        ({"shape": '"round"'}, "shape has to be one of costs, own"),
        ({"version": "one"}, r"source\.toml: "),
    ],
)
def test_a_wrong_declaration_is_named(
    changes: dict[str, str | None], what: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=what):
        declared(tmp_path, changes)


def test_a_wrong_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lists: missing key partition, reader, row"):
        declared(tmp_path, {}, '[[lists]]\ntable = "craters"')


def test_every_folder_with_a_declaration_is_a_source() -> None:
    """Make reads the folders, everything else the names."""
    assert sorted(path.parent.name for path in PROVIDERS.glob("*/source.toml")) == sorted(
        SOURCE_NAMES
    )


def test_raw_tables_lists_and_unions_come_from_the_declarations() -> None:
    assert known(RAW_TABLES) == [
        "aws",
        "aws_cost_explorer",
        "aws_invoices",
        "gcp",
        "gcp_month_totals",
        "stripe",
        *(
            f"stripe_{name}"
            for name in (
                "balances products prices subscriptions invoices payouts payout_transactions "
                "month_totals"
            ).split()
        ),
        "fx",
        "deribit",
        *(
            f"deribit_{name}"
            for name in "instruments volatility_index funding_rates newest_numbers".split()
        ),
        "clickhouse_cloud",
        "focus",
    ]
    assert known(COST_SOURCES) == ["aws", "gcp", "clickhouse_cloud", "focus"]
    assert LINKED == {"costs": COST_SOURCES, "trades": ("deribit",)}


def shape(folder: Path, *lines: str, end: str = OURS) -> tuple[Column, ...]:
    """The shape of moon with these lines."""
    (folder / "moon").mkdir()
    (folder / "moon" / "shape.csv").write_text("\n".join([*lines, end]))
    return own_shape("moon", folder)


def test_a_shape_is_what_its_file_says(tmp_path: Path) -> None:
    line = 'crater,text,yes,yes,pseudonym:crater,"Its name, if any."'
    found = shape(tmp_path, HEAD, line)
    assert found[0] == Column(
        "crater", "text", True, "Its name, if any.", privacy=pseudonym("crater"), many=True
    )
    assert found[1] == Column("x_source", "text", False, "The word.", privacy=KEEP)
    assert len(found) == 5


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["column,type"], "its first line has to be column,type,nullable"),
        ([HEAD, "a,text,,,keep"], "line 2: 5 cells"),
        ([HEAD, "a,word,,,keep,A."], "line 2: 'word' is not a type"),
        ([HEAD, "a,text,no,,keep,A."], "line 2: nullable and many"),
        ([HEAD, "a,text,,,show,A."], "line 2: 'show' is not a rule of privacy"),
        ([HEAD, "a,text,,,pseudonym:,A."], "line 2: 'pseudonym:' is not a rule of privacy"),
        ([HEAD, "a,text,,,keep,"], "line 2: say what"),
        ([HEAD, "a,text,,,keep,A.", "a,text,,,keep,A."], "each column once"),
    ],
)
def test_a_wrong_line_of_a_shape_is_named(lines: list[str], what: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=what):
        shape(tmp_path, *lines)


def test_a_shape_ends_with_our_columns(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the last ones are x_source"):
        shape(tmp_path, HEAD, "a,text,,,keep,A.", end="")

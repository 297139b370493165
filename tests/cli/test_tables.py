"""Tables fit the terminal: no number and no short word is broken over lines, at any width."""

from __future__ import annotations

from rich.console import Console

from pipelines.cli.output.tables import table

COLUMNS = ("provider", "billed USD", "note [x]")
ROWS = [
    ("Google Cloud", 1_234_567.891, "arn:aws:s3:::bucket"),
    ("AWS", -0.5, None),
]


def lines(width: int, whole: tuple[str, ...] = ()) -> list[str]:
    """What is printed on a terminal of this width."""
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(table("Cost [USD]", COLUMNS, ROWS, whole=whole))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_wide_terminal_has_lines_between_columns() -> None:
    assert lines(80) == [
        "Cost [USD]",
        "┏━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┓",
        "┃ provider     ┃   billed USD ┃ note [x]            ┃",
        "┡━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━┩",
        "│ Google Cloud │ 1,234,567.89 │ arn:aws:s3:::bucket │",
        "│ AWS          │        -0.50 │                     │",
        "└──────────────┴──────────────┴─────────────────────┘",
    ]


def test_words_go_to_the_next_line_before_the_lines_between_columns_go() -> None:
    assert lines(49)[2:6] == [
        "┃ provider ┃   billed USD ┃ note [x]            ┃",
        "┡━━━━━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━┩",
        "│ Google   │ 1,234,567.89 │ arn:aws:s3:::bucket │",
        "│ Cloud    │              │                     │",
    ]


def test_a_narrow_terminal_has_no_lines_between_columns() -> None:
    assert lines(43) == [
        "Cost [USD]",
        "provider    billed USD  note [x]",
        "Google    1,234,567.89  arn:aws:s3:::bucket",
        "Cloud",
        "AWS              -0.50",
    ]


def test_where_that_is_too_wide_a_rows_values_stand_below_each_other() -> None:
    expected = [
        "Cost [USD]",
        "provider    Google Cloud",
        "billed USD  1,234,567.89",
        "note [x]    arn:aws:s3:::bucket",
        "",
        "provider    AWS",
        "billed USD  -0.50",
        "note [x]",
        "",
    ]
    assert lines(42) == expected
    assert lines(44, whole=("provider",)) == expected


def test_no_value_is_broken_at_any_width() -> None:
    for width in range(34, 90):
        shown = lines(width)
        assert max(map(len, shown)) <= width
        for value in ("1,234,567.89", "-0.50", "arn:aws:s3:::bucket"):
            assert any(value in line for line in shown), width

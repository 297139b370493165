"""Write into CLICKHOUSE_SETUP.md what the code knows: raw tables, and what a server refuses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pipelines.clickhouse.server.refusals import PASSING, REFUSALS
from pipelines.streaming.topics import TOPICS
from pipelines.tables.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "CLICKHOUSE_SETUP.md"
_HEAD = "| in database `dlt` | one row per |\n|---|---|\n"
_NEXT = "| `normalized_"
_REFUSED = "| code | a refusal reads | fix | tried again |\n|---|---|---|---|\n"


def _rows() -> Iterator[tuple[str, str]]:
    """Each raw table's name in ClickHouse, and what a row of it is."""
    for source in SOURCES.values():
        yield f"`{source.dataset}__{source.table}`", source.row
        for each in source.lists:
            yield f"`{source.dataset}__{each.table}`", each.row
    for topic in TOPICS.values():
        yield f"`{topic.table}`", "live trade, written by the sink: docs/streaming.md"
        yield f"`{topic.dead}`", "record that the sink could not read"


def page() -> str:
    """The whole page, with the list as it has to be; tables with one meaning share a line."""
    text = _with_refusals(PAGE.read_text(encoding="utf-8"))
    before, head, rest = text.partition(_HEAD)
    _, following, after = rest.partition(_NEXT)
    lines = "".join(
        f"| {', '.join(name for name, _ in rows)} | {row} |\n"
        for row, rows in groupby(_rows(), key=lambda each: each[1])
    )
    return f"{before}{head}{lines}{following}{after}"


def _with_refusals(text: str) -> str:
    """The table of refusals; codes with one meaning share a line."""
    before, head, rest = text.partition(_REFUSED)
    after = rest[rest.index("\n\n") :] if "\n\n" in rest else ""
    codes: dict[tuple[str, str, bool], list[int]] = {}
    for code, problem in sorted(REFUSALS.items()):
        what = problem.what.removesuffix(": {detail}")
        codes.setdefault((what, problem.fix, code in PASSING), []).append(code)
    lines = [
        f"| {', '.join(map(str, codes))} | {what} | {fix} | {'yes' if again else ''} |"
        for (what, fix, again), codes in codes.items()
    ]
    return before + head + "\n".join(lines).format(user="loader") + after


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

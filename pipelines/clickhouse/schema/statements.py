"""The statements of sql/*.sql, in order, with their placeholders filled in (…/rendering.py)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.clickhouse.schema.rendering import SQL, render

_CREATED = re.compile(
    r"create (?:or replace )?(?P<kind>database|table|materialized view|view)"
    r"(?: if not exists)? `?(?P<name>\w+|\{database\})",
    re.IGNORECASE,
)
_VIEW = re.compile(
    r"materialized view if not exists (\w+)\s+to \{target:(\w+)\} as\s", re.IGNORECASE
)
_RAW = re.compile(r"\{raw:(\w+)\}")
_LAYOUT = re.compile(r"^-- form: (.+)$", re.MULTILINE)

LIVE_TRADES = """deribit__live_trades final
    where
        trade_date not in (
            select x_partition from normalized_deribit
            where x_fingerprint like 'closed-%'
            group by x_source, x_partition, x_fingerprint
        )
        and (instrument_name, trade_seq) not in (
            select instrument_name, trade_seq from normalized_deribit
            where x_partition in (select trade_date from deribit__live_trades)
        )"""
"""A day that the batch has proved is the batch's. `final` merges a trade that came twice.

With the view's own read of normalized_deribit that is two: a query sees one state of a table
(`enable_shared_storage_snapshot_in_query`, 1 by default since ClickHouse 25.12).
"""


@dataclass(frozen=True)
class View:
    """A materialized view: its select, with the table that it reads as a parameter.

    `layout`: it only makes rows of deliveries with this x_form, by a line `-- form: CUR` before it.
    """

    name: str
    target: str
    raw: str
    layout: str
    before: str
    after: str

    def select(self, raw: str = "") -> str:
        """The select over its own raw table, or over a substitute such as a staging table."""
        return f"{self.before}{raw or self.raw}{self.after}"

    @property
    def text(self) -> str:
        """The `create materialized view` statement."""
        head = f"create materialized view if not exists {self.name} to {self.target} as"
        return f"{head}\n{self.select()}"

    @property
    def comment(self) -> str:
        """By which a server's view is known to be this one."""
        digest = hashlib.sha256(self.select().encode()).hexdigest()[:16]
        return f"Normalises {self.raw}; rules {digest}."


@dataclass(frozen=True)
class Statement:
    """One statement: its file, what it creates, its text, and its view if it creates one."""

    file: str
    kind: str
    name: str
    text: str
    view: View | None = None

    @property
    def is_mart(self) -> bool:
        """Whether it is for a mart of sql/marts."""
        return self.file.startswith("marts/")


def statements(
    database: str, tag_columns: Sequence[str], folder: Path = SQL
) -> Iterator[Statement]:
    """Every statement of the folder, by file name, then one for each of its marts.

    Raises ValueError when one creates nothing.
    """
    for path in sorted(folder.glob("[0-9]*.sql")):
        for raw in _split(path.read_text(encoding="utf-8")):
            found = _CREATED.search(raw)
            if not found:
                raise ValueError(f"{path.name}: no create statement in: {raw.strip()[:80]}")
            kind, name = found["kind"].lower(), found["name"].replace("{database}", database)
            view = None
            if kind == "materialized view":
                view = _view(f"{path.name}, {name}", raw, tag_columns, folder)
            if "{live_trades}" in raw:
                live = views_of("deribit__trades", tag_columns, folder)[0].select(LIVE_TRADES)
                raw = raw.replace("{live_trades}", live)
            text = view.text if view else render(raw, database, tag_columns, folder)
            yield Statement(path.name, kind, name, text, view)
    for mart in mart_selects(folder, tag_columns):
        kind, text = mart.statement(tag_columns)
        yield Statement(f"marts/{mart.file}", kind, mart.name, text)


def views_of(raw: str, tag_columns: Sequence[str], folder: Path = SQL) -> list[View]:
    """The materialized views that read a raw table."""
    parameter = f"{{raw:{raw}}}"
    return [
        _view(f"{path.name}, {raw}", text, tag_columns, folder)
        for path in sorted(folder.glob("[0-9]*.sql"))
        for text in _split(path.read_text(encoding="utf-8"))
        if parameter in text
    ]


def _view(where: str, text: str, tag_columns: Sequence[str], folder: Path) -> View:
    head, raw = _VIEW.search(text), _RAW.findall(text)
    if not head or len(raw) != 1:
        raise ValueError(
            f"{where}: write it as `create materialized view if not exists … to {{target:…}} as`, "
            "with one `from {raw:…}`"
        )
    before, after = (
        render(part, "", tag_columns, folder) for part in _RAW.split(text[head.end() :])[::2]
    )
    layout = _LAYOUT.search(text)
    return View(head[1], head[2], raw[0], layout[1] if layout else "", before, after)


def _split(text: str) -> list[str]:
    """At semicolons that end a line; comments stay with the statement that follows them."""
    return [part for part in re.split(r";[ \t]*(?:\n|$)", text) if _without_comments(part).strip()]


def _without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)

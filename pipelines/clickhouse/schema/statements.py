"""The statements of sql/*.sql, in order, with their placeholders filled in.

    {database}                   the configured database
    {aws_services:product_code}  a column of tables/lookups/aws_services.csv as an array, with what
                                 `[sources.stripe.categories]` adds
    {tag_value:Name}             sql/macros/tag_value.sql with the argument Name
    {copied:aws/columns}         what a view copies, from pipelines/providers/aws/columns.csv
    {cost_of_line:effective}     a cost of an AWS line by its type, from aws_line_items.csv
    {commitment_family:aws}      the commitments that could pay for a line of AWS's
    {tag_column}                 repeats the line for each configured tag; `each` is the tag's key
    {raw:aws_costs__cur}         in a materialized view: the table it reads, or another like it
    {target:normalized_aws}      the table it feeds
    {columns:normalized_aws}     the columns of a table; {cost_columns} the names of the cost shape
    {published_partitions}, {raw_partitions}  those of every table of tables/raw_tables.py
    {costs}, {newest_days}       the cost lines of every source; the newest day of each
    {settled_day}                the last day that a delivery had time to complete
    {daily_rules}                a digest of the select that makes costs_daily of cost lines
    {source_names}, {daily_sources}  all sources; those whose providers deliver every day
    {reporting_currency}         `[normalize] reporting_currency`, in sql/marts

So a constant or a conversion exists once for both twins. sql/marts/*.sql are portable selects:
views here, computed by DuckDB over local parquet (pipelines/marts/compute.py). In them

    {values:fx_rates}            the rows of sql/fx_rates.csv (clickhouse/schema/values.py)
    {budgets:scoped}             the rows of sql/budgets.csv (clickhouse/schema/budgets.py)
    {team}, {allocation:shared}  the team's column, parts of sql/allocation.csv (…/allocation.py)
    {in_reporting:costs_daily}   the rows with reporting_rate, by sql/macros/in_reporting.sql
    {product:cost}               a line's product by sql/products.csv (…/schema/products.py)
    {stripe_class:ledger}, {stripe_worth:ledger.currency}  by schema/stripe_amounts.py
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dlt

from pipelines.clickhouse.schema.allocation import allocation_of, team_of
from pipelines.clickhouse.schema.budgets import budgets_of
from pipelines.clickhouse.schema.products import product_of
from pipelines.clickhouse.schema.settle import settled_day
from pipelines.clickhouse.schema.stripe_amounts import class_of, worth_of
from pipelines.clickhouse.schema.values import rows_of
from pipelines.clickhouse.server.quoting import quoted
from pipelines.clickhouse.server.settings import for_readers
from pipelines.core.partition import ConfigurationError
from pipelines.tables import commitment_families, daily, line_items, raw_tables
from pipelines.tables.categories import categories
from pipelines.tables.copied import select_list
from pipelines.tables.ddl import column_block
from pipelines.tables.schema import cost_columns, tag_column_name, tag_key

ROOT = Path(__file__).parents[2]
SQL = ROOT.parent / "sql"
LOOKUPS = ROOT / "tables" / "lookups"

_CREATED = re.compile(
    r"create (?:or replace )?(?P<kind>database|table|materialized view|view)"
    r"(?: if not exists)? `?(?P<name>\w+|\{database\})",
    re.IGNORECASE,
)
_VIEW = re.compile(r"materialized view if not exists (\w+) to \{target:(\w+)\} as\s", re.IGNORECASE)
_RAW = re.compile(r"\{raw:(\w+)\}")
_COPIED = re.compile(r"\{copied:([\w/]+)\}")
_LAYOUT = re.compile(r"^-- form: (.+)$", re.MULTILINE)
_OF_SOURCES = {
    "{published_partitions}": raw_tables.published_partitions("toInt64(count())"),
    "{raw_partitions}": raw_tables.raw_partitions(),
    "{costs}": raw_tables.costs(),
    "{newest_days}": raw_tables.newest_days(),
    "{daily_sources}": raw_tables.daily_sources(),
    "{source_names}": raw_tables.source_names(),
}
_OF_CONFIGURATION: Mapping[str, Callable[[Sequence[str]], str]] = {
    "{cost_columns}": lambda keys: ", ".join(f"`{each.name}`" for each in cost_columns(keys)),
    "{settled_day}": lambda _: settled_day(),
    "{daily_rules}": daily.rules,
    "{team}": team_of,
}
_COLUMNS = re.compile(r"( *)\{columns:(\w+)\}(,?)")


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


def statements(
    database: str, tag_columns: Sequence[str], folder: Path = SQL
) -> Iterator[Statement]:
    """Every statement of the folder, by file name, then a view for each of its marts.

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
            text = view.text if view else render(raw, database, tag_columns, folder)
            yield Statement(path.name, kind, name, text, view)
    for mart in mart_selects(folder, tag_columns):
        text = f"create or replace view {mart.name} as\n{for_readers(mart.select)}"
        yield Statement(f"marts/{mart.file}", "view", mart.name, text)


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


@dataclass(frozen=True)
class Mart:
    """A mart that is computed: one portable select, over tables and the marts before it.

    `source_name` is set when it is made of one partition of that source, `is_of_raw` when it
    reads the raw rows of that partition and not the normalised ones.
    """

    file: str
    name: str
    source_name: str
    select: str
    is_of_raw: bool = False


def mart_selects(folder: Path = SQL, tag_columns: Sequence[str] = ()) -> list[Mart]:
    """Every select of sql/marts, by file name: 10_revenue.sql is the mart revenue."""
    found = []
    for path in sorted((folder / "marts").glob("[0-9]*.sql")):
        text = render(path.read_text(encoding="utf-8"), "", tag_columns, folder)
        source = re.search(
            r"^-- made per partition of (\w+)(, from its raw rows)?$", text, re.MULTILINE
        )
        name = path.stem.partition("_")[2]
        # what is portable has no database, and only here is the currency asked for
        select = text.strip().rstrip(";")
        if "{reporting_currency}" in select:
            select = select.replace("{reporting_currency}", reporting_currency())
        found.append(
            Mart(path.name, name, source[1] if source else "", select, bool(source and source[2]))
        )
    return found


def reporting_currency() -> str:
    """`[normalize] reporting_currency`, which revenue is in. Raises ConfigurationError."""
    found = str(dlt.config.get("normalize.reporting_currency", str) or "USD").upper()
    if not re.fullmatch("[A-Z]{3}", found):
        raise ConfigurationError(
            f"normalize.reporting_currency is {found!r}. Set it to an ISO 4217 code, such as USD."
        )
    return found


def render(text: str, database: str, tag_columns: Sequence[str], folder: Path = SQL) -> str:
    """One text with its placeholders filled in."""
    lines = []
    for name, select in _OF_SOURCES.items():
        text = text.replace(name, select)
    for name, made in _OF_CONFIGURATION.items():
        if name in text:
            text = text.replace(name, made(tag_columns))
    text = _COPIED.sub(lambda found: select_list(found[1]), text)
    for line in text.replace("{database}", f"`{database}`").splitlines():
        if found := _COLUMNS.fullmatch(line):
            lines.append(f"{found[1]}{column_block(found[2], tag_columns)}{found[3]}")
            continue
        if "{tag_column}" not in line:
            lines.append(_with_arguments(line, folder))
            continue
        for key in tag_columns:
            named = line.replace("{tag_column}", tag_column_name(key))
            lines.append(_with_arguments(named, folder, each=tag_key(key)))
    return "\n".join(lines)


def _with_arguments(line: str, folder: Path, each: str = "each") -> str:
    """`each` is filled in last, and not searched again: a tag's key may hold braces itself."""
    return re.sub(
        r"\{(\w+):([^}]+)\}",
        lambda found: _filled(found[1], each if found[2] == "each" else found[2], folder),
        line,
    )


def _filled(name: str, argument: str, folder: Path) -> str:
    if fill := _OF_FILES.get(name):
        return fill(argument, folder)
    if fill_alone := _OF_CODE.get(name):
        return fill_alone(argument)
    if name == "stripe_categories":  # those of the configuration, too
        pairs = categories().items()
        values = [pair[argument == "class"] for pair in pairs]
        return "[" + ", ".join(map(quoted, values)) + "]"
    macro = folder / "macros" / f"{name}.sql"
    if macro.exists():
        body = "\n".join(
            line for line in macro.read_text(encoding="utf-8").splitlines() if line[:2] != "--"
        )
        body = body.strip().replace("{argument}", quoted(argument)[1:-1])
        return _with_arguments(body, folder)  # a macro may use others
    with (LOOKUPS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return "[" + ", ".join(quoted(row[argument]) for row in csv.DictReader(lines)) + "]"


def _values(stem: str, folder: Path) -> str:
    """Of budgets those of all cost, which cost_overview compares with."""
    return budgets_of("overall", folder) if stem == "budgets" else rows_of(stem, folder)


_OF_FILES: Mapping[str, Callable[[str, Path], str]] = {
    "values": _values,
    "budgets": budgets_of,
    "allocation": allocation_of,
    "product": product_of,
}
_OF_CODE: Mapping[str, Callable[[str], str]] = {
    "cost_of_line": line_items.expression,
    "commitment_family": lambda _: commitment_families.expression(),
    "stripe_class": class_of,
    "stripe_worth": worth_of,
}


def _split(text: str) -> list[str]:
    """At semicolons that end a line; comments stay with the statement that follows them."""
    return [part for part in re.split(r";[ \t]*(?:\n|$)", text) if _without_comments(part).strip()]


def _without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)

"""The statements of sql/*.sql, in order, with their placeholders filled in.

    {database}                   the configured database
    {aws_services:product_code}  a column of tables/lookups/aws_services.csv as an array
    {tag_value:Name}             sql/macros/tag_value.sql with the argument Name
    {tag_column}                 the line is repeated for every configured tag; in it, the argument
                                 `each` of a macro is the tag's key
    {cost_columns}               the names of the cost shape, in its order
    {reporting_currency}         `[normalize] reporting_currency`, in sql/marts

So a constant, a configured key or a conversion stands once for both twins. sql/marts/*.sql are
portable selects: views here, computed by DuckDB over local parquet (pipelines/marts/compute.py). In
them

    {values:fx_rates}            the rows of sql/fx_rates.csv as a select
    (clickhouse/schema/values.py)
    {product:cost}               a line's product by sql/products.csv
    (clickhouse/schema/products.py)
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dlt

from pipelines.clickhouse.schema.products import product_of
from pipelines.clickhouse.schema.values import rows_of
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import ConfigurationError
from pipelines.tables.schema import cost_columns, tag_column_name, tag_key

ROOT = Path(__file__).parents[2]
SQL = ROOT.parent / "sql"
LOOKUPS = ROOT / "tables" / "lookups"

_CREATED = re.compile(
    r"create (?:or replace )?(?P<kind>database|table|materialized view|view)"
    r"(?: if not exists)? `?(?P<name>\w+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Statement:
    """One statement: the file it stands in, what it creates, its text."""

    file: str
    kind: str
    name: str
    text: str


def statements(
    database: str, tag_columns: Sequence[str], folder: Path = SQL
) -> Iterator[Statement]:
    """Every statement of the folder, by file name, then a view for each of its marts.

    Raises ValueError when one creates nothing.
    """
    for path in sorted(folder.glob("[0-9]*.sql")):
        for raw in _split(path.read_text(encoding="utf-8")):
            text = render(raw, database, tag_columns, folder)
            found = _CREATED.search(text)
            if not found:
                raise ValueError(f"{path.name}: no create statement in: {raw.strip()[:80]}")
            yield Statement(path.name, found["kind"].lower(), found["name"], text)
    for mart in mart_selects(folder, tag_columns):
        text = f"create or replace view {mart.name} as\n{mart.select}"
        yield Statement(f"marts/{mart.file}", "view", mart.name, text)


@dataclass(frozen=True)
class Mart:
    """A mart that is computed: one portable select, over tables and the marts before it.

    `word` is set when it is made of one partition of that word at a time.
    """

    file: str
    name: str
    word: str
    select: str


def mart_selects(folder: Path = SQL, tag_columns: Sequence[str] = ()) -> list[Mart]:
    """Every select of sql/marts, by file name: 10_revenue.sql is the mart revenue."""
    found = []
    for path in sorted((folder / "marts").glob("[0-9]*.sql")):
        text = render(path.read_text(encoding="utf-8"), "", tag_columns, folder)
        word = re.search(r"^-- made per partition of (\w+)", text, re.MULTILINE)
        name = path.stem.partition("_")[2]
        select = _mart_text(text.strip().rstrip(";"), folder)
        found.append(Mart(path.name, name, word[1] if word else "", select))
    return found


def reporting_currency() -> str:
    """`[normalize] reporting_currency`, which revenue is in. Raises ConfigurationError."""
    found = str(dlt.config.get("normalize.reporting_currency", str) or "USD").upper()
    if not re.fullmatch("[A-Z]{3}", found):
        raise ConfigurationError(
            f"normalize.reporting_currency is {found!r}. Set it to a code of ISO 4217, as USD."
        )
    return found


def _mart_text(text: str, folder: Path) -> str:
    """A mart's select with its placeholders filled in; what is portable has no database."""
    if "{reporting_currency}" in text:
        text = text.replace("{reporting_currency}", reporting_currency())
    return "\n".join(_with_arguments(line, folder) for line in text.splitlines())


def render(text: str, database: str, tag_columns: Sequence[str], folder: Path = SQL) -> str:
    """One text with its placeholders filled in."""
    lines = []
    if "{cost_columns}" in text:
        names = ", ".join(f"`{column.name}`" for column in cost_columns(tag_columns))
        text = text.replace("{cost_columns}", names)
    for line in text.replace("{database}", f"`{database}`").splitlines():
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
    if name == "values":
        return rows_of(argument, folder)
    if name == "product":
        return product_of(argument, folder)
    macro = folder / "macros" / f"{name}.sql"
    if macro.exists():
        body = "\n".join(
            line for line in macro.read_text(encoding="utf-8").splitlines() if line[:2] != "--"
        )
        return body.strip().replace("{argument}", quoted(argument)[1:-1])
    with (LOOKUPS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return "[" + ", ".join(quoted(row[argument]) for row in csv.DictReader(lines)) + "]"


def _split(text: str) -> list[str]:
    """At semicolons that end a line; comments stay with the statement that follows them."""
    return [part for part in re.split(r";[ \t]*(?:\n|$)", text) if _without_comments(part).strip()]


def _without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)

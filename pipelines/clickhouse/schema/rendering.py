"""The placeholders of sql/: a constant or a conversion exists once for both twins.

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
    {live_trades}                live trades that the batch has not (…/schema/statements.py)
    {costs}, {newest_days}       the cost lines of every source; the newest day of each
    {settled_day}                the last day that a delivery had time to complete
    {focus:1.2}                  the rows of the FOCUS dataset (clickhouse/focus.py)
    {daily_rules}                a digest of the select that makes costs_daily of cost lines
    {source_names}, {daily_sources}  all sources; those whose providers deliver every day
    {reporting_currency}         `[normalize] reporting_currency`, in sql/marts and sql/checks

and in sql/marts, which are portable selects (clickhouse/schema/marts.py)

    {values:fx_rates}            the rows of sql/fx_rates.csv (clickhouse/schema/values.py)
    {budgets:scoped}             the rows of sql/budgets.csv (clickhouse/schema/budgets.py)
    {team}, {allocation:shared}  the team's column, parts of sql/allocation.csv (…/allocation.py)
    {in_reporting:costs_daily}   the rows with reporting_rate, by sql/macros/in_reporting.sql
    {product:cost}               a line's product by sql/products.csv (…/schema/products.py)
    {stripe_class:ledger}, {stripe_worth:ledger.currency}  by schema/stripe_amounts.py
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import dlt

from pipelines.clickhouse.focus import view_of
from pipelines.clickhouse.schema.allocation import allocation_of, team_of
from pipelines.clickhouse.schema.budgets import budgets_of
from pipelines.clickhouse.schema.products import product_of
from pipelines.clickhouse.schema.settle import settled_day
from pipelines.clickhouse.schema.stripe_amounts import class_of, worth_of
from pipelines.clickhouse.schema.values import rows_of
from pipelines.clickhouse.server.quoting import quoted
from pipelines.core.partition import ConfigurationError
from pipelines.tables import commitment_families, daily, line_items, raw_tables
from pipelines.tables.categories import categories
from pipelines.tables.copied import select_list
from pipelines.tables.ddl import column_block
from pipelines.tables.schema import cost_columns, tag_column_name, tag_key

_ROOT = Path(__file__).parents[2]
SQL = _ROOT.parent / "sql"
_LOOKUPS = _ROOT / "tables" / "lookups"

_COPIED = re.compile(r"\{copied:([\w/]+)\}")
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
_CURRENCY = "{reporting_currency}"
_COLUMNS = re.compile(r"( *)\{columns:(\w+)\}(,?)")


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
    rendered = "\n".join(lines)
    if _CURRENCY in rendered:  # asked for only where it is used
        rendered = rendered.replace(_CURRENCY, reporting_currency())
    return rendered


def reporting_currency() -> str:
    """`[normalize] reporting_currency`, which revenue is in. Raises ConfigurationError."""
    found = str(dlt.config.get("normalize.reporting_currency", str) or "USD").upper()
    if not re.fullmatch("[A-Z]{3}", found):
        raise ConfigurationError(
            f"normalize.reporting_currency is {found!r}. Set it to an ISO 4217 code, such as USD."
        )
    return found


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
    with (_LOOKUPS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return "[" + ", ".join(quoted(row[argument]) for row in csv.DictReader(lines)) + "]"


def _values(stem: str, folder: Path) -> str:
    """Of budgets those of all cost, which cost_overview compares with."""
    return budgets_of("overall", folder) if stem == "budgets" else rows_of(stem, folder)


_OF_FILES: Mapping[str, Callable[[str, Path], str]] = {
    "values": _values,
    "budgets": budgets_of,
    "allocation": allocation_of,
    "product": product_of,
    "focus": view_of,
}
_OF_CODE: Mapping[str, Callable[[str], str]] = {
    "cost_of_line": line_items.expression,
    "commitment_family": lambda _: commitment_families.expression(),
    "stripe_class": class_of,
    "stripe_worth": worth_of,
}

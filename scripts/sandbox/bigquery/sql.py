"""BigQuery SQL to DuckDB SQL: one SELECT, really executed, with the bytes it would scan.

sqlglot translates; this module resolves tables, hides `_PARTITIONTIME` from `*`, names columns
as BigQuery does and unnests arrays with their fields in scope. What is not sure to give
BigQuery's answer is refused (scripts/sandbox/bigquery/functions.py). Known differences: NUMERIC
divided is FLOAT64, CAST(x AS INT64) rounds halves to even when x is a bare column, CAST(1.0 AS
STRING) is '1.0'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from scripts.sandbox.bigquery import functions, types
from scripts.sandbox.bigquery import parameters as bigquery_parameters
from scripts.sandbox.bigquery import scan as bigquery_scan
from scripts.sandbox.bigquery.errors import ApiError, unsupported
from scripts.sandbox.bigquery.scan import Scan, Sources
from scripts.sandbox.bigquery.tables import PARTITION_TIME, Table, TableId, Tables

_HIDDEN = ("_partition", "_table_", "_file_", "_row_timestamp", "__root__", "_colidentifier")
_FAMILY = "_PARTITION, _TABLE_, _FILE_, _ROW_TIMESTAMP, __ROOT__ and _COLIDENTIFIER"


@dataclass
class Place:
    """Where a query runs: the tables, and what an incomplete name means."""

    tables: Tables
    project: str
    location: str
    is_elsewhere: bool = False
    default_dataset: tuple[str, str] | None = None
    denied: set[TableId] = field(default_factory=set)

    def find(self, node: exp.Table) -> Table:
        """A table by the name a query gives it. Raises ApiError notFound or accessDenied."""
        parts = [part.name for part in node.parts]
        if len(parts) == 1 and self.default_dataset:
            parts = [*self.default_dataset, *parts]
        elif len(parts) == 2:
            parts = [self.project, *parts]
        if len(parts) != 3:
            name = ".".join(parts)
            raise ApiError(
                "invalid", f'Table "{name}" must be qualified with a dataset (e.g. dataset.table).'
            )
        return self.named(TableId(*parts))

    def named(self, name: TableId) -> Table:
        """A table by its full name, for a query."""
        if "*" in name.table:
            raise unsupported("wildcard tables")
        if self.is_elsewhere or (name.project, name.dataset) not in self.tables.datasets:
            text = f"Not found: Dataset {name.project}:{name.dataset} was not found in location"
            raise ApiError("notFound", f"{text} {self.location}")
        if name in self.denied:
            text = f"Access Denied: Table {name}: User does not have permission to query table"
            raise ApiError("accessDenied", f"{text} {name}, or perhaps it does not exist.")
        table = self.tables.get(name)
        if not table:
            text = f"Not found: Table {name} was not found in location {self.location}"
            raise ApiError("notFound", text)
        return table


@dataclass
class Statement:
    """A query for DuckDB, and what of which tables it scans."""

    sql: str
    scans: list[Scan]

    @property
    def bytes_processed(self) -> int:
        """What a dry run says."""
        return sum(scan.bytes for scan in self.scans)

    @property
    def bytes_billed(self) -> int:
        """Whole MiB, and ten at least of each table."""
        return sum(max(10, -(-scan.bytes // 2**20)) * 2**20 for scan in self.scans)


def translate(text: str, parameters: list[dict[str, object]], place: Place) -> Statement:
    """A BigQuery SELECT for DuckDB. Raises ApiError for everything else."""
    query = bigquery_parameters.fill_in(_parsed(text), parameters)
    functions.check(query)
    _name_columns(query)
    sources = _resolved(query, place)
    scans = list(bigquery_scan.scans(query, sources, place.tables))
    for number, select in enumerate(reversed(list(query.find_all(exp.Select)))):
        _group_by_alias(select)
        _hide_partitions(select, sources[id(select)])
        _unnest(select, number)
    _write_json(query, sources)
    query = functions.adapt(bigquery_scan.without_pseudo_dates(query))
    return Statement(
        query.sql("duckdb", identify=True, unsupported_level=sqlglot.ErrorLevel.IGNORE), scans
    )


def _parsed(text: str) -> exp.Expr:
    try:
        statements = [each for each in sqlglot.parse(text, read="bigquery") if each]
    except sqlglot.errors.SqlglotError as error:
        first = (getattr(error, "errors", None) or [{}])[0]
        at = f" at [{first['line']}:{first['col']}]" if first.get("line") else ""
        what = first.get("description") or str(error).partition("\n")[0]
        raise ApiError("invalidQuery", f"Syntax error: {what}{at}") from error
    if len(statements) != 1:
        raise unsupported("scripts of several statements")
    if not isinstance(statements[0], exp.Query):
        raise unsupported(f"{statements[0].key.upper()}; only SELECT is")
    return statements[0]


def _name_columns(query: exp.Expr) -> None:
    """Names of the result: f0_, f1_ … for what has none. Raises for two that are equal."""
    select = query
    while not isinstance(select, exp.Select):
        select = select.this
    made = []
    unnamed = 0
    for column in select.expressions:
        if column.is_star:
            made.append(column)
        elif isinstance(column, exp.Alias | exp.Column | exp.Dot):
            made.append(column)
            _check_name(column.output_name)
        else:
            made.append(exp.alias_(column, f"f{unnamed}_"))
            unnamed += 1
    select.set("expressions", made)
    counts = Counter(column.output_name.lower() for column in made if not column.is_star)
    if twice := [name for name, count in counts.items() if count > 1]:
        text = "Duplicate column names in the result are not supported when a destination table"
        raise ApiError("invalidQuery", f"{text} is present. Found duplicate(s): {', '.join(twice)}")


def _group_by_alias(select: exp.Select) -> None:
    """In GROUP BY a name is an alias first, a column second; in DuckDB the other way round."""
    group = select.args.get("group")
    aliases = [each.alias.lower() for each in select.expressions]
    for key in group.expressions if group else []:
        if isinstance(key, exp.Column) and not key.table and key.name.lower() in aliases:
            key.replace(exp.Literal.number(aliases.index(key.name.lower()) + 1))


def _check_name(name: str) -> None:
    if name.lower().startswith(_HIDDEN):
        raise ApiError(
            "invalidQuery",
            f'Invalid field name "{name}". Field names are not allowed to start with the '
            f"(case-insensitive) prefixes {_FAMILY}",
        )


def _from_items(select: exp.Select) -> Iterator[exp.Expr]:
    if from_ := select.args.get("from_"):
        yield from_.this
    for join in select.args.get("joins") or []:
        yield join.this


def _resolved(query: exp.Expr, place: Place) -> dict[int, Sources]:
    """The stored tables of each SELECT by their aliases; their names become DuckDB's."""
    ctes = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    found: dict[int, Sources] = {}
    for select in query.find_all(exp.Select):
        sources: Sources = {}
        for node in _from_items(select):
            if isinstance(node, exp.Table) and not (
                len(node.parts) == 1 and node.name.lower() in ctes
            ):
                if not isinstance(node.this, exp.Identifier):
                    raise unsupported(f"the table function {node.this.sql('bigquery')}")
                table = place.find(node)
                alias = node.alias or node.name
                sources[alias] = table
                shown = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
                node.replace(exp.Table(this=exp.to_identifier(table.place), alias=shown))
        found[id(select)] = sources
    return found


def _hide_partitions(select: exp.Select, sources: Sources) -> None:
    """`*` does not show `_PARTITIONTIME`."""
    for column in select.expressions:
        star = column if isinstance(column, exp.Star) else column.this
        if not isinstance(star, exp.Star):
            continue
        of = column.table if isinstance(column, exp.Column) else ""
        if any(table.is_partitioned for name, table in sources.items() if of in {"", name}):
            star.set("except_", [*(star.args.get("except_") or []), exp.column(PARTITION_TIME)])


def _unnest(select: exp.Select, number: int) -> None:
    """Arrays in FROM: an element under its alias, and the fields of a STRUCT without it too. The
    alias gets a name of its own, since it may be that of the array."""
    for node in [each for each in _from_items(select) if isinstance(each, exp.Unnest)]:
        if node.args.get("offset"):
            raise unsupported("UNNEST WITH OFFSET")
        alias = node.args.get("alias")
        name = alias.columns[0].name if alias and alias.columns else ""
        own = f"_e{number}_{len(node.expressions[0].sql())}"
        inside = set(map(id, node.find_all(exp.Column)))
        for column in list(select.find_all(exp.Column)):
            if name and column.parts[0].name.lower() == name.lower() and id(column) not in inside:
                _rename(column, own)
        array = node.expressions[0]
        fields = exp.Anonymous(this="unnest", expressions=[array, exp.var("max_depth := 2")])
        element = exp.Anonymous(this="unnest", expressions=[array.copy()])
        rows = exp.select(exp.alias_(element, own), fields)
        node.replace(rows.subquery(f"_u{own}"))


def _rename(column: exp.Column, name: str) -> None:
    shown = column.name
    is_whole = len(column.parts) == 1
    column.parts[0].set("this", name)
    if is_whole and isinstance(column.parent, exp.Select) and column.arg_key == "expressions":
        column.replace(exp.alias_(column.copy(), shown))


def _write_json(query: exp.Expr, sources: dict[int, Sources]) -> None:
    """TO_JSON_STRING of a column, which needs its type."""
    for node in list(query.find_all(exp.JSONFormat)):
        kind = None
        select = node.find_ancestor(exp.Select)
        while select and not kind:
            kind = bigquery_scan.type_of(node.this, sources[id(select)])
            select = select.find_ancestor(exp.Select)
        if not kind:
            raise unsupported(f"TO_JSON_STRING({node.this.sql('bigquery')}), of no table's column")
        node.replace(exp.var(types.json_text(node.this.sql("duckdb", identify=True), kind)))

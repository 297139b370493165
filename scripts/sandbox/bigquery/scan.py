"""What a query would scan: columns it names, of partitions its `_PARTITIONTIME` predicates keep.

As with BigQuery, only predicates in the WHERE of the SELECT that reads the table prune, and only
those over nothing but the pseudo-column and constants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from duckdb.sqltypes import DuckDBPyType
from sqlglot import exp

from scripts.sandbox.bigquery import functions, types
from scripts.sandbox.bigquery.tables import PARTITION_TIME, Table, Tables

#: The tables of one SELECT by alias.
Sources = dict[str, Table]
_PSEUDO = {PARTITION_TIME.lower(), "_partitiondate"}


@dataclass
class Scan:
    """One table as one SELECT reads it."""

    table: Table
    bytes: int
    is_pruned: bool


def scans(query: exp.Expr, sources: dict[int, Sources], tables: Tables) -> Iterator[Scan]:
    """What each SELECT reads of each table. `query` is not changed."""
    named = {part.name.lower() for column in query.find_all(exp.Column) for part in column.parts}
    for select in query.find_all(exp.Select):
        of = sources[id(select)]
        for alias, table in of.items():
            columns = {name for name, _ in table.columns if name.lower() in named}
            if _shows_all(select, alias):
                columns = {name for name, _ in table.columns}
            kept = list(_pruning(select, alias, alone=len(of) == 1))
            where = " and ".join(kept) or "true"
            yield Scan(table, tables.scanned(table, columns, where), bool(kept))


def without_pseudo_dates(query: exp.Expr) -> exp.Expr:
    """`_PARTITIONDATE`, which is not stored, by `_PARTITIONTIME`."""

    def made(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column) and node.name.lower() == "_partitiondate":
            moment = exp.column(PARTITION_TIME, table=node.args.get("table"))
            return exp.cast(moment, "DATE")
        return node

    return query.transform(made)


def type_of(node: exp.Expr, sources: Sources) -> DuckDBPyType | None:
    """The type of a column or of a field in one, None for what these tables do not have."""
    if not isinstance(node, exp.Column):
        return None
    path = [part.name for part in node.parts]
    for alias, table in sources.items():
        known = {name.lower(): kind for name, kind in table.columns}
        steps = path[1:] if path[0].lower() == alias.lower() else path
        kind = known.get(steps[0].lower()) if steps else None
        for step in steps[1:]:
            fields = types.members(kind) if kind is not None and kind.id == "struct" else []
            kind = next((it for name, it in fields if name.lower() == step.lower()), None)
        if kind is not None:
            return kind
    return None


def _shows_all(select: exp.Select, alias: str) -> bool:
    for column in select.expressions:
        if isinstance(column, exp.Star):
            return True
        if column.is_star and column.table.lower() == alias.lower():
            return True
    return False


def _pruning(select: exp.Select, alias: str, *, alone: bool) -> Iterator[str]:
    """The predicates that prune this table, in DuckDB's SQL."""
    where = select.args.get("where")
    if not where:
        return
    predicates = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
    for predicate in predicates:
        columns = list(predicate.find_all(exp.Column))
        is_ours = all(
            column.name.lower() in _PSEUDO
            and (column.table.lower() == alias.lower() or (alone and not column.table))
            for column in columns
        )
        if not columns or not is_ours or predicate.find(exp.Query):
            continue
        bare = predicate.copy()
        for column in bare.find_all(exp.Column):
            column.set("table", None)
        constant = functions.adapt(without_pseudo_dates(bare))
        sql = constant.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE)
        yield f"({sql})"

"""What of BigQuery's functions the sandbox knows, and where DuckDB's differ.

Only functions that tests compare with BigQuery's documented results are let through: a
translation that is plausible and wrong would be worse than an error.
"""

from __future__ import annotations

from sqlglot import exp

from scripts.sandbox.bigquery.errors import ApiError, unsupported

#: sqlglot's names for what is let through; with aliases such as IFNULL for COALESCE.
SUPPORTED = frozenset(
    """Abs And AnyValue Array ArrayAgg ArraySize Avg Case Cast Coalesce Concat Count CountIf
    CurrentDate CurrentTimestamp Date DateAdd DateDiff DateSub DateTrunc Exists Extract Greatest
    If JSONFormat Least Length LogicalAnd LogicalOr Lower Max Min Mod Nullif Or Round RowNumber
    SafeDivide StartsWith StrToDate Struct Substring Sum TimeToStr Timestamp TimestampAdd
    TimestampDiff TimestampSub TimestampTrunc Trim TryCast TsOrDsToTimestamp TsOrDsToDate
    UnixMicros UnixSeconds Unnest Upper Xor""".split()
)


def check(query: exp.Expr) -> None:
    """Raise ApiError invalidQuery for the first function that is not supported."""
    for node in query.walk():
        if isinstance(node, exp.Anonymous):
            raise ApiError("invalidQuery", f"Function not found: {node.name}")
        if isinstance(node, exp.Func) and type(node).__name__ not in SUPPORTED:
            raise unsupported(f"the function {node.sql_name()}")


def adapt(query: exp.Expr) -> exp.Expr:
    """The query as DuckDB must see it to answer like BigQuery."""
    holder = exp.Tuple(expressions=[query])
    for node in reversed(list(query.walk())):  # what is inside comes first
        made = _adapted(node)
        if made is not node:
            node.replace(made)
    adapted: exp.Expr = holder.expressions[0]
    return adapted


def _adapted(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.DataType):
        return _numeric(node)
    if isinstance(node, exp.Literal) and not node.is_string and "." in node.name:
        return exp.Literal.number(f"{node.name}e0")  # a decimal literal is FLOAT64
    if isinstance(node, exp.Cast) and _is_rounding(node):
        node.set("this", exp.Round(this=node.this))
    if isinstance(node, exp.Div):  # SAFE_DIVIDE is a function of its own
        return exp.Anonymous(this="bq_divide", expressions=[node.this, node.expression])
    if isinstance(node, exp.DateTrunc | exp.DateAdd | exp.DateSub):
        return exp.cast(node.copy(), "DATE")  # DuckDB makes timestamps of dates
    if isinstance(node, exp.TimestampDiff):  # whole units, not boundaries crossed
        unit = exp.Literal.string(node.text("unit"))
        return exp.Anonymous(this="date_sub", expressions=[unit, node.expression, node.this])
    if isinstance(node, exp.TimeToStr) and (zone := node.args.get("zone")):
        moment = node.this.this if isinstance(node.this, exp.TsOrDsToTimestamp) else node.this
        local = exp.AtTimeZone(this=exp.cast(moment, "TIMESTAMPTZ"), zone=zone)
        return exp.TimeToStr(this=local, format=node.args["format"])
    return node


def _numeric(kind: exp.DataType) -> exp.DataType:
    """NUMERIC has nine decimals."""
    if kind.this != exp.DataType.Type.DECIMAL or kind.expressions:
        return kind
    return exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb")


def _is_rounding(cast: exp.Cast) -> bool:
    """FLOAT64 to INT64 rounds halves away from zero; known here for arithmetic only."""
    value = cast.this.unnest()
    is_arithmetic = isinstance(value, exp.Add | exp.Mul | exp.Sub)
    is_divided = isinstance(value, exp.Anonymous) and value.name == "bq_divide"
    return cast.to.this == exp.DataType.Type.BIGINT and (is_arithmetic or is_divided)

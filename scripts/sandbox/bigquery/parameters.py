"""Query parameters of the REST API as SQL literals of their types."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from scripts.sandbox.bigquery.errors import ApiError, unsupported

_SCALARS = set("STRING INT64 FLOAT64 NUMERIC BOOL DATE DATETIME TIME TIMESTAMP BYTES".split())


def literals(parameters: list[dict[str, Any]]) -> dict[str, exp.Expr]:
    """Each named parameter as a typed expression. Raises ApiError for one without a name or of a
    type beyond scalars and arrays of them."""
    made: dict[str, exp.Expr] = {}
    for parameter in parameters:
        if not parameter.get("name"):
            raise unsupported("positional query parameters. Name them: @name.")
        value = parameter.get("parameterValue", {})
        made[parameter["name"].lower()] = _literal(parameter["parameterType"], value)
    return made


def fill_in(query: exp.Expr, parameters: list[dict[str, Any]]) -> exp.Expr:
    """The query with every @name replaced. Raises ApiError for a name that was not given."""
    known = literals(parameters)

    def filled(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder):
            raise unsupported("positional query parameters. Name them: @name.")
        if not isinstance(node, exp.Parameter):
            return node
        if node.name.lower() not in known:
            raise ApiError("invalidQuery", f"Query parameter '{node.name}' not found")
        return known[node.name.lower()].copy()

    return query.transform(filled)


def _literal(kind: dict[str, Any], value: dict[str, Any]) -> exp.Expr:
    if kind["type"] == "ARRAY":
        items = [_literal(kind["arrayType"], item) for item in value.get("arrayValues", [])]
        array = exp.Array(expressions=items)
        return exp.cast(array, f"ARRAY<{_scalar(kind['arrayType'])}>", dialect="bigquery")
    text = value.get("value")
    literal = exp.null() if text is None else exp.Literal.string(str(text))
    return exp.cast(literal, _scalar(kind), dialect="bigquery")


def _scalar(kind: dict[str, Any]) -> str:
    if kind["type"] not in _SCALARS:
        raise unsupported(f"a query parameter of type {kind['type']}")
    return str(kind["type"])

"""BigQuery's types as DuckDB holds them: REST schema, REST cells, JSON text, logical size.

Rows are written as JSON by DuckDB itself: each function here gives SQL over one value, made for
its type, so that a page costs a query and not a loop in Python. Encodings are those of
tabledata.list (https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list) and of
TO_JSON_STRING.
"""

from __future__ import annotations

from typing import Any

from duckdb.sqltypes import DuckDBPyType

#: DuckDB's type ids and the names that REST schemas use.
_NAMES = {
    "bigint": "INTEGER",
    "blob": "BYTES",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "decimal": "NUMERIC",
    "double": "FLOAT",
    "float": "FLOAT",
    "hugeint": "INTEGER",  # the sum of INT64, which BigQuery keeps in INT64
    "integer": "INTEGER",
    "smallint": "INTEGER",
    "struct": "RECORD",
    "time": "TIME",
    "timestamp": "DATETIME",
    "timestamp with time zone": "TIMESTAMP",
    "tinyint": "INTEGER",
    "ubigint": "INTEGER",
    "uinteger": "INTEGER",
    "varchar": "STRING",
    "null": "INTEGER",  # BigQuery's type of a bare NULL
}
#: Logical bytes of a value. Source: BigQuery's data type sizes.
_FIXED_BYTES = {"BOOLEAN": 1, "NUMERIC": 16}


def name_of(kind: DuckDBPyType) -> str:
    """The REST name of a type, of its elements for a list. Raises KeyError for one BigQuery
    lacks."""
    inner = element(kind)
    return _NAMES[str((inner or kind).id)]


def element(kind: DuckDBPyType) -> DuckDBPyType | None:
    """The type of a list's elements, None for what is no list."""
    return members(kind)[0][1] if kind.id == "list" else None


def members(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """Names and types of a struct's fields."""
    every = [(str(name), child) for name, child in kind.children]
    return [(name, child) for name, child in every if isinstance(child, DuckDBPyType)]


def field(name: str, kind: DuckDBPyType, *, required: bool = False) -> dict[str, Any]:
    """A TableFieldSchema."""
    inner = element(kind)
    mode = "REPEATED" if inner else "REQUIRED" if required else "NULLABLE"
    made: dict[str, Any] = {"name": name, "type": name_of(kind), "mode": mode}
    if made["type"] == "RECORD":
        made["fields"] = [field(*each) for each in members(inner or kind)]
    return made


def cell(value: str, kind: DuckDBPyType, *, int64_timestamps: bool = True, depth: int = 0) -> str:
    """SQL for a REST cell, the text `{"v":…}`. Numbers are text there, a null array is []."""

    def nested(value: str, kind: DuckDBPyType) -> str:
        return cell(value, kind, int64_timestamps=int64_timestamps, depth=depth + 1)

    if inner := element(kind):
        each = f"e{depth}"
        cells = f"list_transform({value}, lambda {each}: {nested(each, inner)})"
        return f"""'{{"v":[' || coalesce(array_to_string({cells}, ','), '') || ']}}'"""
    if kind.id == "struct":
        parts = " || ',' || ".join(nested(part(value, name), it) for name, it in members(kind))
        filled = f"""'{{"v":{{"f":[' || {parts} || ']}}}}'"""
        return f"""case when {value} is null then '{{"v":null}}' else {filled} end"""
    text = _quoted(_text(value, name_of(kind), int64_timestamps))
    return f"""coalesce('{{"v":' || {text} || '}}', '{{"v":null}}')"""


def row(columns: list[tuple[str, DuckDBPyType]], *, int64_timestamps: bool = True) -> str:
    """SQL for one REST row, the text `{"f":[…]}`, of columns given by SQL and type."""
    cells = [cell(sql, kind, int64_timestamps=int64_timestamps) for sql, kind in columns]
    return """'{"f":[' || """ + " || ',' || ".join(cells) + " || ']}'"


def json_text(value: str, kind: DuckDBPyType, *, depth: int = 0) -> str:
    """SQL for TO_JSON_STRING of a value: 1.0 becomes 1, and what a double cannot hold exactly
    becomes text. BigQuery stores no null arrays, so one is []."""
    if inner := element(kind):
        each = f"j{depth}"
        texts = f"list_transform({value}, lambda {each}: {json_text(each, inner, depth=depth + 1)})"
        return f"('[' || coalesce(array_to_string({texts}, ','), '') || ']')"
    if kind.id == "struct":
        parts = " || ',' || ".join(
            f"{literal(_json_name(name))} || {json_text(part(value, name), it, depth=depth + 1)}"
            for name, it in members(kind)
        )
        return f"case when {value} is null then 'null' else '{{' || {parts} || '}}' end"
    return f"coalesce({_json_scalar(value, name_of(kind))}, 'null')"


def size(value: str, kind: DuckDBPyType, *, depth: int = 0) -> str:
    """SQL for the logical bytes of a value; NULL has none."""
    if inner := element(kind):
        each = f"s{depth}"
        sizes = f"list_transform({value}, lambda {each}: {size(each, inner, depth=depth + 1)})"
        return f"coalesce(list_sum({sizes}), 0)"
    if kind.id == "struct":
        parts = [size(part(value, name), it, depth=depth + 1) for name, it in members(kind)]
        return f"({' + '.join(parts)})"
    if (name := name_of(kind)) == "STRING":
        return f"coalesce(2 + octet_length(encode({value})), 0)"
    if name == "BYTES":
        return f"coalesce(2 + octet_length({value}), 0)"
    return f"case when {value} is null then 0 else {_FIXED_BYTES.get(name, 8)} end"


def part(value: str, name: str) -> str:
    """SQL for a field of a struct."""
    return f"struct_extract({value}, {literal(name)})"


def literal(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _json_name(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '":'


def _quoted(text: str) -> str:
    return f"to_json({text})::varchar"


def _text(value: str, name: str, int64_timestamps: bool) -> str:
    """SQL for the text of a scalar in a cell."""
    plain = f"({value})::varchar"
    forms = {
        "BYTES": f"to_base64({value})",
        "DATETIME": _micros(f"replace({plain}, ' ', 'T')", 26),
        "NUMERIC": _trimmed(plain),
        "TIME": _micros(plain, 15),
        "TIMESTAMP": f"epoch_us({value})::varchar"
        if int64_timestamps
        else f"(epoch_us({value}) / 1e6)::varchar",
    }
    return forms.get(name, plain)


def _micros(text: str, length: int) -> str:
    """A time with all six digits of its fraction, or with none."""
    return f"case when contains({text}, '.') then rpad({text}, {length}, '0') else {text} end"


def _trimmed(number: str) -> str:
    """A decimal without the zeros at its end."""
    return f"rtrim(regexp_replace({number}, '(\\.\\d*?)0+$', '\\1'), '.')"


def _json_scalar(value: str, name: str) -> str:
    plain = f"({value})::varchar"
    number = _trimmed(plain) if name == "NUMERIC" else plain
    is_exact = f"abs({value}) <= 9007199254740992"
    if name == "NUMERIC":
        is_exact += f" and {value} = trunc({value})"
    forms = {
        "BOOLEAN": plain,
        "BYTES": _quoted(f"to_base64({value})"),
        "DATETIME": _quoted(f"replace({plain}, ' ', 'T')"),
        "FLOAT": f"case when isfinite({value}) then regexp_replace({plain}, '\\.0$', '') "
        f"else {_quoted(plain)} end",
        "TIMESTAMP": _quoted(_rfc3339(value)),
    }
    if name in {"INTEGER", "NUMERIC"}:
        return f"case when {is_exact} then {number} else {_quoted(number)} end"
    return forms.get(name, _quoted(plain))


def _rfc3339(value: str) -> str:
    """A moment in UTC with no, three or six digits of its fraction, as BigQuery writes them."""
    whole = f"strftime({value} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%f')"
    return f"regexp_replace(regexp_replace({whole}, '000$', ''), '\\.000$', '') || 'Z'"

"""Which product a cost line or a transaction belongs to, by sql/products.csv, as one expression.

    product,of,column,value
    checkout,cost,tag_team,checkout         a configured tag's column, or a text of `costs_daily`
    checkout,cost,tags.app,shop             a configured tag, by its key
    storage,cost,service_name,Amazon Simple Storage Service
    checkout,revenue,account,shop           a column of `revenue`

The first line that fits counts, so nothing is counted twice; what none fits is `unassigned`. A
configured file takes its place: `[normalize] products = "my/products.csv"`.
"""

from __future__ import annotations

import re
from pathlib import Path

import dlt

from pipelines.clickhouse.schema.values import table_of
from pipelines.core.partition import ConfigurationError
from pipelines.tables.schema import tag_column_name
from pipelines.tables.shapes import mart_columns

UNASSIGNED = "unassigned"
_HEAD = ["product", "of", "column", "value"]
_TAG = re.compile(r"tags\.(.+)")
_QUOTE = str.maketrans({"'": "''"})


def product_of(figure: str, folder: Path) -> str:
    """The expression for `cost` or `revenue`. Raises ConfigurationError with file and line."""
    path, head, rows = table_of("products", folder)
    if [cell.strip() for cell in head] != _HEAD:
        raise ConfigurationError(f"{path}: its first line has to be {','.join(_HEAD)}")
    cases = []
    for number, row in enumerate(rows, start=2):
        cells = [cell.strip() for cell in row]
        if len(cells) != len(_HEAD) or not all(cells) or cells[1] not in ("cost", "revenue"):
            raise ConfigurationError(
                f"{path}, line {number}: write a product, then cost or revenue, a column, a value."
            )
        product, of, column, value = cells
        if "\\" in product + value:  # an escape in ClickHouse's literals, a character in DuckDB's
            raise ConfigurationError(
                f"{path}, line {number}: values with a backslash are not supported."
            )
        where = column_of(of, column, f"{path}, line {number}")
        if of == figure:
            cases.append(f"when {where} = {_text(value)} then {_text(product)}")
    if not cases:
        return _text(UNASSIGNED)
    return f"case {' '.join(cases)} else {_text(UNASSIGNED)} end"


def column_of(of: str, name: str, where: str) -> str:
    """The column that a csv names. Raises ConfigurationError, which begins with `where`."""
    keys = dlt.config.get("normalize.tag_columns", list) or ()
    if of == "cost" and (tag := _TAG.fullmatch(name)):
        name = tag_column_name(tag[1])
        if name not in map(tag_column_name, keys):
            raise ConfigurationError(
                f"{where}: the tag {tag[1]} has no column. Add it to normalize.tag_columns."
            )
    shape = mart_columns(keys)["costs_daily" if of == "cost" else "revenue"]
    texts = [column.name for column in shape if column.type == "text"]
    if name not in texts:
        raise ConfigurationError(
            f"{where}: {name} is not a text column of {of}. Choose one of: {', '.join(texts)}"
            + ("; tags.… of a configured tag." if of == "cost" else ".")
        )
    return name


def _text(text: str) -> str:
    return f"'{text.translate(_QUOTE)}'"

"""Which product a cost line or a transaction belongs to, by sql/products.csv, as one expression.

    product,of,column,value
    checkout,cost,tag_team,checkout         a configured tag's column, or any other of `costs`
    checkout,cost,tags.app,shop             any tag, by its key in the map `tags`
    storage,cost,service_name,Amazon Simple Storage Service
    checkout,revenue,account,shop           a column of `revenue`

The first line that fits counts, so nothing is counted twice; what none fits is `unassigned`. A
configured file takes its place: `[normalize] products = "my/products.csv"`.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.clickhouse.schema.values import table_of
from pipelines.core.partition import ConfigurationError
from pipelines.tables.schema import Column, cost_columns
from pipelines.tables.shapes import mart_columns

UNASSIGNED = "unassigned"
_HEAD = ["product", "of", "column", "value"]
_TAG = re.compile(r"tags\.([^'\\]+)|(tag_\w+)")
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
        where = _column(of, column, f"{path}, line {number}")
        if of == figure:
            cases.append(f"when {where} = {_text(value)} then {_text(product)}")
    if not cases:
        return _text(UNASSIGNED)
    return f"case {' '.join(cases)} else {_text(UNASSIGNED)} end"


def _column(of: str, name: str, where: str) -> str:
    if of == "cost" and (tag := _TAG.fullmatch(name)):
        return f"tags[{_text(tag[1])}]" if tag[1] else tag[2]
    shape: tuple[Column, ...] = cost_columns(()) if of == "cost" else mart_columns(())["revenue"]
    texts = [column.name for column in shape if column.type == "text"]
    if name not in texts:
        raise ConfigurationError(
            f"{where}: {name} is not a text column of {of}. Choose one of: {', '.join(texts)}"
            + ("; tag_… of a configured tag, tags.… of any." if of == "cost" else ".")
        )
    return name


def _text(text: str) -> str:
    return f"'{text.translate(_QUOTE)}'"

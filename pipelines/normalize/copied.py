"""The pandas twin of tables/copied.py: columns that are only copied from raw, by their rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

from pipelines.normalize.columns import (
    TIME,
    Floats,
    Raw,
    constants,
    frame,
    literal,
    lookup,
    no_tags,
    nulls,
)
from pipelines.tables.copied import Copied
from pipelines.tables.schema import Column

Values: TypeAlias = pa.Array | Floats


def whole(
    shape: Iterable[Column],
    raw: Raw,
    copied: Iterable[Copied],
    rules: Mapping[str, Values],
    tag: Callable[[str], pa.DictionaryArray] | None = None,
) -> pd.DataFrame:
    """The columns of `shape` in their order: those that are copied, and what the rules gave.

    `tag` gives the values of a tag by its key.
    """
    columns = {each.target.name: _values(raw, each, tag) for each in copied} | dict(rules)
    return frame({column.name: columns[column.name] for column in shape})


def _values(raw: Raw, copied: Copied, tag: Callable[[str], pa.DictionaryArray] | None) -> Values:
    match copied.rule:
        case "number":
            return raw.number(copied.argument)
        case "time":
            return raw.time(copied.argument)
        case "literal":
            return literal(copied.argument, raw.rows)
        case "null" if copied.target.type == "map":
            return no_tags(raw.rows)
        case "null" if copied.target.type == "timestamp":
            return pa.nulls(raw.rows, TIME)
        case "null":
            return nulls(raw.rows)
        case "tag" if tag:
            return tag(copied.argument)
        case "lookup":
            found = copied.lookup
            words = constants(f"{found.file}.csv", found.key, copied.target.name)
            return lookup(raw.text(found.column), words, found.otherwise)
    return raw.text(copied.argument)

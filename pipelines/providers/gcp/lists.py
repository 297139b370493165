"""The lists of a billing export's row, which raw has as JSON text: credits, labels and tags.

A text is taken apart once per distinct text of a batch and spread over the rows by code. Rules of
tags (the twin, sql/21_gcp.sql, follows them too):

- The map `tags` has labels by their own key, resource tags as `tag:<key>`, the project's labels as
  `project:<key>`. Of two equal keys of a row the first stays.
- A configured key takes the first of labels, tags and project labels of exactly its spelling, else
  the first that equals it in lower case; `user:` counts on neither side. '' there is NULL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.normalize.columns import Booleans, Floats, Integers, Raw
from pipelines.tables.schema import ShapeError, tag_column_name, tag_key

PREFIXES = {"labels": "", "tags": "tag:", "project_labels": "project:"}
"""The columns of tags in order of precedence, and the prefix that their keys get."""

DECIMALS = 9
"""Google's own precision: rounded to nine decimals, a float sum is exact."""


class Credits:
    """What credits take off each row: together, by their type, and whether for a commitment."""

    def __init__(self, raw: Raw) -> None:
        self._codes, lists = _lists(raw, "credits")
        self._sums = [_by_type(each) for each in lists]
        totals = [sum(float(c.get("amount") or 0.0) for c in each) for each in lists]
        self.total: Floats = np.array(totals, float)[self._codes]

    @property
    def by_type(self) -> pa.MapArray:
        """A map of amounts; empty on a row without credits."""
        ends = np.cumsum([0, *map(len, self._sums)], dtype=np.int32)
        keys = [key for sums in self._sums for key in sums]
        amounts = [amount for sums in self._sums for amount in sums.values()]
        distinct = pa.MapArray.from_arrays(
            pa.array(ends), pa.array(keys, pa.string()), pa.array(amounts, pa.float64())
        )
        return distinct.take(pa.array(self._codes))

    def has(self, *types: str) -> Booleans:
        """Rows with a credit of one of these types."""
        found = [any(kind in sums for kind in types) for sums in self._sums]
        return np.array(found, bool)[self._codes]


@dataclass(frozen=True)
class Tags:
    """Labels, tags and project labels of every row: each distinct combination once."""

    codes: Integers
    """The combination of each row."""
    entries: Sequence[Sequence[tuple[str, str, str]]]
    """Of each combination (key in the map, key to be found by, value)."""

    def map(self) -> pa.MapArray:
        """The map `tags`, with dictionary-encoded keys and values."""
        kept = [list(_firsts(each).items()) for each in self.entries]
        ends = np.cumsum([0, *map(len, kept)], dtype=np.int32)
        keys = pa.array([key for pairs in kept for key, _ in pairs], pa.string())
        values = pa.array([value for pairs in kept for _, value in pairs], pa.string())
        offsets, inside = self._spread(ends)
        return pa.MapArray.from_arrays(
            offsets, keys.dictionary_encode().take(inside), values.dictionary_encode().take(inside)
        )

    def columns(self, keys: Sequence[str]) -> dict[str, pa.DictionaryArray]:
        """One text column per configured key, by column name."""
        return {tag_column_name(key): self._column(key) for key in keys}

    def _spread(self, ends: npt.NDArray[np.int32]) -> tuple[pa.Array, pa.Array]:
        """Of a list per combination the offsets and the positions of a list per row."""
        lengths = np.diff(ends)[self.codes].astype(np.int32)
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
        within = np.arange(offsets[-1], dtype=np.int32) - np.repeat(offsets[:-1], lengths)
        return pa.array(offsets), pa.array(np.repeat(ends[:-1][self.codes], lengths) + within)

    def _column(self, key: str) -> pa.DictionaryArray:
        found = pa.array([_found(each, key) for each in self.entries], pa.string())
        distinct = found.dictionary_encode()
        return pa.DictionaryArray.from_arrays(
            distinct.indices.take(pa.array(self.codes)), distinct.dictionary
        )


def tags(raw: Raw) -> Tags:
    """The tags of a raw batch."""
    combined = np.zeros(raw.rows, np.int64)
    sources = []
    for name, prefix in PREFIXES.items():
        codes, lists = _lists(raw, name)
        combined = combined * len(lists) + codes
        sources.append((codes, [_entries(pairs, prefix) for pairs in lists]))
    _, rows, row_codes = np.unique(combined, return_index=True, return_inverse=True)
    entries = [
        [entry for codes_of, lists in sources for entry in lists[codes_of[row]]] for row in rows
    ]
    return Tags(row_codes.astype(np.int32), entries)


def _lists(raw: Raw, name: str) -> tuple[Integers, list[list[dict[str, Any]]]]:
    """The code of each row's list, and the distinct lists; the last one is that of no text."""
    column = raw.text(name)
    texts = column.dictionary.to_pylist()
    try:
        lists = json.loads(f"[{','.join(texts)}]")
    except ValueError as error:
        raise _no_list(name) from error
    if len(lists) != len(texts) or not all(_is_list(each) for each in lists):
        raise _no_list(name)
    codes: Integers = column.indices.fill_null(len(texts)).to_numpy()
    return codes, [*lists, []]


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _no_list(name: str) -> ShapeError:
    return ShapeError(
        f"Column {name} must hold lists of records as JSON text, as they are landed."
        " Load the partition again with --force."
    )


def _by_type(given: Sequence[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in given:
        kind = each.get("type") or "unclassified"
        found[kind] = found.get(kind, 0.0) + float(each.get("amount") or 0.0)
    return {kind: round(amount, DECIMALS) for kind, amount in found.items()}


def _entries(pairs: Sequence[dict[str, Any]], prefix: str) -> list[tuple[str, str, str]]:
    found = [(pair.get("key") or "", pair.get("value") or "") for pair in pairs]
    return [(prefix + key, tag_key(key), value) for key, value in found]


def _firsts(entries: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, _, value in entries:
        found.setdefault(key, value)
    return found


def _found(entries: Sequence[tuple[str, str, str]], key: str) -> str | None:
    wanted = tag_key(key)
    exact = (value for _, bare, value in entries if bare == wanted)
    loose = (value for _, bare, value in entries if bare.lower() == wanted.lower())
    return next(chain(exact, loose), None) or None

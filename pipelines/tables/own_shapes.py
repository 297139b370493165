"""Normalised shapes that a source declares itself: providers/<source>/shape.csv.

    column,type,nullable,many,privacy,meaning
    trade_id,text,,yes,keep,"Deribit's id, unique per currency."
    account,text,,,pseudonym:stripe-account,"The account, by its name in the configuration."

Cells are those of `Column` (schema.py), in the order of the published table. A shape ends with
x_source, x_partition, x_fingerprint and x_dlt_load_id.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pipelines.tables import privacy
from pipelines.tables.privacy import Privacy, pseudonym
from pipelines.tables.schema import Column, Type
from pipelines.tables.sources import PROVIDERS

OURS = ("x_source", "x_partition", "x_fingerprint", "x_dlt_load_id")
_HEAD = ["column", "type", "nullable", "many", "privacy", "meaning"]
_PRIVACY: dict[str, Privacy] = {
    each.action: each
    for each in (privacy.KEEP, privacy.SCALE, privacy.SHIFT, privacy.WITHHOLD, privacy.TAGS)
}


def own_shape(source_name: str, providers: Path = PROVIDERS) -> tuple[Column, ...]:
    """The columns of a source. Raises ValueError with the line for a bad one."""
    path = providers / source_name / "shape.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    if head != _HEAD:
        raise ValueError(f"{path}: its first line has to be {','.join(_HEAD)}")
    for number, row in enumerate(rows, start=2):
        if problem := next(_problems(row), ""):
            raise ValueError(f"{path}, line {number}: {problem}")
    columns = tuple(_column(*row) for row in rows)
    names = [column.name for column in columns]
    if tuple(names[-len(OURS) :]) != OURS or len(set(names)) < len(names):
        raise ValueError(f"{path}: each column once, the last ones are {', '.join(OURS)}")
    return columns


def _problems(row: list[str]) -> Iterator[str]:
    if len(row) != len(_HEAD):
        yield f"{len(row)} cells instead of {','.join(_HEAD)}"
    _, kind, nullable, many, shown, meaning = row
    if kind not in get_args(Type):
        yield f"{kind!r} is not a type. Write one of {', '.join(get_args(Type))}"
    if not {nullable, many} <= {"", "yes"}:
        yield "nullable and many are yes or empty"
    if shown not in _PRIVACY and not re.fullmatch("pseudonym:.+", shown):
        yield f"{shown!r} is not a rule of privacy. Write {', '.join(_PRIVACY)} or pseudonym:kind"
    if not meaning:
        yield "say what the column means"


def _column(name: str, kind: Any, nullable: str, many: str, shown: str, meaning: str) -> Column:
    action, _, of = shown.partition(":")
    rule = pseudonym(of) if of else _PRIVACY[action]
    return Column(name, kind, bool(nullable), meaning, privacy=rule, many=bool(many))

"""What a public copy shows of a column: each published column declares one of these.

Kinds of pseudonyms are shared on purpose: what is equal before is equal after, in every table and
in every column of one kind, so joins and group-bys stay true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["keep", "pseudonym", "tags", "scale", "shift", "withhold"]


@dataclass(frozen=True)
class Privacy:
    """What is done with a column; `kind` names the pseudonyms it shares with others.

    `unless` is (column, value): where that column has that value, this one stays as it is.
    """

    action: Action
    kind: str = ""
    unless: tuple[str, str] | None = None


KEEP = Privacy("keep")
"""Public already, or says nothing about anybody."""
SCALE = Privacy("scale")
"""An amount of money: times the secret factor."""
SHIFT = Privacy("shift")
"""A time: moved by the years of `--shift-years`."""
WITHHOLD = Privacy("withhold")
"""A quantity: beside public prices it would reveal the secret factor."""
TAGS = Privacy("tags")
"""Pseudonyms of the values, and of the keys that are not configured."""


def pseudonym(kind: str, unless: tuple[str, str] | None = None) -> Privacy:
    """The same text gives the same pseudonym wherever `kind` is the same."""
    return Privacy("pseudonym", kind, unless)

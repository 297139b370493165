"""What kind of commitment could pay for an AWS line: lookups/aws_commitment_families.csv.

A family is what one kind of savings plan covers: Compute (EC2 instances, Fargate, Lambda), Machine
Learning, Database; Search and Warehouse have reservations only. `usage_type` is a regular
expression, searched in a line's usage type: storage, traffic, gateways and requests of the same
products are in no family. Both twins read the file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipelines.tables import schema

FILE = Path(schema.__file__).parent / "lookups" / "aws_commitment_families.csv"
NONE = "none"
"""No commitment covers such a line."""


@dataclass(frozen=True)
class Family:
    """Usage of a product that commitments of one family cover."""

    name: str
    product_code: str
    usage_type: str


@cache
def families(file: Path = FILE) -> tuple[Family, ...]:
    """The lines of the file, in its order."""
    with file.open(encoding="utf-8", newline="") as lines:
        return tuple(
            Family(row["family"], row["product_code"], row["usage_type"])
            for row in csv.DictReader(lines)
        )


def expression() -> str:
    """A line's family as an expression of ClickHouse over product_code and usage_type."""
    return f"multiIf({', '.join(_branches())}, '{NONE}')"


def _branches() -> Iterator[str]:
    for each in families():
        pattern = each.usage_type.replace("\\", "\\\\")
        yield (
            f"product_code = '{each.product_code}' and match(usage_type, '{pattern}'), "
            f"'{each.name}'"
        )

"""How each of Stripe's reporting categories counts: the lookup's class, or the configuration's.

Stripe adds categories. A line of `[sources.stripe.categories]` classifies one that is not known
yet, or one that this business counts otherwise.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import dlt

from pipelines.core.partition import ConfigurationError

KEY = "sources.stripe.categories"
CLASSES = ("revenue", "contra", "dispute", "fee", "tax", "movement")
_FILE = Path(__file__).parent / "lookups" / "stripe_categories.csv"


def categories() -> dict[str, str]:
    """Class by reporting category. Raises ConfigurationError for a class that does not exist."""
    return {**_known(), **configured()}


def configured() -> dict[str, str]:
    """What the configuration says, by category."""
    found: Mapping[str, str] = dlt.config.get(KEY, dict) or {}
    for name, value in found.items():
        if value not in CLASSES:
            raise ConfigurationError(
                f"{KEY}.{name} is {value!r}. Set it to one of {', '.join(CLASSES)}."
            )
    return dict(sorted(found.items()))


@cache
def _known() -> dict[str, str]:
    with _FILE.open(encoding="utf-8", newline="") as lines:
        return {row["reporting_category"]: row["class"] for row in csv.DictReader(lines)}

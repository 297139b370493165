"""What becomes of every published column in a copy for the public: the `privacy` of its Column.

Nothing is published by default: a column without one stops the copy, and a test
(tests/destinations/test_anonymize.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pipelines.core.partition import ConfigurationError
from pipelines.tables.privacy import Action, Privacy
from pipelines.tables.schema import Column

MEANING: Mapping[Action, str] = {
    "keep": "unchanged",
    "pseudonym": "a keyed pseudonym",
    "tags": "keyed pseudonyms of the values, and of keys that are not configured",
    "scale": "multiplied by the secret factor",
    "shift": "shifted by --shift-years",
    "withhold": "left out (NULL)",
}
_TYPES: Mapping[Action, Sequence[str]] = {
    "pseudonym": ("text",),
    "tags": ("map",),
    "scale": ("number", "decimal", "integer", "amounts"),
    "shift": ("text", "date", "timestamp"),
}


def rules_of(table: str, columns: Iterable[Column]) -> dict[str, Privacy]:
    """The rule of each column of a table.

    Raises ConfigurationError for columns without one, all by name, and for one that does not fit.
    """
    columns = list(columns)
    if missing := [f"{table}.{c.name}" for c in columns if c.privacy is None]:
        verb = "has" if len(missing) == 1 else "have"
        raise ConfigurationError(
            f"{', '.join(missing)} {verb} no anonymisation rule. Add `privacy=` to its Column."
        )
    rules = {c.name: c.privacy for c in columns if c.privacy is not None}
    for column in columns:
        action = rules[column.name].action
        if column.type not in _TYPES.get(action, (column.type,)) or (
            action == "withhold" and not column.nullable
        ):
            raise ConfigurationError(
                f"{table}.{column.name} is of type {column.type}, which {action!r} does not "
                "support. Correct the `privacy=` of its Column."
            )
    return rules

"""Where a CUR line's tags come from: `resource_tags`, and CUR 2.0's `tags` with all kinds in one.

In `tags` a prefix of the key says what was tagged: `resourceTags/user:Team`, `accountTag/Team`,
`costCategory/BU`. An export has one of the two, or both; of equal keys that of the older column
stays. Keys with any other prefix, such as `userAttribute/Department`, stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.normalize.columns import Raw
from pipelines.normalize.tags import Entries, delivered, entries, first_of_equal, joined, stripped

RESOURCE, ACCOUNT, CATEGORY = "resourceTags/", "accountTag/", "costCategory/"


def resource_tags(raw: Raw, flat: str) -> Entries:
    """A resource's tags by their own keys; of legacy parquet from its columns `<flat>…`."""
    old = delivered(raw, "resource_tags", flat)
    new = entries(raw, "tags").renamed(
        lambda key: None if key.startswith((ACCOUNT, CATEGORY)) else key.removeprefix(RESOURCE)
    )
    return stripped(joined(old, new))


def cost_categories(raw: Raw, flat: str) -> Entries:
    """Cost categories by their names; of legacy parquet from its columns `<flat>…`."""
    new = entries(raw, "tags").renamed(_without(CATEGORY))
    return first_of_equal(joined(delivered(raw, "cost_category", flat), new))


def account_tags(raw: Raw) -> Entries:
    """The tags of the account that a line belongs to."""
    return entries(raw, "tags").renamed(_without(ACCOUNT))


def _without(prefix: str) -> Callable[[str], str | None]:
    return lambda key: key.removeprefix(prefix) if key.startswith(prefix) else None

"""The query that reads export days of one table. Only constants prune partitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from pipelines.providers.gcp.columns import Selected
from pipelines.providers.gcp.days import USAGE_DATE, Share, merged, range_of

_READ = """
select
    {columns}
from `{table}`
where {kept} and date(export_time) between @first_day and @last_day
"""

Wanted = tuple[date, list[Share]]
"""An export day, and what is read of it."""


def query(
    table: str, columns: Iterable[Selected], wanted: Sequence[Wanted]
) -> tuple[str, dict[str, Any]]:
    """The query for some days of a table, and its parameters.

    That of one day reads the days of use of its shares alone.
    """
    parameters: dict[str, Any] = {
        "first_day": min(day for day, _ in wanted),
        "last_day": max(day for day, _ in wanted),
    }
    kept = [_partitions(wanted, parameters)]
    if len(wanted) == 1:
        kept += _used(wanted[0][1], parameters)
    listed = ",\n    ".join(f"{each.sql} as `{each.name}`" for each in columns)
    text = _READ.format(columns=listed, table=table, kept=" and ".join(filter(None, kept)))
    return text, parameters


def _partitions(wanted: Sequence[Wanted], parameters: dict[str, Any]) -> str:
    if not all(share.is_partitioned for _, several in wanted for share in several):
        return "true"
    found = ["_PARTITIONTIME is null"]
    for number, each in enumerate(merged(range_of(several) for _, several in wanted)):
        parameters |= {f"first_{number}": each.first, f"last_{number}": each.last}
        found.append(f"_PARTITIONTIME between @first_{number} and @last_{number}")
    return f"({' or '.join(found)})"


def _used(several: list[Share], parameters: dict[str, Any]) -> list[str]:
    """Nothing where every row of the day is read."""
    if all(share.usage is None for share in several):
        return []
    found = list[str]()
    for share in several:
        for first, last in share.usage or ():
            number = len(found)
            parameters |= {
                f"account_{number}": share.account,
                f"used_first_{number}": first,
                f"used_last_{number}": last,
            }
            found.append(
                f"(coalesce(billing_account_id, '') = @account_{number} and {USAGE_DATE} "
                f"between @used_first_{number} and @used_last_{number})"
            )
    return [f"({' or '.join(found)})"]

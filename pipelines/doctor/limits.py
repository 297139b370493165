"""What the user's profile and quotas on the server limit, before a load runs into it."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.clickhouse.server.codes import FORBIDDEN
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager, Row

#: Settings that refuse statements, and the values with which they refuse none.
_REFUSING = {"readonly": "0", "allow_ddl": "1"}
#: Settings that refuse statements of a certain size or duration.
_LIMITING = (
    "max_execution_time",
    "max_memory_usage",
    "max_memory_usage_for_user",
    "max_rows_to_read",
    "max_bytes_to_read",
    "max_result_rows",
    "max_result_bytes",
    "max_rows_to_group_by",
    "max_rows_to_sort",
    "max_rows_in_join",
    "max_bytes_in_join",
    "max_network_bytes",
    "max_execution_speed",
    "max_execution_speed_bytes",
    "max_concurrent_queries_for_user",
)
_QUOTAS = """
select quota_name, max_queries, max_query_inserts, max_errors, max_result_rows, max_read_rows,
    max_written_bytes, duration
from system.quota_usage
"""
_LIMITS_OF_A_QUOTA = (
    "queries",
    "query_inserts",
    "errors",
    "result_rows",
    "read_rows",
    "written_bytes",
)


@dataclass(frozen=True)
class Limit:
    """One limit, the setting without it, and whether nothing can be loaded under it."""

    text: str
    none: str
    forbids: bool = False


def limits(manager: ClickHouseManager) -> list[Limit]:
    """What the profile and the quotas of this user limit."""
    names = [*_REFUSING, *_LIMITING]
    rows = manager.execute(
        "select name, value from system.settings where name in %(names)s order by name",
        {"names": tuple(names)},
    )
    found = [
        Limit(
            f"{name} is {value}",
            f"{name} = {_REFUSING.get(name, '0')}",
            forbids=name in _REFUSING,
        )
        for name, value in rows
        if value != _REFUSING.get(name, "0")
    ]
    for quota, *values, duration in _quotas(manager):
        limited = [f"{n} {v:,}" for n, v in zip(_LIMITS_OF_A_QUOTA, values, strict=True) if v]
        if limited:
            text = f"quota {quota}: {', '.join(limited)} in {duration:,} s"
            found.append(Limit(text, "of a higher quota"))
    return found


def _quotas(manager: ClickHouseManager) -> list[Row]:
    """None where the user may not ask for them."""
    try:
        return manager.execute(_QUOTAS)
    except ClickHouseQueryError as error:
        if error.code not in FORBIDDEN:
            raise
        return []

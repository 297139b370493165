"""What loads took on ClickHouse, from the comments that their statements have in its query log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.clickhouse.server.codes import UNKNOWN_TABLE
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.settings import CLIENT_NAME
from pipelines.core.partition import UserError

COLUMNS = (
    "source", "partition", "load_id", "step", "statements", "seconds", "cpu_seconds", "read_rows",
    "written_rows", "written_bytes", "peak_memory",
)  # fmt: skip
NUMBERS = COLUMNS[4:]
_SQL = """
select
    JSONExtractString(log_comment, 'source') as source,
    JSONExtractString(log_comment, 'partition') as "partition",
    JSONExtractString(log_comment, 'load_id') as load_id,
    JSONExtractString(log_comment, 'step') as step,
    count() as statements,
    sum(query_duration_ms) / 1000 as seconds,
    sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']) / 1e6 as cpu_seconds,
    sum(read_rows),
    sum(written_rows),
    sum(written_bytes),
    max(memory_usage)
from system.query_log
where event_date >= today() - 7
    and type != 'QueryStart'
    and is_initial_query
    and JSONExtractString(log_comment, 'client') = %(client)s
    and source in %(sources)s
    and load_id != ''
group by 1, 2, 3, 4
order by source, "partition", load_id, min(event_time_microseconds)
"""


def cost_of_loads(manager: ClickHouseManager, sources: Sequence[str]) -> list[tuple[Any, ...]]:
    """Rows as COLUMNS names them. Raises UserError where the server keeps no log."""
    try:
        return manager.execute(_SQL, {"client": CLIENT_NAME, "sources": tuple(sources)})
    except ClickHouseQueryError as error:
        if error.code != UNKNOWN_TABLE:
            raise
        raise UserError(
            f"{manager.config.host} keeps no system.query_log, or has not written to it yet. Add "
            "<query_log> to the server's configuration and set log_queries = 1"
        ) from error

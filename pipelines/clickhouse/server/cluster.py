"""The one renderer of definitions for a cluster of your own: plain statements in, `on cluster` out.

CLICKHOUSE_CLUSTER names a cluster of system.clusters: then what defines something runs on all of
its servers, in the order of Keeper's queue, and tables are Replicated. Where it is the database's
own name, the database is of the engine Replicated, which repeats definitions by itself: only the
tables' engines change. Data is replicated by the tables: inserts, mutations and whole partitions
stay as they are. ClickHouse Cloud needs none of this.
https://clickhouse.com/docs/sql-reference/distributed-ddl
"""

from __future__ import annotations

import re

from pipelines.clickhouse.server.quoting import quoted

_NAME = r"(?:`[^`]+`|\w+)(?:\.(?:`[^`]+`|\w+))?"
_COMMENTS = r"(?:\s|--[^\n]*\n)*"
_DEFINES = re.compile(
    rf"(?P<head>{_COMMENTS}"
    r"(?P<what>create\s+(?:or\s+replace\s+)?|drop\s+|alter\s+|truncate\s+)"
    r"(?P<kind>database|table|materialized\s+view|view)\s+(?:if\s+(?:not\s+)?exists\s+)?"
    rf"(?P<name>{_NAME}))(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_MOVES = re.compile(
    rf"{_COMMENTS}(?:exchange\s+tables\s+{_NAME}\s+and|rename\s+table\s+{_NAME}\s+to)\s+{_NAME}\s*",
    re.IGNORECASE,
)
_OF_DATA = re.compile(
    r"\s*(?:(?:replace|drop|attach|detach|move)\s+partition|delete\s+where|update)\b", re.IGNORECASE
)
_ENGINE = re.compile(r"\bengine\s*=\s*(\w*MergeTree)\b", re.IGNORECASE)


def rendered(sql: str, cluster: str, database: str) -> str:
    """The statement as it defines the same on every replica; any other as it is.

    `cluster` '' is one server, or ClickHouse Cloud.
    """
    if not cluster:
        return sql
    on = "" if cluster == database else f" on cluster {quoted(cluster)}"
    if _MOVES.fullmatch(sql):
        return f"{sql.rstrip()}{on}"
    found = _DEFINES.fullmatch(sql)
    if not found:
        return sql
    head, rest, kind = found["head"], found["rest"], found["kind"].lower()
    is_new = found["what"].lower().startswith("create")
    if found["what"].lower().startswith("alter") and _OF_DATA.match(rest):
        return sql
    if kind == "database":
        on = "" if cluster == found["name"].strip("`") else f" on cluster {quoted(cluster)}"
        if is_new and not on:  # each server creates it once, and is then told of its tables
            path = f"'/clickhouse/databases/{found['name'].strip('`')}'"
            return f"{head}{rest} engine = Replicated({path}, '{{shard}}', '{{replica}}')"
        return f"{head}{on}{rest}"
    if is_new and kind == "table":
        rest = _ENGINE.sub(lambda engine: f"engine = {_replicated(engine[1])}", rest)
    return f"{head}{on}{rest}"


def all_replicas(cluster: str, table: str) -> str:
    """A system table as every replica has it; of one server its own."""
    return f"clusterAllReplicas({quoted(cluster)}, {table})" if cluster else table


def _replicated(engine: str) -> str:
    return engine if engine.startswith(("Replicated", "Shared")) else f"Replicated{engine}"

"""Compute the marts that ClickHouse stores: tables, each made by its one select in sql/marts.

A mart is computed again when its select or what it reads has changed, into a private table that
takes its name in one step: a reader sees the old rows or the new. Its comment holds the digest of
what it was made of, so a killed run is repaired by the next, and a run that changed nothing reads
two lists.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from uuid import uuid4

from pipelines.clickhouse.schema.marts import Mart, mart_selects
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.clickhouse.server.settings import labelled
from pipelines.core.partition import Busy, Run, now
from pipelines.destinations.clickhouse.readings import note_run
from pipelines.marts.inputs import digest, digests, sources_of
from pipelines.marts.kept import bring_to_clickhouse, drop_others
from pipelines.tables.shapes import mart_columns

log = logging.getLogger(__name__)

LEASE = "marts"
_SCRATCH = "_mart_"
_LOOKS, _PAUSE = 600, 1.0  # how often and after how long another run is looked for that computes
_ENGINES = "select name, comment from system.tables where database = currentDatabase()"
_RULES = f"{_ENGINES} and (engine = 'MaterializedView' or name = 'costs_daily') order by name"
_ROWS = """
select table, toString(sum(rows)) from system.parts
where database = currentDatabase() and active group by table
"""
_HISTORY = """
select word, toString(arraySort(groupArray(said))) from (
    select word, concat('published ', toString(count()), ' ', toString(max(published_at))) as said
    from deliveries group by word
    union all
    select word, concat('pruned ', toString(max(pruned_at))) from retention group by word
) group by word
"""


def compute(config: ClickHouseConfig, tag_columns: Sequence[str]) -> list[str]:
    """Make every stored mart current; the names of those that were not.

    Raises ClickHouseError, and Busy when another run computes them for ten minutes.
    """
    marts = mart_selects(SQL, tag_columns)
    with ClickHouseManager(config) as manager:
        if not _stale(manager, marts, tag_columns):
            if any(_left_behind(manager)):
                with suppress(Busy), leased(config, LEASE):  # who computes now clears it, too
                    _clear(manager)
            return []
        with _alone(config):
            _clear(manager)
            stale, started = _stale(manager, marts, tag_columns), now()
            bring_to_clickhouse(manager, [mart.select for mart, _ in stale])
            for mart, made_of in stale:
                with labelled(step="compute", mart=mart.name):
                    _publish(manager, mart, tag_columns, made_of)
                log.info("mart %s: computed", mart.name)
            drop_others(manager, [mart.select for mart in marts])
            if stale:
                note_run(manager, Run(LEASE, LEASE, started, now(), "well", loaded=len(stale)))
            return [mart.name for mart, _ in stale]


def _stale(
    manager: ClickHouseManager, marts: Sequence[Mart], tag_columns: Sequence[str]
) -> list[tuple[Mart, str]]:
    """Marts whose tables are not of what there is now, in the order of computing."""
    made_of = digests(marts, tag_columns, _versions(manager))
    have: dict[str, str] = dict(manager.execute(_ENGINES))
    return [
        (mart, made_of[mart.name])
        for mart in marts
        if mart.is_stored and have.get(mart.name) != mart.comment(made_of[mart.name])
    ]


def _versions(manager: ClickHouseManager) -> Callable[[str], str]:
    """What changes when the rows of a table do: publishing, pruning, other rules; and their number,
    which a migration that fills a table changes without any of these."""
    history: dict[str, str] = dict(manager.execute(_HISTORY))
    rows: dict[str, str] = dict(manager.execute(_ROWS))
    rules = digest(*(text for row in manager.execute(_RULES) for text in row))

    def version(table: str) -> str:
        return digest(
            rules, rows.get(table, ""), *(history.get(name, "") for name in sources_of(table))
        )

    return version


def _publish(
    manager: ClickHouseManager, mart: Mart, tag_columns: Sequence[str], made_of: str
) -> None:
    made = f"{_SCRATCH}{mart.name}_{uuid4().hex[:8]}"
    names = ", ".join(f"`{column.name}`" for column in mart_columns(tag_columns)[mart.name])
    manager.execute(mart.table(made, tag_columns, mart.comment(made_of)))
    # a NULL in a column that has none is an error, and never a 0
    manager.execute(
        f"insert into {made} ({names}) select {names} from (\n{mart.select}\n) "
        "settings insert_null_as_default = 0"
    )
    if manager.execute(f"exists table {mart.name}")[0][0]:
        manager.execute(f"exchange tables {made} and {mart.name}")
        manager.execute(f"drop table if exists {made} sync")
    else:
        manager.execute(f"rename table {made} to {mart.name}")


def _clear(manager: ClickHouseManager) -> None:
    """Drop what a killed run left, but for its lease: the caller has taken that over."""
    for name in _left_behind(manager):
        if name.startswith(_SCRATCH):
            manager.execute(f"drop table if exists {name} sync")


def _left_behind(manager: ClickHouseManager) -> Iterator[str]:
    """The private tables and the lease of a run that computes now or was killed."""
    private = (_SCRATCH, f"_lock_{LEASE}__")
    return (name for name, _ in manager.execute(_ENGINES) if name.startswith(private))


@contextmanager
def _alone(config: ClickHouseConfig) -> Iterator[None]:
    """The lease of the marts, waited for: who computes them now has not seen what we published."""
    with ExitStack() as lease:
        for look in range(_LOOKS):
            try:
                lease.enter_context(leased(config, LEASE))
                break
            except Busy:
                if look == _LOOKS - 1:
                    raise
                if not look:
                    log.info("marts: another run computes the marts; waiting for it")
                time.sleep(_PAUSE)
        yield

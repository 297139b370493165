"""Readers poll `costs` on both protocols while a month is restated over and over."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from pipelines.clickhouse.server.manager import ClickHouseManager
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import deliver
from tests.support.published_clickhouse import environ

OLD, NEW = [1.0, 2.0, 4.0, 8.0], [100.0, 200.0]
THOROUGH = pytest.mark.thorough
ROUNDS = 2  # enough for both contents, each of them after the other
BOTH = pytest.mark.parametrize("protocol", ["native", "http"])
ONE = pytest.mark.parametrize("protocol", ["native", pytest.param("http", marks=THOROUGH)])
SQL = "select x_partition, sum(billed_cost), count() from costs group by 1 order by 1"
Seen = Counter[tuple[tuple[str, float, int], ...]]


@contextmanager
def native(config: ClickHouseConfig) -> Iterator[Callable[[], list[tuple[str, float, int]]]]:
    with ClickHouseManager(config) as manager:
        yield lambda: [(str(a), float(b), int(c)) for a, b, c in manager.execute(SQL)]


@contextmanager
def http(config: ClickHouseConfig) -> Iterator[Callable[[], list[tuple[str, float, int]]]]:
    with connect(config) as client:
        yield lambda: [(a, b, c) for a, b, c in client.query(SQL).result_rows]


@contextmanager
def reading(config: ClickHouseConfig, protocol: str) -> Iterator[Seen]:
    """What a reader on a connection of its own sees while the block runs, counted."""
    seen: Seen = Counter()
    errors: list[Exception] = []
    ended = threading.Event()

    def poll() -> None:
        with {"native": native, "http": http}[protocol](config) as read:
            while not ended.is_set():
                try:
                    seen[tuple(read())] += 1
                except Exception as error:  # noqa: BLE001 (whatever a reader meets is a finding)
                    errors.append(error)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        yield seen
    finally:
        ended.set()
        reader.join()
    assert errors == []


@pytest.fixture
def bucket(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> FolderBucket:
    """Two loaded months, one of them in two files."""
    commands.set(environ(clickhouse, aws_bucket.root))
    deliver(aws_bucket.root, "2026-08", [8.0])
    deliver(aws_bucket.root, "2026-09", OLD, files=2)
    assert commands("load").status == 0
    return aws_bucket


@pytest.mark.quick("native")
@BOTH
def test_a_reader_sees_the_old_or_the_new_month_and_never_a_part(
    bucket: FolderBucket,
    clickhouse: ClickHouseConfig,
    commands: Commands,
    protocol: str,
) -> None:
    with reading(clickhouse, protocol) as seen:
        for number in range(ROUNDS):
            costs = NEW if number % 2 == 0 else OLD
            deliver(bucket.root, "2026-09", costs, files=2, prefix=f"round-{number}")
            assert commands("load").status == 0
    august = ("2026-08", 8.0, 1)
    assert set(seen) == {(august, ("2026-09", 15.0, 4)), (august, ("2026-09", 300.0, 2))}
    assert min(seen.values()) >= 3


@pytest.mark.thorough
@ONE
def test_a_reader_sees_a_month_go_and_come_back_in_one_step(
    bucket: FolderBucket,
    clickhouse: ClickHouseConfig,
    commands: Commands,
    protocol: str,
) -> None:
    with reading(clickhouse, protocol) as seen:
        for number in range(ROUNDS):
            deliver(bucket.root, "2026-09", OLD if number % 2 else [], prefix=f"round-{number}")
            assert commands("load").status == 0
    august = ("2026-08", 8.0, 1)
    assert set(seen) == {(august, ("2026-09", 15.0, 4)), (august,)}


@pytest.mark.thorough
@ONE
def test_a_reader_sees_all_old_or_all_new_rows_while_a_table_is_rebuilt(
    bucket: FolderBucket,
    clickhouse: ClickHouseConfig,
    commands: Commands,
    protocol: str,
) -> None:
    with reading(clickhouse, protocol) as seen:
        for number in range(ROUNDS):
            tags = '["Environment"]' if number % 2 else '["Team", "Owner", "Environment"]'
            commands.set({"NORMALIZE__TAG_COLUMNS": tags})
            ran = commands("migrate")
            assert (ran.status, "rebuilt normalized_aws" in ran.out) == (0, True), ran
    assert set(seen) == {(("2026-08", 8.0, 1), ("2026-09", 15.0, 4))}

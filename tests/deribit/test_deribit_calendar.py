"""What a fingerprint says of a day, and which days a run plans by it."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from pipelines.core.partition import ALL, Selection
from pipelines.marts.checks import CHECKS
from pipelines.providers.deribit.calendar import DayFingerprint, finality, plan
from pipelines.providers.deribit.settings import DeribitSettings

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)
MARKS = {
    "2026-01-05.BTC": "closed-f00d",  # of a version that closed a day without a proof
    "2026-01-06.BTC": "closed-f00d-5-20260107",
    "2026-01-07.BTC": "holes-f00d-0-20260108",
    "2026-01-08.BTC": "open-f00d-3-20260109",
    "2026-01-09.BTC": "open-f00d-3",  # read while it was not over, and never again
    "2026-01-10.ETH": "open-f00d-3",
}


def test_a_fingerprint_says_whether_a_day_is_final() -> None:
    assert [finality(mark) for mark in MARKS.values()] == [
        "open", "final", "hole since 2026-01-08", "open since 2026-01-09", "open", "open",
    ]  # fmt: skip
    dated = [mark for mark in MARKS.values() if mark.count("-") > 1]
    assert [DayFingerprint.of(mark).text for mark in dated] == dated


def test_what_is_open_is_planned_however_old_and_so_is_what_a_pause_left_out() -> None:
    settings = DeribitSettings(currencies=["BTC"])
    found = {p.key: p.fingerprint for p in plan(settings, NOW, ALL, MARKS)}
    unread = [key for key, mark in found.items() if not mark]
    assert unread[:4] == ["2026-01-05.BTC", "2026-01-08.BTC", "2026-01-09.BTC", "2026-01-10.BTC"]
    assert len(unread) == 3 + 317  # each day from 10 January to 22 November
    chosen = Selection("2026-01-05", "2026-01-07")
    assert [(p.key, p.fingerprint) for p in plan(settings, NOW, chosen, MARKS)] == [
        ("2026-01-05.BTC", ""), *((key, MARKS[key]) for key in list(MARKS)[1:3])
    ]  # fmt: skip


def test_the_check_names_every_day_that_nobody_proved() -> None:
    values = ", ".join(f"('deribit', '{key}', '{mark}', 0, now())" for key, mark in MARKS.items())
    duck = duckdb.connect()
    duck.execute(
        'create table raw_partitions (word text, "partition" text, fingerprint text, '
        f'"rows" bigint, loaded_at timestamptz); insert into raw_partitions values {values}'
    )
    sql = (CHECKS / "deribit_open_days.sql").read_text(encoding="utf-8")
    assert [row[:3] for row in duck.execute(sql).fetchall()] == [
        ("2026-01-05.BTC", "without a proof", None),
        ("2026-01-07.BTC", "hole", "20260108"),
        ("2026-01-08.BTC", "open", "20260109"),
        ("2026-01-09.BTC", "open", None),
        ("2026-01-10.ETH", "open", None),
    ]

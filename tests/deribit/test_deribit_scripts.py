"""Scripts around Deribit: an hour validated end to end, a day measured and projected."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts import e2e_validate, measure_volume
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Shape, Tape, make
from tests.support.providers.deribit_market import FIRST, NOW, Writer, at
from tests.support.published_clickhouse import query


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("now", "least"),
    [
        ("2026-11-20T01:30", 100),  # an hour of the day before
        ("2026-11-20T14:10", 2_500),  # 2,500 trades of one millisecond, and a hole
        ("2026-11-20T23:59", 100),
    ],
)
def test_an_hour_of_the_sandbox_is_published_and_validated(
    clickhouse: ClickHouseConfig, capsys: pytest.CaptureFixture[str], now: str, least: int
) -> None:
    clock = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert e2e_validate.main([], clickhouse, clock) == 0
    out = capsys.readouterr().out
    (trades,) = re.findall(r"UTC: ([\d,]+) trades of", out)
    assert int(trades.replace(",", "")) >= least
    for table in ("deribit__trades", "normalized_deribit"):
        assert f"{table}: {trades} rows, {trades} trades" in out
        assert query(clickhouse, f"select count() from {table}") == [
            (int(trades.replace(",", "")),)
        ]
    assert "deribit_sequence_gaps: 0 rows" in out
    assert out.splitlines()[-1] == "all the same"


@pytest.mark.thorough
def test_an_hour_whose_trades_nobody_can_name_is_told(
    clickhouse: ClickHouseConfig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Sandbox(Tape(), at(FIRST, 3.5)) as sandbox:
        writer = Writer(sandbox)
        writer.trade(FIRST, "BTC-PERPETUAL", 2)
        writer.trade(FIRST, "BTC-NEWS")
        for name, value in sandbox.environ.items():
            monkeypatch.setenv(name, value)
        assert e2e_validate.main(["--real"], clickhouse) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "BTC from 2026-11-20 01:00 UTC: 3 trades of 2 instruments, 0 holes, 22 calls"
    )
    assert lines[-2:] == [
        "wrong: deribit_unclassified: ('BTC-NEWS', 'unclassified', 1, 1, 1)",
        "wrong",
    ]


@pytest.mark.thorough
def test_a_day_is_measured_and_projected(
    clickhouse: ClickHouseConfig,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Sandbox(make(["BTC"], FIRST, 1, Shape(trades_per_day=600)), NOW) as sandbox:
        for name, value in sandbox.environ.items():
            monkeypatch.setenv(name, value)
        arguments = [str(FIRST), "--from", "2026-11-11"]
        assert measure_volume.main(arguments, clickhouse) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"BTC 2026-11-20: 600 trades, \d+ calls, [\d.]+ s", lines[0])
    assert [line.partition(":")[0] for line in lines[1:6]] == [
        "as sent",
        "in memory",
        "raw parquet",
        "ClickHouse deribit__trades",
        "ClickHouse normalized_deribit",
    ]
    assert [line for line in lines[1:6] if ": 0.00 MB" in line] == []
    assert lines[6].startswith("10 such days: 6,000 trades, ")

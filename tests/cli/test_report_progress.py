"""What a terminal shows of a long run: partitions, trades, rate, and how long it still takes."""

from __future__ import annotations

import io

from rich.console import Console

from pipelines.cli.output.progress import BarProgress


class Clock:
    """Seconds, as the test sets them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_bar_of_a_backfill_counts_days_trades_rate_and_time_left() -> None:
    clock, shown = Clock(), io.StringIO()
    console = Console(file=shown, force_terminal=True, width=160, legacy_windows=False)
    with BarProgress(console, clock) as bars:
        bars.plan("deribit", 4_380, "trades")
        assert bars.tail(0) == "0 of 4,380"
        bars.start("deribit", "2019-01-01.BTC", 0)
        bars.advance(60_000)
        bars.advance(40_000)
        assert bars.tail(5) == "0 of 4,380, 100,000 trades, 20,000/s"
        bars.done("deribit", "2019-01-01.BTC", "deribit 2019-01-01.BTC: 100,000 rows, 5 MB, 10 s")
        bars.ended()
        clock.now = 10
        assert bars.tail(10) == "1 of 4,380, 100,000 trades, 10,000/s, 12:09:50 left"
        bars.start("deribit", "2019-01-01.ETH", 0)
        bars.advance(20_000)
        bars._bars.refresh()
    assert "1 of 4,380, 120,000 trades, 12,000/s, 12:09:50 left" in shown.getvalue()


def test_bytes_are_told_as_sizes() -> None:
    with BarProgress(Console(file=io.StringIO())) as bars:
        bars.plan("aws", 2, "bytes")
        bars.advance(212_000_000)
        assert bars.tail(10) == "0 of 2, 212 MB, 21 MB/s"

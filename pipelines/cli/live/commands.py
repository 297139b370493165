"""`collect` and `sink`: live trades into Kafka, and from there into ClickHouse.

Both run until SIGINT or SIGTERM, then hand on what they hold. Killed instead, they lose nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType

from pipelines.cli.clickhouse import configured
from pipelines.cli.output.console import say
from pipelines.providers.deribit.settings import configuration
from pipelines.streaming.collector.collect import Collector
from pipelines.streaming.collector.publisher import Publisher
from pipelines.streaming.metrics import Metrics
from pipelines.streaming.settings import streaming
from pipelines.streaming.sink.sink import Sink
from pipelines.streaming.topics import topic_of

_STOP = (signal.SIGINT, signal.SIGTERM)


def collect(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """`collect deribit`, until stopped."""
    topic, settings, deribit = topic_of(options.source), streaming(), configuration()
    publisher = Publisher(topic, settings)
    collector = Collector(deribit, settings, publisher)

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in _STOP:
            loop.add_signal_handler(number, stop.set)
        await collector.run(stop)

    with Metrics(settings.metrics_port, "collector", collector.metrics):
        asyncio.run(run())
    say(f"stopped. {collector.status()}")
    return 0


def sink(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """`sink deribit`, until stopped or idle."""
    topic, settings = topic_of(options.source), streaming()
    ended = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, stop) for number in _STOP}
    made = Sink(topic, configured(environ), settings, ended.is_set)
    if options.until_idle:
        made.stopped = _or_idle(ended, made, options.until_idle)
    try:
        with Metrics(settings.metrics_port, "sink", made.metrics):
            made.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    done = made.counts
    say(f"stopped. {topic.name}: {done.rows} rows, {done.dead} dead letters")
    return 0


def _or_idle(ended: threading.Event, sink: Sink, seconds: float) -> Callable[[], bool]:
    """Whether it was stopped, or has had partitions and no record for so long."""
    seen, since = (0, 0, 0, 0), time.monotonic()

    def stopped() -> bool:
        nonlocal seen, since
        done = sink.counts
        now = (done.rows, done.dead, done.retries, done.rebalances)
        if now != seen or not done.rebalances:
            seen, since = now, time.monotonic()
        return ended.is_set() or time.monotonic() - since > seconds

    return stopped

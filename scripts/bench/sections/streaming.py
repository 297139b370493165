"""Section on live trades: a backlog through a sink, and how soon a new trade is readable."""

from __future__ import annotations

import math
import resource
import shutil
import time
from pathlib import Path

from pipelines.streaming.records import Encoder
from pipelines.streaming.registry import Registry
from scripts.bench.figures import Figure, Section
from scripts.bench.process import BenchError
from scripts.bench.runs import Bench
from scripts.streaming.java import Missing
from scripts.streaming.rig import TOPIC, Rig, producer_of, send

RATE = 500
SECONDS = 20


def streaming(bench: Bench) -> Section:
    """A twentieth of the bill's rows as a backlog; then 20 s at 500 trades a second."""
    rows = bench.rows // 20
    folder = bench.home / "work" / "streaming"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        bench.say("streaming: starting Kafka, the registry and ClickHouse")
        with Rig(folder) as rig:
            bench.say(f"streaming: a backlog of {rows:,} trades")
            wall, cpu = _backlog(rig, rows)
            bench.say(f"streaming: {SECONDS} s at {RATE} trades a second")
            latencies = _latencies(rig, rows, min(SECONDS * RATE, rows))
            log = (folder / "sink0.log").read_text(encoding="utf-8", errors="replace")
    except Missing as error:
        raise BenchError(str(error)) from error
    return Section(
        "streaming",
        f"Kafka, registry, ClickHouse and one sink as processes that share the cores. Backlog: "
        f"{rows:,} records that are there before the sink starts, from its first row to its last. "
        f"Latency: from produce() to a row that a query sees, at {RATE} a second, by a reader that "
        f"asks every 10 ms. The sink's last line: {log.strip().splitlines()[-1][-120:]}",
        [
            Figure("streaming_backlog_rate", "backlog, rows written", rows / wall, "rows/s",
                   least=15_000),
            Figure("streaming_backlog_cpu_s", "of it, the sink's CPU", cpu, "s"),
            Figure("streaming_p50_ms", "produced to readable, half", _share(latencies, 0.5), "ms"),
            Figure("streaming_p99_ms", "produced to readable, 99 of 100", _share(latencies, 0.99),
                   "ms", limit=1000),
        ],
    )  # fmt: skip


def _encoder(rig: Rig) -> Encoder:
    schema = TOPIC.schema()
    return Encoder(schema, Registry(rig.settings).register(TOPIC.subject, schema))


def _backlog(rig: Rig, rows: int) -> tuple[float, float]:
    """Seconds from the first row to the last, and the sink's CPU seconds."""
    producer, encoder = producer_of(rig.settings), _encoder(rig)
    for number in range(rows):
        send(producer, encoder, number)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush(120)
    rig.start("sink 0")
    rig.wait_for(1)
    first, started = rig.rows()[0], time.monotonic()
    rig.wait_for(rows)
    wall = time.monotonic() - started
    share = (rows - first) / rows or 1.0  # what the first insert had is not timed
    return wall / share, _cpu(rig.sink_pid(0))


def _latencies(rig: Rig, before: int, count: int) -> list[float]:
    """Milliseconds from produce to readable, of each trade."""
    producer, encoder = producer_of(rig.settings), _encoder(rig)
    sent: list[float] = []
    found: list[float] = []
    started = time.monotonic()
    while len(found) < count:
        due = min(int((time.monotonic() - started) * RATE), count)
        for number in range(len(sent), due):
            sent.append(time.monotonic())
            send(producer, encoder, before + number, instrument_name="BTC-PERPETUAL",
                 trade_seq=number + 1)  # fmt: skip
        producer.poll(0)
        readable = rig.rows()[0] - before
        now = time.monotonic()
        found += [(now - sent[at]) * 1000 for at in range(len(found), min(readable, len(sent)))]
        time.sleep(0.01)
    return sorted(found)


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def _cpu(pid: int) -> float:
    """CPU seconds of a process so far; 0 where the system has no /proc."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    return (int(parts[11]) + int(parts[12])) / 100

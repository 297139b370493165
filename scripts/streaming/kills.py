"""`kill -9` of what carries the stream, alone and in pairs, while trades keep coming.

    python -m scripts.streaming kills [--count 100] [--rate 500]

Prints a line for each event: how often, lost, double, and seconds until the table had caught up.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations, cycle, islice

from scripts.streaming.rig import Feeder, Rig

PARTS = ("sink 0", "kafka", "registry", "clickhouse")
AFTER_INSERT = "sink 0, right after an insert"
EVENTS = (*PARTS, AFTER_INSERT, *(" + ".join(pair) for pair in combinations(PARTS, 2)))


@dataclass
class Seen:
    """What came of the kills of one kind."""

    event: str
    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    double: int = 0


def run(rig: Rig, count: int, rate: float, tell: Callable[[str], None]) -> list[Seen]:
    """So many kills in turns. After each, everything acknowledged by then is waited for."""
    seen = {event: Seen(event) for event in EVENTS}
    rows, had = rig.rows()
    before = rows - had
    rig.start("sink 0")
    with Feeder(rig, rate) as feeder:
        rig.wait_for(had + 1)
        for number, event in enumerate(islice(cycle(EVENTS), count), start=1):
            _happen(rig, event)
            at = had + feeder.acknowledged
            of = seen[event]
            try:
                of.seconds.append(rig.wait_for(at))
            except TimeoutError:
                of.lost += at - rig.rows()[1]
            rows, trades = rig.rows()
            of.double += rows - trades - before
            before = rows - trades
            said = f"{number:3} {event}: {of.seconds[-1:]} s, {rows} rows, {before} double"
            tell(f"{said}, {rig.twice_in_kafka()} of them in Kafka" if before else said)
    last = Seen("at the end, everything that Kafka acknowledged")
    last.seconds.append(rig.wait_for(had + feeder.acknowledged))
    rows, trades = rig.rows()
    # a record that Kafka has and did not come to acknowledge is more, and none is less
    last.lost, last.double = max(0, had + feeder.acknowledged - trades), rows - trades
    return [*(each for each in seen.values() if each.seconds or each.lost), last]


def _happen(rig: Rig, event: str) -> None:
    if event == AFTER_INSERT:
        have = rig.rows()[0]
        while rig.rows()[0] == have:
            pass  # the sink has no answer to its insert yet, or has just got it
    names = ["sink 0"] if event == AFTER_INSERT else event.split(" + ")
    for name in names:
        rig.kill(name)
    time.sleep(0.5)
    for name in sorted(names, key=("kafka", "registry", "clickhouse", "sink 0").index):
        rig.start(name)


def lines(found: list[Seen]) -> list[str]:
    """A table in Markdown."""
    head = ["| event | kills | lost | double | seconds to catch up, median and most |"]
    return [*head, "|---|---|---|---|---|"] + [
        f"| {each.event} | {len(each.seconds)} | {each.lost} | {each.double} | "
        + (
            f"{statistics.median(each.seconds):.1f}, {max(each.seconds):.1f} |"
            if each.seconds
            else "– |"
        )
        for each in found
    ]

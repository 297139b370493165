"""Section on Deribit's partitions in ClickHouse: a (day, currency) each, against whole months.

`python -m scripts.bench partitions`. Both tables hold the same rows, thousands of days of 500
trades; a day is replaced in each, and the same questions are asked of each.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator

from scripts.bench.figures import Figure, Section
from scripts.bench.process import Workplace
from scripts.bench.runs import Bench
from scripts.bench.servers.clickhouse import Server

ROWS = 500  # of a day and currency
INSTRUMENTS = 40
REPLACED = 10
TABLES = {"days": "trade_date", "months": "concat(left(trade_date, 7), substring(trade_date, 11))"}
QUESTIONS = {
    "published": "select trade_date, x_fingerprint, count() from {} group by 1, 2 format Null",
    "day": "select count(), sum(amount) from {} where trade_date = '2022-05-05.BTC' format Null",
    "instrument": "select count(), sum(amount) from {} where instrument_name = 'I-7' format Null",
    "all": "select instrument_name, sum(amount) from {} group by 1 format Null",
}
SAYS = {
    "published": "what is published",
    "day": "one day",
    "instrument": "one instrument, all days",
    "all": "all rows, by instrument",
}


def partitions(bench: Bench) -> Section:
    """As many rows as the bill, in days and in months."""
    count = max(bench.rows // ROWS, 40)
    folder = bench.home / "work" / "partitions-server"
    shutil.rmtree(folder, ignore_errors=True)
    figures: dict[str, dict[str, float]] = {}
    with Server(folder) as server:
        into = server.environ | {"DLT_DESTINATION": "clickhouse"}
        place = Workplace(bench.home / "work" / "partitions", bench.home, into)
        place.pipelines("migrate")
        for name, key in TABLES.items():
            bench.say(f"partitions: {count:,} in {name}")
            figures[name] = dict(_measured(server, name, key, count))
        shutil.rmtree(place.folder)
    return _section(count, figures)


def _measured(server: Server, name: str, key: str, count: int) -> Iterator[tuple[str, float]]:
    table = f"bench_{name}"
    server.ask(
        f"create table {table} as deribit__trades engine = MergeTree partition by {key} "
        "order by (instrument_name, trade_seq)"
    )
    rows = _rows(f"numbers({count * ROWS})", "old", f"intDiv(number, {ROWS})")
    yield "fill_s", server.timed(f"insert into {table} {rows} {_WIDE}")
    server.settle()
    yield (
        "replace_s",
        statistics.median(
            _replace(server, table, key, count * n // REPLACED) for n in range(REPLACED)
        ),
    )
    server.settle()
    where = f"database = currentDatabase() and table = '{table}' and active"
    yield "parts", float(server.ask(f"select count() from system.parts where {where}"))
    for question, sql in QUESTIONS.items():
        times = [server.timed(sql.format(table)) for _ in range(7)]
        yield f"{question}_s", statistics.median(times)


_WIDE = "settings max_partitions_per_insert_block = 0, throw_on_max_partitions_per_insert_block = 0"


def _replace(server: Server, table: str, key: str, number: int) -> float:
    """Another delivery of one day: staged with what else its partition holds, then exchanged."""
    day = server.ask(f"select {_day(str(number))}")
    partition = server.ask(f"select {key} from (select '{day}' as trade_date)")
    rows = _rows(f"numbers({ROWS})", "new", str(number))
    statements = [
        f"create table bench_stage as {table}",
        f"insert into bench_stage {rows}",
        f"alter table {table} replace partition '{partition}' from bench_stage",
        "drop table bench_stage sync",
    ]
    if partition != day:
        rest = f"{key} = '{partition}' and trade_date != '{day}'"
        statements.insert(1, f"insert into bench_stage select * from {table} where {rest}")
    return sum(server.timed(statement) for statement in statements)


def _day(number: str) -> str:
    """The n-th partition: two currencies a day, from 2019 on."""
    date = f"toString(toDate('2019-01-01') + toInt32(intDiv({number}, 2)))"
    return f"concat({date}, if({number} % 2 = 0, '.BTC', '.ETH'))"


def _rows(source: str, fingerprint: str, number: str) -> str:
    """A select of trades of the days that `number` counts."""
    return (
        f"(trade_date, x_fingerprint, instrument_name, trade_seq, trade_id, timestamp, direction, "
        f"price, amount) select {_day(number)}, concat('{fingerprint}-', toString({number})), "
        f"concat('I-', toString(number % {INSTRUMENTS})), intDiv(number, {INSTRUMENTS}), "
        f"toString(number), number, 'buy', number % 977 / 7, number % 91 from {source}"
    )


def _section(count: int, of: dict[str, dict[str, float]]) -> Section:
    says = {
        "fill_s": "insert of all rows at once",
        "replace_s": "replace a day",
        **{f"{name}_s": said for name, said in SAYS.items()},
    }
    figures = [
        Figure(f"partitions_{name}_{key}", f"{said}, by {name}", of[name][key], "s")
        for key, said in says.items()
        for name in TABLES
    ]
    parts = [
        Figure(f"partitions_{name}_parts", f"parts, by {name}", of[name]["parts"], "")
        for name in TABLES
    ]
    return Section(
        "partitions",
        f"{count:,} days and currencies of {ROWS} trades, as partitions of their own and in "
        f"monthly ones. Medians of {REPLACED} replaced days and of 7 questions.",
        [*figures, *parts],
    )

"""The checks that Deribit adds: silent on good days, on both destinations, and naming what is bad.

Bad rows are put into what is published, behind the load's back, since a load makes none; a hole and
an unknown name come from the exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.http_client import connect
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Tape
from tests.conftest import ROOT
from tests.gcp.test_gcp_checks import offending
from tests.support.commands import Commands
from tests.support.providers.deribit_market import FIRST, NOW, Writer
from tests.support.published_clickhouse import environ

DAYS = [FIRST, FIRST + timedelta(days=1)]
PARTITIONS = [f"{day}.BTC" for day in DAYS]
CALL, COMBO = "BTC-5DEC26-90000-C", "BTC-CS-5DEC26-90000_95000"
Change = Callable[[pa.Table], pa.Table]
CHECKS = [path.stem for path in (ROOT / "sql" / "checks").glob("deribit_*.sql")]
THOROUGH = pytest.mark.thorough


class Loaded:
    """Either destination, loaded from a sandbox, whose published rows can be changed."""

    def __init__(self, commands: Commands, writer: Writer, config: ClickHouseConfig | None) -> None:
        self.commands, self.writer, self.config = commands, writer, config

    def publish(self, *options: str) -> None:
        """Load the two days, and normalise them where a load does not."""
        days = ("--from", str(DAYS[0]), "--to", str(DAYS[1]), *options)
        assert self.commands("load", "deribit", *days).status == 0
        if self.config is None:
            self.commands.well("normalize deribit")

    def offending(self) -> dict[str, list[list[str]]]:
        """The rows that the checks of trades print, by check."""
        return offending(self.commands, *CHECKS)

    def loaded_at(self) -> str:
        """Of the second day, as `check` prints it."""
        return self.offending()["deribit_open_days"][0][-1]

    def spoil(self, partition: str, change: Change) -> pa.Table:
        """Change the published trades of a partition; as they were."""
        if self.config is None:
            path = self.commands.data / f"marts/trades/deribit-{partition}.parquet"
            file = pq.ParquetFile(path)
            rows = file.read()
            path.unlink()  # the mart's file is a link of the normalised one
            keeping = file.schema_arrow.metadata
            pq.write_table(change(rows).replace_schema_metadata(keeping), path)
            return rows
        with connect(self.config) as client:
            rows = client.query_arrow(
                f"select * from normalized_deribit where x_partition = '{partition}'",
                settings={"output_format_arrow_string_as_string": 1},
            )
            client.command(f"alter table normalized_deribit drop partition '{partition}'")
            client.insert_arrow("normalized_deribit", change(rows))
            return rows


@pytest.fixture
def writer() -> Iterator[Writer]:
    """Two days, each three trades of a perpetual and two of an option; a third proves them."""
    with Sandbox(Tape(), NOW) as sandbox:
        made = Writer(sandbox)
        for day in DAYS:
            made.trade(day, "BTC-PERPETUAL", 3)
            made.trade(day, CALL, 2)
        made.trade(FIRST + timedelta(days=2), "BTC-25DEC26")
        yield made


@pytest.fixture(params=["filesystem", "clickhouse"])
def loaded(request: pytest.FixtureRequest, writer: Writer, commands: Commands) -> Loaded:
    commands.set(writer.sandbox.environ)
    commands.set({"SOURCES__DERIBIT__CURRENCIES": '["BTC"]', "SOURCES__DERIBIT__PARALLEL": "1"})
    config: ClickHouseConfig | None = None
    if request.param == "clickhouse":
        config = request.getfixturevalue("clickhouse")
        assert config
        commands.set(environ(config, commands.data))
        commands.monkeypatch.delenv("SOURCES__AWS__BUCKET_URL")
    return Loaded(commands, writer, config)


def where(column: str, value: Any) -> Change:
    """The rows with another value than this."""
    return lambda rows: rows.filter(pc.not_equal(rows[column], pa.scalar(value)))


def replaced(trade: str, **values: Any) -> Change:
    """One trade with other values."""

    def change(rows: pa.Table) -> pa.Table:
        listed = rows.to_pylist()
        changed = [row | values if row["trade_id"] == trade else row for row in listed]
        return pa.Table.from_pylist(changed, rows.schema)

    return change


@pytest.mark.thorough
def test_good_days_are_silent_and_what_the_exchange_lacks_or_names_anew_is_named(
    loaded: Loaded,
) -> None:
    loaded.publish()
    assert loaded.offending() == {}
    loaded.writer.trade(DAYS[1], "BTC-PERPETUAL", skip=2)
    loaded.writer.trade(DAYS[1], "BTC-NEWS", 2)
    loaded.writer.trade(DAYS[1], COMBO)
    loaded.publish("--force")
    assert loaded.offending() == {
        "deribit_known_holes": [
            ["BTC", "BTC-PERPETUAL", "7", "8", "2026-11-21 01:00", PARTITIONS[1]]
        ],
        "deribit_open_days": [[PARTITIONS[1], "open", "20261122", "9", loaded.loaded_at()]],
        "deribit_unclassified": [["BTC-NEWS", "unclassified", "2", "2", "2"]],
    }


def bad_days() -> dict[str, tuple[str, Change, dict[str, list[list[str]]]]]:
    """What is done to a published day, and what the checks say then."""
    twice: Change = lambda rows: pa.concat_tables([rows, rows.slice(0, 1)])  # noqa: E731
    earlier = FIRST - timedelta(days=1)
    old, new = PARTITIONS
    perpetual = "BTC-PERPETUAL"
    return {
        "one-of-a-day-lost": (old, where("trade_id", "1001"), {
            "deribit_conservation": [[old, "5", "4", "90.00", "70.00"]],
            "deribit_sequence_gaps": [["BTC", str(DAYS[0]), perpetual, "1", "3", "1", "0"]],
        }),
        "the-first-of-a-day-lost": (new, where("trade_id", "1005"), {
            "deribit_conservation": [[new, "5", "4", "220.00", "180.00"]],
            "deribit_sequence_gaps": [["BTC", str(DAYS[1]), perpetual, "5", "6", "0", "1"]],
        }),
        "another-amount": (new, replaced("1005", amount=41.0), {
            "deribit_conservation": [[new, "5", "5", "220.00", "221.00"]],
        }),
        "one-twice": (old, twice, {
            "deribit_conservation": [[old, "5", "6", "90.00", "100.00"]],
            "deribit_duplicates": [["BTC", CALL, "1003", "1", "2"]],
        }),
        "another-day": (old, replaced("1000", trade_date=earlier), {
            "deribit_foreign_day": [[old, str(earlier), str(earlier), "1"]],
        }),
        "another-currency": (new, replaced("1009", currency="ETH"), {
            "deribit_foreign_day": [[new, str(DAYS[1]), str(DAYS[1]), "1"]],
        }),
    }  # fmt: skip


#: One for each way to be found: a sum that differs, a gap, a number that is there twice.
QUICK = ("another-amount", "the-first-of-a-day-lost", "one-twice")


@pytest.mark.quick("filesystem-some")
@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(bad_days()), marks=THOROUGH)],
                         ids=["some", "all"])  # fmt: skip
def test_published_days_that_are_bad_are_named(loaded: Loaded, names: tuple[str, ...]) -> None:
    loaded.publish()
    found = {}
    for name in names:
        partition, change, _ = bad_days()[name]
        before = loaded.spoil(partition, change)
        found[name] = loaded.offending()
        loaded.spoil(partition, lambda _, rows=before: rows)  # type: ignore[misc]  # a default
    assert found == {name: bad_days()[name][2] for name in names}
    assert loaded.offending() == {}

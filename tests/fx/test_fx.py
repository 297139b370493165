"""The ECB's rates from the file to the mart, hand-kept rates, and what can go wrong."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.clickhouse.schema.marts import mart_selects
from pipelines.core.partition import ConfigurationError, PartitionError
from pipelines.providers.fx.ecb import years
from scripts.sandbox.fx.server import BASES, FxServer, archive, rates
from tests.support.commands import Commands
from tests.support.providers.stripe_ledgers import mart

UNTIL = date(2026, 10, 30)


MEMBERS = (Path(__file__).parents[2] / "sql" / "euro_members.csv").read_text().splitlines()[1:]
#: A currency that joined the euro has its fixed rate on every day, too.
NOT_JOINED = f"currency not in {tuple(line.split(',')[1] for line in MEMBERS)}"


def test_every_business_day_has_its_rates(commands: Commands) -> None:
    with FxServer(archive(UNTIL, date(2025, 12, 30))) as server:
        commands.set(server.environ)
        assert commands("load", "fx").out == "fx: 2 loaded, 0 unchanged, 0 failed\n"
        commands.well("normalize", marts=True)
    found = mart(
        commands,
        "fx_rates",
        "currency, units_per_eur, rate_source",
        f"where rate_date = '2026-10-30' and {NOT_JOINED} order by 1",
    )
    wanted = {name: Decimal(text) for name, text in rates(UNTIL).items()} | {"EUR": Decimal(1)}
    assert found == [(name, wanted[name], "ECB") for name in sorted(wanted)]
    days = mart(
        commands,
        "fx_rates",
        "count(distinct rate_date), min(rate_date), count(*)",
        f"where {NOT_JOINED}",
    )
    assert days == [(219, date(2025, 12, 30), 219 * (len(BASES) + 1))]


def test_only_a_year_that_changed_is_loaded_again(commands: Commands) -> None:
    with FxServer(archive(UNTIL, date(2025, 12, 30))) as server:
        commands.set(server.environ)
        commands.well("load")
        assert commands("load", "fx").out == "fx: 0 loaded, 2 unchanged, 0 failed\n"
        server.content = archive(date(2026, 11, 2), date(2025, 12, 30))
        assert commands("load", "fx").out == "fx: 1 loaded, 1 unchanged, 0 failed\n"


def test_a_year_before_the_first_is_read_with_from(commands: Commands) -> None:
    with FxServer(archive(UNTIL, date(2024, 12, 30))) as server:
        commands.set(server.environ | {"SOURCES__FX__FIRST_YEAR": "2026"})
        assert commands("load", "fx").out == "fx: 1 loaded, 0 unchanged, 0 failed\n"
        assert (
            commands("load", "fx", "--from", "2024").out == "fx: 2 loaded, 1 unchanged, 0 failed\n"
        )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<html>maintenance</html>", "it begins with '<html>"),
        (b"PK\x03\x04 torn", "neither CSV nor a ZIP"),
        (b"Date,USD,\n2026-10-01,zero,\n", "line 2"),
        (b"Date,USD,\n2026-10-01,-1,\n", "line 2: -1 is not a rate"),
        (b"Date,USD,\n2026-10-01,1.1\n", "line 2 has 2 cells, not 3"),
        (b"Date,USD,\n2026-13-01,1.1,\n", "line 2"),
        (b"Date,USD,\n2026-10-01,1.1,\n2026-10-01,1.2,\n", "two rates of USD on 2026-10-01"),
    ],
)
def test_another_file_is_refused_and_the_rates_stay(content: bytes, what: str) -> None:
    with pytest.raises(PartitionError, match=what.replace("(", r"\(")):
        years(content, "the address")


def test_no_rate_and_the_same_rate_twice_are_no_error() -> None:
    text = b"Date,USD,RUB,\n2026-10-01,1.1,N/A,\n2026-10-01,1.1,N/A,\n\n"
    assert years(text, "") == {"2026": [(date(2026, 10, 1), "USD", Decimal("1.1"))]}


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_that_refuses_is_named(commands: Commands, status: int) -> None:
    with FxServer(archive(UNTIL)) as server:
        server.status = status
        commands.set(server.environ)
        ran = commands("load", "fx")
    assert (ran.status, f"answers {status}" in ran.err.replace("\n", " ")) == (1, True)


def test_no_network_is_said_in_words(commands: Commands) -> None:
    with FxServer(b"") as server:
        commands.set(server.environ)
    ran = commands("load", "fx")
    assert (ran.status, "cannot be read (ConnectionError)" in ran.err.replace("\n", " ")) == (
        1,
        True,
    )


# sql/fx_rates.csv.


HEAD = "rate_date:date,currency:currency,units_per_eur:rate"


def marts_with(folder: Path, *lines: str) -> str:
    """The select of fx_rates with these hand-kept rates."""
    (folder / "marts").mkdir(exist_ok=True)
    source = Path(__file__).parents[2] / "sql" / "marts" / "10_fx_rates.sql"
    (folder / "marts" / source.name).write_text(source.read_text())
    members = source.parents[1] / "euro_members.csv"
    (folder / members.name).write_text(members.read_text())
    (folder / "fx_rates.csv").write_text("\n".join([HEAD, *lines]))
    (mart_,) = mart_selects(folder)
    return mart_.select


def test_a_currency_has_its_fixed_rate_from_the_day_on_that_it_joined_the_euro(
    tmp_path: Path,
) -> None:
    import duckdb

    with duckdb.connect() as duck:
        duck.execute(
            "create table normalized_fx as select unnest([date '2025-12-31', date '2026-01-02']) "
            "as rate_date, 'BGN' as currency, cast(1.9558 as decimal(38, 9)) as units_per_eur"
        )
        select = marts_with(tmp_path)
        found = duck.execute(
            f"select rate_date, currency, units_per_eur from ({select}) "
            "where currency in ('BGN', 'HRK') order by 2, 1"
        ).fetchall()
    assert found == [
        (date(2025, 12, 31), "BGN", Decimal("1.9558")),
        (date(2026, 1, 2), "BGN", Decimal("1.95583")),
        (date(2025, 12, 31), "HRK", Decimal("7.5345")),
        (date(2026, 1, 2), "HRK", Decimal("7.5345")),
    ]


def test_a_hand_kept_rate_wins_over_the_ecbs_of_that_day(tmp_path: Path) -> None:
    import duckdb

    duck = duckdb.connect()
    duck.execute(
        "create table normalized_fx as select date '2026-10-01' as rate_date, "
        "'USD' as currency, cast(1.1 as decimal(38, 9)) as units_per_eur"
    )
    select = marts_with(tmp_path, "2026-10-01,USD,1.25", "2026-10-02,KWD,0.331")
    assert duck.execute(
        f"select * from ({select}) where {NOT_JOINED} order by 1, 2"
    ).fetchall() == [
        (date(2026, 10, 1), "EUR", Decimal(1), "ECB"),
        (date(2026, 10, 1), "USD", Decimal("1.25"), "manual"),
        (date(2026, 10, 2), "EUR", Decimal(1), "ECB"),
        (date(2026, 10, 2), "KWD", Decimal("0.331"), "manual"),
    ]


@pytest.mark.parametrize(
    "line",
    ["2026-10-32,USD,1", "2026-10-01,usd,1", "2026-10-01,USD,0", "2026-10-01,USD", "x'--,USD,1"],
)
def test_a_hand_kept_line_that_is_no_rate_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"fx_rates.csv, line 2"):
        marts_with(tmp_path, line)


def test_a_reporting_currency_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NORMALIZE__REPORTING_CURRENCY", "dollars")
    with pytest.raises(ConfigurationError, match="ISO 4217"):
        mart_selects()

"""Every figure that `make demo` prints, against a slow calculation in Decimal of its own.

It runs once, for every test here, in a folder in which an earlier demo left something.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.tables.raw_tables import RAW_TABLES
from scripts.demo.__main__ import main
from scripts.demo.output import FOLDERS
from scripts.demo.world import CLOUD_SINCE, END, GCP_SINCE, TRADES, TRADING_DAYS
from scripts.sandbox.aws import months
from scripts.sandbox.clickhouse_cloud.usage import records
from scripts.sandbox.deribit.tape import make as make_tape
from scripts.sandbox.fx.server import BASES, MORE, rates
from scripts.sandbox.gcp import exports
from scripts.sandbox.stripe.ledger import transactions
from scripts.sandbox.stripe.server import first_day
from tests.support.demo import LEFT, Demo, Ran, demo  # noqa: F401 (a fixture)
from tests.support.providers.oracle_aws import normalize_rows

TAGS = ("Environment", "Team", "Application")
MONEY = ("billed_cost", "effective_cost", "list_cost")
_TIME = re.compile(r"\d\d:\d\d:\d\d")

Rows = list[list[str]]


def tables(ran: Ran, title: str) -> list[Rows]:
    """The rows of every table below a line that begins with this title."""
    found: list[Rows] = []
    for line in ran.out.splitlines():
        if line.strip() == title:
            found.append([])
            reading = True
        elif not line.startswith(("│", "┃", "┏", "┡", "└")):
            reading = False
        elif line.startswith("│") and found and reading:
            found[-1].append([cell.strip() for cell in line.split("│")[1:-1]])
    return [unfolded(rows) for rows in found]


def unfolded(rows: Rows) -> Rows:
    """A cell that is too wide goes on in the next line, where the last one is empty."""
    whole: Rows = []
    for row in rows:
        if whole and not row[-1]:
            whole[-1] = [above + below for above, below in zip(whole[-1], row, strict=True)]
        else:
            whole.append(row)
    return whole


# an independent calculation


def month(period: str, restated: bool = True) -> list[dict[str, Any]]:
    """A month's cost lines by the slow rules."""
    return _month(period, restated and period == months.RESTATED_PERIOD)


@cache
def _month(period: str, restated: bool) -> list[dict[str, Any]]:
    rows = [
        row | {name: list(row[name].items()) for name in ("resource_tags", "product")}
        for row in months.line_items(period, restated)
    ]
    return normalize_rows(rows, TAGS)


def total(lines: Iterable[dict[str, Any]], column: str) -> Decimal:
    return sum((line[column] for line in lines), Decimal(0))


def money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


@cache
def gcp(restated: bool = True) -> list[dict[str, Any]]:
    """Google's rows, one export per account: amounts in USD by each row's own rate."""
    tables = exports.tables(restated=restated, since=GCP_SINCE)
    names = (exports.DETAILED_USD, exports.STANDARD_CHF)
    found = []
    for row in (row for name in names for row in tables[name].to_pylist()):
        rate = Decimal(str(row["currency_conversion_rate"]))
        cost = Decimal(str(row["cost"]))
        credited = sum((Decimal(str(each["amount"])) for each in row["credits"] or ()), Decimal(0))
        # the fee of a commitment is a purchase, which has no list price
        is_fee = row["sku"]["description"].startswith("Commitment")
        at_list = 0 if is_fee else row["cost_at_list"]
        month = row["invoice"]["month"]
        found.append(
            {
                "month": f"{month[:4]}-{month[4:]}",
                "service_name": row["service"]["description"],
                "used": f"{row['usage_start_time']:%Y-%m}",
                "billed_cost": (cost + credited) / rate,
                "effective_cost": (cost + credited) / rate,
                "list_cost": (cost if at_list is None else Decimal(str(at_list))) / rate,
                "x_credit_amount": credited / rate,
            }
        )
    return found


def gcp_of(period: str, restated: bool = True) -> list[dict[str, Any]]:
    return [row for row in gcp(restated) if row["month"] == period]


@cache
def cloud() -> list[dict[str, Any]]:
    """ClickHouse Cloud's lines: a credit is a dollar, billed at its list price."""
    services = {
        "datawarehouse.storage": "ClickHouse Cloud Storage",
        "datawarehouse.backup": "ClickHouse Cloud Backup",
        "service.compute": "ClickHouse Cloud Compute",
    }
    return [
        {
            "month": record["date"][:7],
            "service_name": services.get(
                f"{record['entityType']}.{meter.removesuffix('CHC')}",
                "ClickPipes"
                if record["entityType"] == "clickpipe"
                else "ClickHouse Cloud Data Transfer",
            ),
            **dict.fromkeys(MONEY, amount),
            "x_credit_amount": Decimal(0),
        }
        for record in records(CLOUD_SINCE, END.date(), END.date())
        for meter, amount in record["metrics"].items()
    ]


def cloud_of(period: str) -> list[dict[str, Any]]:
    return [row for row in cloud() if row["month"] == period]


GCP_PERIODS = ("2026-10",)
CLOUD_PERIODS = ("2026-09", "2026-10")


def by_month(restated: bool) -> Rows:
    bills = [("AWS", period, month(period, restated)) for period in months.PERIODS]
    bills += [("ClickHouse", period, cloud_of(period)) for period in CLOUD_PERIODS]
    bills += [("Google Cloud", period, gcp_of(period, restated)) for period in GCP_PERIODS]
    return [
        [
            provider,
            period,
            *(money(total(lines, column)) for column in (*MONEY, "x_credit_amount")),
            f"{len(lines):,}",
        ]
        for provider, period, lines in bills
    ]


def grouped(
    lines: Sequence[dict[str, Any]], *columns: str
) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        found[tuple(line[column] for column in columns)].append(line)
    return found


def revenue() -> dict[str, dict[str, Decimal]]:
    """By month, in USD: charges; refunds and disputes; fees; tax. Minor units, and the rate of the
    last business day, both by hand."""
    exponents = {"JPY": 0, "KWD": 3}
    found: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in transactions(first_day(END, 4), END):
        currency, day = row["currency"].upper(), datetime.fromtimestamp(row["created"], UTC).date()
        unit = Decimal(10) ** exponents.get(currency, 2)
        business_day = day - timedelta(days=max(0, day.weekday() - 4))
        priced = {"EUR": "1", **rates(business_day, BASES | MORE)}
        usd = 1 if currency == "USD" else Decimal(priced["USD"]) / Decimal(priced[currency])
        month, kind = found[f"{day:%Y-%m}"], row["reporting_category"]
        amount = row["amount"] / unit * usd
        month["gross"] += amount if kind == "charge" else 0
        month["contra"] += amount if kind.startswith(("refund", "dispute")) else 0
        month["fees"] += row["fee"] / unit * usd - (amount if kind == "fee" else 0)
        month["tax"] += amount if kind == "tax" else 0
    return found


def margins() -> list[tuple[str, list[Decimal]]]:
    """Per month the figures of the table, but for the ratio."""
    made = []
    for period in months.PERIODS:
        of = revenue()[period]
        used = [row for row in gcp() if row["used"] == period]
        lines = [*month(period), *used, *cloud_of(period)]
        cost = total(lines, "effective_cost")
        net = of["gross"] + of["contra"] - of["fees"] + of["tax"]
        made.append((period, [of["gross"], of["contra"], of["fees"], net, cost, net - cost]))
    return made


def by_service(provider: str, lines: Sequence[dict[str, Any]]) -> Rows:
    """The five dearest, and all others."""
    services = grouped(lines, "service_name")
    ranked = sorted(services, key=lambda name: -total(services[name], "billed_cost"))
    shown = [(name[0], services[name]) for name in ranked[:5]]
    others = [line for name in ranked[5:] for line in services[name]]
    return [
        [provider, name, *(money(total(lines, column)) for column in MONEY)]
        for name, lines in [*shown, *([("all others", others)] if others else [])]
    ]


# what is printed


def test_it_ends_well(demo: Demo) -> None:  # noqa: F811  # noqa: F811
    assert demo.ran.status == 0, demo.ran.err


def test_it_removes_what_an_earlier_demo_left(demo: Demo) -> None:  # noqa: F811
    """That it says the same each time, test_pictures holds: README and pictures are of another."""
    assert not (demo.folder / LEFT).exists()


def test_nothing_is_printed_as_an_error(demo: Demo) -> None:  # noqa: F811
    lines = [
        line
        for line in demo.ran.err.splitlines()
        if not re.match(rf"({'|'.join(RAW_TABLES)}|mart) \S+( is open since)?( \S+)?: ", line)
    ]
    told = ("created ", "gcp: the months of ")  # tables, and what Google is asked for
    assert [line for line in lines if not line.startswith(told)] == []


def test_cost_by_month_is_right_before_and_after_the_restatement(demo: Demo) -> None:  # noqa: F811
    assert tables(demo.ran, "Cost by month") == [by_month(False), by_month(True)]


def test_cost_by_service_is_right_and_adds_up_to_the_month(demo: Demo) -> None:  # noqa: F811
    newest = months.PERIODS[-1]
    expected = [
        *by_service("AWS", month(newest)),
        *by_service("ClickHouse", cloud_of(newest)),
        *by_service("Google Cloud", gcp_of(newest)),
    ]
    assert tables(demo.ran, "Cost by service, newest month") == [expected]


def test_cost_by_tag_is_right_and_leaves_nothing_out(demo: Demo) -> None:  # noqa: F811
    (found,) = tables(demo.ran, "Cost by tag, newest month")
    newest = months.PERIODS[-1]
    whole = [*month(newest), *gcp_of(newest), *cloud_of(newest)]
    for index, column in ((2, "billed_cost"), (3, "effective_cost")):
        shown = sum(Decimal(row[index].replace(",", "")) for row in found)
        assert abs(shown - total(whole, column)) < Decimal("0.1")
    assert (len(found), found[-1][0]) == (9, "all others")


def test_the_restatements_effect_is_right(demo: Demo) -> None:  # noqa: F811
    (found,) = tables(demo.ran, "What the restatement changed")
    old, new = (month(months.RESTATED_PERIOD, restated) for restated in (False, True))
    change = total(new, "billed_cost") - total(old, "billed_cost")
    assert [[word, name, *rest] for word, name, _, *rest in found] == [
        [
            "aws",
            months.RESTATED_PERIOD,
            f"{len(lines):,}",
            *(money(total(lines, column)) for column in MONEY[:2]),
            difference,
        ]
        for lines, difference in ((old, ""), (new, money(change)))
    ]
    assert all(_TIME.fullmatch(row[2]) for row in found)


def test_both_destinations_have_the_months_right_and_agree(demo: Demo) -> None:  # noqa: F811
    expected = []
    for provider, period, billed, _, _, _, count in by_month(restated=True):
        expected.append([provider, period, billed, billed, count, count, "yes"])
    assert tables(demo.ran, "Both destinations: cost") == [expected]


def test_margin_is_right_and_both_destinations_agree(demo: Demo) -> None:  # noqa: F811
    (found,) = tables(demo.ran, "Margin by month, USD")
    for row, (period, wanted) in zip(found, margins(), strict=True):
        shown = [Decimal(cell.replace(",", "")) for cell in row[1:]]
        assert row[0] == period
        for cell, figure in zip(shown, [*wanted, wanted[-1] / wanted[0]], strict=True):
            assert abs(cell - figure) <= Decimal("0.0151"), (period, cell, figure)
    (both,) = tables(demo.ran, "Both destinations: margin")
    assert [(row[0], row[1], row[2], row[-1]) for row in both] == [
        (row[0], row[1], row[1], "yes") for row in found
    ]


def test_trades_are_all_of_the_tape(demo: Demo) -> None:  # noqa: F811
    tape = make_tape(("BTC",), TRADING_DAYS[0], len(TRADING_DAYS), TRADES)
    paths = sorted((demo.data / "marts" / "trades").glob("*.parquet"))
    ids = [
        i for path in paths for i in pq.ParquetFile(path).read(["trade_id"])["trade_id"].to_pylist()
    ]
    wanted = [trade["trade_id"] for day in TRADING_DAYS for trade in tape.trades("BTC", day)]
    assert sorted(ids) == sorted(map(str, wanted))
    assert len(ids) > 2_000


def test_the_files_lie_where_it_says(demo: Demo) -> None:  # noqa: F811
    (found,) = tables(demo.ran, "Where the files lie")
    data = demo.data
    expected: list[tuple[str, str, int]] = []
    for name in FOLDERS:
        sizes = [path.stat().st_size for path in (data / name).rglob("*.parquet")]
        expected.append((str(data / name), str(len(sizes)), sum(sizes)))
    assert [(folder, count) for folder, count, _ in found] == [row[:2] for row in expected]
    assert all(int(count) > 0 for _, count, _ in expected)
    for (_, _, shown), (_, _, size) in zip(found, expected, strict=True):
        number, unit = shown.split(" ")
        scale = {"kB": 1_000, "MB": 1_000_000}[unit]
        assert abs(float(number) - size / scale) <= 0.5, (shown, size)


def test_the_files_hold_the_lines_that_the_tables_sum(demo: Demo) -> None:  # noqa: F811
    for period in months.PERIODS:
        path = demo.data / "marts" / "costs" / f"aws-{period}.parquet"
        rows = pq.ParquetFile(path).read(list(MONEY)).to_pylist()
        expected = sorted(tuple(line[name] for name in MONEY) for line in month(period))
        assert len(rows) == len(expected)
        for found, wanted in zip(
            sorted(tuple(row.values()) for row in rows), expected, strict=True
        ):
            assert found == pytest.approx([float(value) for value in wanted], abs=1e-9)


def test_it_ends_with_a_verdict_and_what_to_do_next(demo: Demo) -> None:  # noqa: F811
    page, data = demo.folder / "report.html", demo.data
    report = f"DESTINATION__FILESYSTEM__BUCKET_URL={data} make report ARGS='--month 2026-09'"
    assert demo.ran.status == 0
    assert demo.ran.out.splitlines()[-5:] == [
        "What next",
        "Every command and every check succeeded, and both destinations agree.",
        f"Read the report: open {page} in a browser",
        f"Ask of it: {report}",
        "Your own data: export SOURCES__AWS__BUCKET_URL=s3://...; make doctor run-etl report",
    ]
    assert page.is_file()


def test_nothing_outside_its_folder_changes(demo: Demo) -> None:  # noqa: F811
    assert demo.ran.after == demo.ran.before


def test_a_folder_that_is_not_the_demos_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "d"
    theirs = folder / "data" / "letters.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("dear")
    with pytest.raises(SystemExit, match="2"):
        main(["--dir", str(folder)])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith(f"error: {folder} holds data. Name an empty folder with --dir\n")
    assert [path for path in folder.rglob("*") if path.is_file()] == [theirs]

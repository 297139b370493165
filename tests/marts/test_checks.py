"""Each check of sql/checks is silent on good data and names the rows of bad data."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from scripts.sandbox.aws import months
from scripts.sandbox.aws.delivery import deliver_cur2, deliver_focus
from tests.conftest import ROOT, FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines

NAMES = sorted(path.stem for path in (ROOT / "sql" / "checks").glob("*.sql"))
NOW = datetime.now(UTC).replace(microsecond=0)


class Checked:
    """A bucket and a destination whose published data can be spoiled."""

    def __init__(self, commands: Commands, bucket: FolderBucket) -> None:
        self.commands, self.bucket = commands, bucket
        commands.read_from(bucket.url)

    def publish(self, period: str, rows: list[dict[str, Any]], at: datetime = NOW) -> None:
        """Deliver, load and normalise a month."""
        deliver_cur2(self.bucket, "", "daily", period, rows, delivered_at=at)
        self.commands.well("load", "normalize")

    def offending(self) -> dict[str, list[list[str]]]:
        """The rows that `check` prints, by check; its exit status and last line agree with them."""
        ran = self.commands("check")
        found: dict[str, list[list[str]]] = {}
        for line in ran.out.splitlines():
            name, colon, _ = line.partition(": ")
            if colon and name in NAMES:
                found[name] = []
            elif line.startswith("│"):
                found[list(found)[-1]].append([cell.strip() for cell in line.split("│")[1:-1]])
        failed = f": {', '.join(found)}" if found else ""
        assert ran.out.splitlines()[-1] == f"{len(NAMES)} checks, {len(found)} failed{failed}"
        assert (ran.status, ran.err) == (1 if found else 0, "")
        return found

    def rewrite(self, path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
        """Change the rows of a published file and leave its footer as it is."""
        file = pq.ParquetFile(path)
        changed = change(file.read())
        path.unlink()  # the mart's file is a link of the normalised one
        pq.write_table(changed.replace_schema_metadata(file.schema_arrow.metadata), path)

    def normalized(self, period: str) -> Path:
        """A published file."""
        return self.commands.data / f"normalized_aws/billing_period={period}/data.parquet"

    def mart(self, period: str) -> Path:
        """Its link in the mart."""
        return self.commands.data / f"marts/costs/aws-{period}.parquet"


@pytest.fixture
def checked(commands: Commands, aws_bucket: FolderBucket) -> Checked:
    return Checked(commands, aws_bucket)


@pytest.mark.thorough
def test_nothing_loaded_offends_nobody(checked: Checked) -> None:
    assert checked.offending() == {}


@pytest.mark.quick("5")
@pytest.mark.parametrize("every", [1, 5])
def test_whole_bills_pass_every_check(checked: Checked, every: int) -> None:
    """All of four months, or every fifth line of two."""
    for period in months.PERIODS if every == 1 else months.PERIODS[1:3]:
        checked.publish(period, months.line_items(period)[::every])
    assert checked.offending() == {}


def test_each_check_of_single_lines_names_its_own(checked: Checked) -> None:
    type_, currency = "line_item_line_item_type", "line_item_currency_code"
    changes: list[dict[str, Any]] = [
        {},
        {type_: "SavingsPlanRecurringFee"},
        {currency: None},
        {currency: "EUR"},
        {type_: "FutureFee"},
    ]
    rows = lines("2026-10", [1.0, 2.0, 3.0, 2.5, 3.5])
    made = [row | change for row, change in zip(rows, changes, strict=True)]
    checked.publish("2026-10", made + lines("2026-09", [9.0]))
    assert checked.offending() == {
        "foreign_period": [["aws", "2026-10", "2026-09-01 00:00", "2026-09-01 00:00", "1"]],
        "missing_cost": [["aws", "2026-10", "SavingsPlanRecurringFee", "0", "1", "0"]],
        "missing_currency": [["aws", "2026-10", "1", "3.00"]],
        "missing_rate": [["aws", "2026-10", "EUR", "1", "2.50"]],
        "unclassified_line_items": [["aws", "2026-10", "FutureFee", "1", "3.50"]],
    }


@pytest.mark.thorough
def test_a_focus_export_passes_every_check(checked: Checked) -> None:
    for period in months.PERIODS[:2]:
        rows = months.line_items(period)
        deliver_focus(checked.bucket, "", "focus", period, rows, delivered_at=NOW)
    checked.commands.well("load", "normalize")
    assert checked.offending() == {}


@pytest.mark.thorough
def test_months_whose_columns_clash_can_be_checked(checked: Checked) -> None:
    odd = {"x_fingerprint": "theirs", "billing_period": 1.0, "my_own": "text"}
    checked.publish("2026-09", [row | odd for row in lines("2026-09", [9.0])])
    plain = [row | {"product": {"a": "b"}, "my_own": {"c": "d"}} for row in lines("2026-10", [1.0])]
    checked.publish("2026-10", plain)
    checked.publish("2026-11", [row | {"my_own": 5.0} for row in lines("2026-11", [1.0])])
    assert checked.offending() == {}


def test_aws_conservation_names_lost_rows_and_lost_money(checked: Checked) -> None:
    checked.publish("2026-09", lines("2026-09", [9.0, 1.0, 0.5]))
    checked.publish("2026-10", lines("2026-10", [1.0]))
    for path in (checked.normalized("2026-09"), checked.mart("2026-09")):
        checked.rewrite(path, lambda table: table.slice(0, 2))

    def cheaper(table: pa.Table) -> pa.Table:
        at = table.column_names.index("billed_cost")
        return table.set_column(at, "billed_cost", pc.multiply(table["billed_cost"], 0.99))

    for path in (checked.normalized("2026-10"), checked.mart("2026-10")):
        checked.rewrite(path, cheaper)
    offending = checked.offending()
    assert ["aws", "2026-10", "billed_cost", "0.99", "1.00"] in offending.pop("daily_conservation")
    assert offending == {
        "aws_conservation": [
            ["2026-09", "3", "2", "10.50", "10.00"],
            ["2026-10", "1", "1", "1.00", "0.99"],
        ]
    }


@pytest.mark.thorough
def test_aws_conservation_names_a_month_that_is_raw_and_not_published(checked: Checked) -> None:
    checked.publish("2026-09", lines("2026-09", [9.0]))
    checked.normalized("2026-09").unlink()
    checked.mart("2026-09").unlink()
    offending = checked.offending()
    assert offending["aws_conservation"] == [["2026-09", "1", "0", "9.00", "0.00"]]
    assert sorted(offending) == ["aws_conservation", "daily_conservation", "stale_partitions"]


@pytest.mark.thorough
def test_foreign_period_names_a_month_with_lines_of_another(checked: Checked) -> None:
    checked.publish("2026-10", lines("2026-10", [1.0]) + lines("2026-09", [9.0, 9.0]))
    assert checked.offending() == {
        "foreign_period": [["aws", "2026-10", "2026-09-01 00:00", "2026-09-01 00:00", "2"]]
    }


@pytest.mark.thorough
def test_freshness_names_a_source_that_brought_nothing_for_three_days(checked: Checked) -> None:
    four_days_ago = NOW - timedelta(days=4)
    checked.publish("2026-09", lines("2026-09", [9.0]), at=four_days_ago)
    assert checked.offending() == {"freshness": [["aws", f"{four_days_ago:%Y-%m-%d %H:%M}"]]}
    checked.publish("2026-10", lines("2026-10", [1.0]), at=NOW - timedelta(days=2))
    assert checked.offending() == {}


def test_mart_complete_names_a_month_that_the_mart_lacks(checked: Checked) -> None:
    checked.publish("2026-09", lines("2026-09", [9.0]))
    checked.publish("2026-10", lines("2026-10", [1.0, 2.0]))
    mark = checked.commands.delivery("2026-10")["fingerprint"]
    checked.rewrite(checked.mart("2026-10"), lambda table: table.slice(0, 1))
    offending = checked.offending()
    assert offending.pop("daily_conservation")
    assert offending == {"mart_complete": [["aws", "2026-10", mark, "2", "1"]]}


@pytest.mark.thorough
def test_a_mart_that_lost_a_month_is_made_good_by_the_next_run(checked: Checked) -> None:
    checked.publish("2026-10", lines("2026-10", [1.0, 2.0]))
    checked.mart("2026-10").unlink()
    assert sorted(checked.offending()) == ["daily_conservation", "mart_complete"]
    checked.commands.well("normalize")
    assert checked.offending() == {}


@pytest.mark.thorough
def test_missing_cost_names_the_kind_of_line(checked: Checked) -> None:
    fee = {"line_item_line_item_type": "SavingsPlanRecurringFee"}
    rows = lines("2026-10", [1.0, 2.0, 3.0])
    checked.publish("2026-10", [rows[0], rows[1] | fee, rows[2] | fee])
    assert checked.offending() == {
        "missing_cost": [["aws", "2026-10", "SavingsPlanRecurringFee", "0", "2", "0"]]
    }


@pytest.mark.thorough
@pytest.mark.parametrize("currency", [None, ""])
def test_missing_currency_names_the_month(checked: Checked, currency: str | None) -> None:
    rows = lines("2026-10", [1.0, 2.5])
    checked.publish("2026-10", [row | {"line_item_currency_code": currency} for row in rows])
    assert checked.offending() == {"missing_currency": [["aws", "2026-10", "2", "3.50"]]}


@pytest.mark.thorough
def test_missing_rate_names_the_currency(checked: Checked) -> None:
    rows = lines("2026-10", [1.0, 2.5])
    checked.publish("2026-10", [rows[0], rows[1] | {"line_item_currency_code": "EUR"}])
    assert checked.offending() == {"missing_rate": [["aws", "2026-10", "EUR", "1", "2.50"]]}


def test_mixed_deliveries_names_a_month_that_is_counted_twice(checked: Checked) -> None:
    checked.publish("2026-10", lines("2026-10", [1.0]))

    def twice(table: pa.Table) -> pa.Table:
        at = table.column_names.index("x_fingerprint")
        other = table.set_column(at, "x_fingerprint", pa.array(["another"] * table.num_rows))
        return pa.concat_tables([table, other.cast(table.schema)])

    checked.rewrite(checked.mart("2026-10"), twice)
    offending = checked.offending()
    assert offending["mixed_deliveries"] == [["aws", "2026-10", "2", "2"]]
    assert sorted(offending) == ["daily_conservation", "mart_complete", "mixed_deliveries"]


def test_stale_partitions_name_what_is_not_loaded_and_what_is_not_normalised(
    checked: Checked,
) -> None:
    checked.publish("2026-08", lines("2026-08", [8.0]))
    deliver_cur2(checked.bucket, "", "daily", "2026-09", lines("2026-09", [9.0]), delivered_at=NOW)
    checked.commands.well("load")
    broken = deliver_cur2(
        checked.bucket, "", "daily", "2026-10", lines("2026-10", [1.0]), delivered_at=NOW
    )
    checked.bucket.put(broken.files[0], b"", modified=NOW)
    assert checked.commands("load").status == 1
    delivered = f"{NOW:%Y-%m-%d %H:%M}"
    assert checked.offending()["stale_partitions"] == [
        ["aws", "2026-09", delivered, "not normalised"],
        ["aws", "2026-10", delivered, "not loaded"],
    ]


@pytest.mark.thorough
def test_an_empty_month_is_not_stale(checked: Checked) -> None:
    checked.publish("2026-10", lines("2026-10", [1.0]))
    checked.publish("2026-10", [])
    assert checked.offending() == {}


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["FutureFee", None, ""])
def test_unclassified_line_items_are_named(checked: Checked, kind: str | None) -> None:
    rows = lines("2026-10", [1.0, 2.5])
    checked.publish("2026-10", [rows[0], rows[1] | {"line_item_line_item_type": kind}])
    assert checked.offending() == {
        "unclassified_line_items": [["aws", "2026-10", kind or "(none)", "1", "2.50"]]
    }


@pytest.mark.thorough
def test_an_unknown_charge_category_of_focus_is_unclassified(checked: Checked) -> None:
    deliver_focus(checked.bucket, "", "focus", "2026-10", lines("2026-10", [2.5]), delivered_at=NOW)
    (key,) = checked.bucket.keys("focus/data")
    table = pq.ParquetFile(checked.bucket.path(key)).read()
    at = table.column_names.index("ChargeCategory")
    changed = table.set_column(at, "ChargeCategory", pa.array(["Barter"]))
    sink = pa.BufferOutputStream()
    pq.write_table(changed, sink)
    checked.bucket.put(key, sink.getvalue().to_pybytes(), modified=NOW)
    checked.commands.well("load", "normalize")
    assert checked.offending() == {
        "unclassified_line_items": [["aws", "2026-10", "(none)", "1", "2.50"]]
    }


def test_every_check_says_what_one_row_is_and_has_a_test_here() -> None:
    files = sorted(
        {
            *(ROOT / "tests").rglob("test_*checks*.py"),
            ROOT / "tests/gcp/test_gcp_switch.py",
            ROOT / "tests/stripe/test_stripe_objects.py",
            ROOT / "tests/stripe/test_stripe_completeness.py",
            ROOT / "tests/stripe/test_stripe_month_totals.py",
            ROOT / "tests/stripe/test_stripe_payouts.py",
            ROOT / "tests/deribit/test_deribit_final_days.py",
            ROOT / "tests/streaming/test_live_trades.py",
            ROOT / "tests/clickhouse_cloud/test_clickhouse_cloud.py",
            ROOT / "tests/marts/totals/test_reconciliation.py",
            ROOT / "tests/focus/test_focus_source.py",
            ROOT / "tests/destinations/test_work.py",
        }
    )
    tests = "".join(path.read_text(encoding="utf-8") for path in files)
    for path in (ROOT / "sql" / "checks").glob("*.sql"):
        assert path.read_text(encoding="utf-8").startswith("-- one row per "), path
        assert re.search(rf'"{path.stem}(: )?"', tests), path

"""The checks on ClickHouse: the same statements, the same offending rows as on parquet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.aws import months
from scripts.sandbox.aws.delivery import deliver_focus
from tests.conftest import ROOT, FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import environ
from tests.support.world import World

NAMES = sorted(path.stem for path in (ROOT / "sql" / "checks").glob("*.sql"))
NOW = datetime.now(UTC).replace(microsecond=0)
BOTH = ("filesystem", "clickhouse")

Found = dict[str, list[list[str]]]


class CheckedWorld(World):
    """A world whose two destinations are checked, and changed behind the project's back."""

    def delivered(self, period: str, rows: list[dict[str, Any]], at: datetime = NOW) -> list[str]:
        """Deliver a month, now or earlier; its files."""
        return self.deliver_rows(period, rows, delivered_at=at).files

    def published(self, period: str, rows: list[dict[str, Any]], at: datetime = NOW) -> None:
        """Deliver a month and bring it to both destinations."""
        self.delivered(period, rows, at)
        self.both()

    def offending(self, *names: str) -> Found:
        """What `check` prints on both destinations, which has to be the same, by check.

        Of the checks with these names alone, or of every check.
        """
        on_parquet, on_clickhouse = (self._check(destination, names) for destination in BOTH)
        assert on_clickhouse == on_parquet
        return on_clickhouse

    def _check(self, destination: str, names: Sequence[str]) -> Found:
        said = self.commands.checked(*(names or NAMES), destination=destination)
        found: Found = {}
        for line in said.splitlines():
            name, colon, _ = line.partition(": ")
            if colon and name in NAMES:
                found[name] = []
            elif line.startswith(("│", "┃")):
                found[list(found)[-1]].append([cell.strip() for cell in line[1:-1].split(line[0])])
        failed = f": {', '.join(found)}" if found else ""
        count = len(names or NAMES)
        assert said.splitlines()[-1] == f"{count} checks, {len(found)} failed{failed}"
        return found

    def normalised(self, period: str) -> Path:
        return self.commands.data / f"normalized_aws/billing_period={period}/data.parquet"

    def mart(self, period: str) -> Path:
        return self.commands.data / f"marts/costs/aws-{period}.parquet"

    def rewrite(self, change: Callable[[pa.Table], pa.Table], *paths: Path) -> None:
        """On parquet: change the rows of published files."""
        for path in paths:
            file = pq.ParquetFile(path)
            changed = change(file.read())
            path.unlink()  # the mart's file is a link of the normalised one
            pq.write_table(changed.replace_schema_metadata(file.schema_arrow.metadata), path)


@pytest.fixture
def world(
    aws_bucket: FolderBucket, clickhouse: ClickHouseConfig, commands: Commands
) -> CheckedWorld:
    commands.set(environ(clickhouse, aws_bucket.root))
    return CheckedWorld(aws_bucket, clickhouse, commands)


@pytest.mark.thorough
def test_a_server_into_which_nothing_was_loaded_offends_nobody(world: CheckedWorld) -> None:
    assert world.commands("migrate").status == 0
    assert world.offending() == {}


@pytest.mark.thorough
def test_whole_bills_pass_every_check_on_both(world: CheckedWorld) -> None:
    for period in months.PERIODS[1:3]:
        world.delivered(period, months.line_items(period)[::5])
    world.delivered("2026-10", [])
    world.both()
    assert world.offending() == {}


@pytest.mark.thorough
def test_a_focus_export_passes_every_check_on_both(world: CheckedWorld) -> None:
    rows = months.line_items("2026-09")[::20]
    deliver_focus(world.bucket, "", "focus", "2026-09", rows, delivered_at=NOW)
    world.both()
    assert world.offending() == {}


# What a delivery can bring.


@pytest.mark.thorough
def test_lines_of_another_month_are_named(world: CheckedWorld) -> None:
    world.published("2026-10", lines("2026-10", [1.0]) + lines("2026-09", [9.0, 9.0]))
    assert world.offending() == {
        "foreign_period": [
            ["x_source", "x_partition", "first_period", "last_period", "line_items"],
            ["aws", "2026-10", "2026-09-01 00:00", "2026-09-01 00:00", "2"],
        ]
    }


@pytest.mark.thorough
def test_unknown_kinds_costs_currencies_and_rates_are_named(world: CheckedWorld) -> None:
    """Every check of single lines at once, in two months."""
    type_, currency = "line_item_line_item_type", "line_item_currency_code"
    fee = {type_: "SavingsPlanRecurringFee"}  # without commitments
    rows = lines("2026-10", [1.0, 2.0, 3.0, 4.0, 5.5, 6.0, 1_000_000.0, -8.0])
    world.delivered(
        "2026-10",
        [
            rows[0] | fee,
            rows[1] | fee,
            rows[2] | {currency: None},
            rows[3] | {currency: ""},
            rows[4] | {currency: "EUR"},
            rows[5] | {type_: None},
            rows[6] | {type_: "FutureFee"},
            rows[7] | {type_: ""},
        ],
    )
    costless = {"line_item_unblended_cost": None, "pricing_public_on_demand_cost": None}
    world.delivered("2026-09", [lines("2026-09", [9.0])[0] | costless, *lines("2026-09", [1.0])])
    world.both()
    of_lines = ["x_source", "x_partition"]
    assert world.offending() == {
        "missing_cost": [
            [*of_lines, "line_item_type", "without_billed", "without_effective", "without_list"],
            ["aws", "2026-09", "Usage", "1", "1", "1"],
            ["aws", "2026-10", "SavingsPlanRecurringFee", "0", "2", "0"],
        ],
        "missing_currency": [
            [*of_lines, "line_items", "billed"],
            ["aws", "2026-10", "2", "7.00"],
        ],
        "missing_rate": [
            [*of_lines, "billing_currency", "line_items", "billed"],
            ["aws", "2026-10", "EUR", "1", "5.50"],
        ],
        "unclassified_line_items": [
            [*of_lines, "line_item_type", "line_items", "billed"],
            ["aws", "2026-10", "(none)", "2", "-2.00"],
            ["aws", "2026-10", "FutureFee", "1", "1,000,000.00"],
        ],
    }


@pytest.mark.thorough
def test_a_delivery_of_four_days_ago_is_not_fresh(world: CheckedWorld) -> None:
    four_days_ago = NOW - timedelta(days=4)
    world.published("2026-09", lines("2026-09", [9.0]), at=four_days_ago)
    assert world.offending() == {
        "freshness": [["word", "newest_delivery"], ["aws", f"{four_days_ago:%Y-%m-%d %H:%M}"]]
    }
    world.published("2026-10", [], at=NOW - timedelta(days=2))
    assert world.offending() == {}


@pytest.mark.thorough
def test_a_delivery_that_could_not_be_loaded_is_named(world: CheckedWorld) -> None:
    world.published("2026-09", lines("2026-09", [9.0]))
    (broken, *_) = world.delivered("2026-10", lines("2026-10", [1.0]))
    world.bucket.put(broken, b"", modified=NOW)
    world.both(status=1)
    assert world.offending() == {
        "stale_partitions": [
            ["word", "partition", "delivered_at", "state"],
            ["aws", "2026-10", f"{NOW:%Y-%m-%d %H:%M}", "not loaded"],
        ]
    }


# What can only be done to published rows by hand.


@pytest.mark.thorough
def test_pods_that_cost_more_than_their_instance_are_named(world: CheckedWorld) -> None:
    node, pod = lines("2026-09", [10.0, 0.0])
    node |= {"line_item_usage_type": "BoxUsage:m5.large", "line_item_resource_id": "i-1"}
    pod |= {
        "line_item_usage_start_date": node["line_item_usage_start_date"],
        "line_item_operation": "EKSPod-EC2",
        "split_line_item_parent_resource_id": "i-1",
        "split_line_item_split_cost": 9.0,
        "split_line_item_unused_cost": 2.0,
    }
    world.published("2026-09", [node, pod])
    world.commands.well("normalize", marts=True)
    names = ["x_partition", "parent_resource_id", "charge_period_start", "line_items",
             "cost_split", "cost_instance"]  # fmt: skip
    assert world.offending() == {
        "aws_split_conservation": [
            names,
            ["2026-09", "i-1", "2026-09-01 00:00", "1", "11.00", "10.00"],
        ]
    }


@pytest.mark.thorough
def test_rows_that_raw_and_normalised_lost_alike_are_named(world: CheckedWorld) -> None:
    world.published("2026-09", lines("2026-09", [9.0, 1.0, 0.5]))
    (raw,) = (world.commands.data / "aws_costs/cur/billing_period=2026-09").glob("*.parquet")
    world.rewrite(lambda table: table.slice(0, 2), raw)
    world.rewrite(
        lambda table: table.filter(pc.not_equal(table["billed_cost"], 0.5)),
        world.normalised("2026-09"),
        world.mart("2026-09"),
    )
    world.change(
        "delete from aws_costs__cur where line_item_unblended_cost = 0.5",
        "delete from normalized_aws where billed_cost = 0.5",
    )
    offending = world.offending()
    assert offending.pop("daily_conservation")
    assert offending == {
        "aws_row_counts": [["billing_period", "rows_delivered", "rows_published"],
                           ["2026-09", "3", "2"]]
    }  # fmt: skip


def test_lost_rows_and_lost_money_are_named(world: CheckedWorld) -> None:
    world.delivered("2026-09", lines("2026-09", [9.0, 1.0, 0.5]))
    world.published("2026-10", lines("2026-10", [1.0]))
    world.rewrite(
        lambda table: table.filter(pc.not_equal(table["billed_cost"], 0.5)),
        world.normalised("2026-09"),
        world.mart("2026-09"),
    )

    def cheaper(table: pa.Table) -> pa.Table:
        at = table.column_names.index("billed_cost")
        return table.set_column(at, "billed_cost", pc.multiply(table["billed_cost"], 0.99))

    world.rewrite(cheaper, world.normalised("2026-10"), world.mart("2026-10"))
    world.change(
        "delete from normalized_aws where billed_cost = 0.5",
        "alter table normalized_aws update billed_cost = billed_cost * 0.99 "
        "where x_partition = '2026-10' settings mutations_sync = 1",
    )
    offending = world.offending("aws_conservation", "daily_conservation", "mart_complete")
    assert offending.pop("daily_conservation")
    assert offending == {
        "aws_conservation": [
            ["billing_period", "rows_raw", "rows_published", "billed_raw", "billed_published"],
            ["2026-09", "3", "2", "10.50", "10.00"],
            ["2026-10", "1", "1", "1.00", "0.99"],
        ]
    }


@pytest.mark.thorough
def test_rows_that_a_mart_lacks_are_named(world: CheckedWorld) -> None:
    world.published("2026-10", lines("2026-10", [1.0, 2.0]))
    mark = world.commands.delivery("2026-10")["fingerprint"]
    world.rewrite(
        lambda table: table.filter(pc.less(table["billed_cost"], 2.0)), world.mart("2026-10")
    )
    world.change(
        "create or replace view costs as select * from normalized_aws where billed_cost < 2"
    )
    columns = ["x_source", "x_partition", "x_fingerprint", "rows_normalised", "rows_in_costs"]
    offending = world.offending()
    assert offending.pop("daily_conservation")
    assert offending == {"mart_complete": [columns, ["aws", "2026-10", mark, "2", "1"]]}


@pytest.mark.thorough
def test_a_month_that_holds_two_deliveries_is_named(world: CheckedWorld) -> None:
    world.published("2026-10", lines("2026-10", [1.0]))

    def twice(table: pa.Table) -> pa.Table:
        at = table.column_names.index("x_fingerprint")
        other = table.set_column(at, "x_fingerprint", pa.array(["another"] * table.num_rows))
        return pa.concat_tables([table, other.cast(table.schema)])

    world.rewrite(twice, world.normalised("2026-10"), world.mart("2026-10"))
    world.change(
        "insert into normalized_aws select * replace ('another' as x_fingerprint) "
        "from normalized_aws"
    )
    offending = world.offending()
    assert offending.pop("daily_conservation")
    assert offending == {
        "aws_conservation": [
            ["billing_period", "rows_raw", "rows_published", "billed_raw", "billed_published"],
            ["2026-10", "1", "2", "1.00", "2.00"],
        ],
        "mixed_deliveries": [
            ["x_source", "x_partition", "deliveries", "line_items"],
            ["aws", "2026-10", "2", "2"],
        ],
    }


@pytest.mark.thorough
def test_a_month_that_is_not_normalised_is_named(world: CheckedWorld) -> None:
    world.delivered("2026-09", lines("2026-09", [9.0]))
    world.published("2026-10", lines("2026-10", [1.0]))
    for path in (world.normalised("2026-10"), world.mart("2026-10")):
        path.unlink()
    world.change("alter table normalized_aws drop partition '2026-10'")
    offending = world.offending()
    assert offending.pop("daily_conservation")
    assert offending == {
        "aws_conservation": [
            ["billing_period", "rows_raw", "rows_published", "billed_raw", "billed_published"],
            ["2026-10", "1", "0", "1.00", "0.00"],
        ],
        "stale_partitions": [
            ["word", "partition", "delivered_at", "state"],
            ["aws", "2026-10", f"{NOW:%Y-%m-%d %H:%M}", "not normalised"],
        ],
    }


@pytest.mark.thorough
def test_ingested_months_pass_until_they_are_old(world: CheckedWorld) -> None:
    """No raw lies on the server then: what it can be held against is where it was loaded."""
    world.delivered("2026-10", lines("2026-10", [1.0]), at=NOW - timedelta(days=5))
    assert world.commands("load", "--destination=filesystem").status == 0
    world.commands.well("normalize")
    assert world.commands("ingest").status == 0
    delivered = f"{NOW - timedelta(days=5):%Y-%m-%d %H:%M}"
    assert world.offending() == {"freshness": [["word", "newest_delivery"], ["aws", delivered]]}


def test_every_check_has_a_test_here() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    others = (
        "clickhouse_cloud_",
        "deribit_",
        "focus_",
        "gcp_",
        "last_run",
        "reconciles",
        "stripe_",
        "revenue_",
        "unfinished_",
    )  # in test_*_checks.py
    mine = [name for name in NAMES if not name.startswith(others)]
    assert [name for name in mine if f'"{name}"' not in tests] == []

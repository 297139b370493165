"""What the platform costs, what it transfers, what a backfill takes: the scripts' figures."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts import measure_baseline_costs, monitor_egress, poc_backfill
from scripts.costs.prices import Prices, prices
from scripts.sandbox.aws.delivery import deliver_cur2
from scripts.sandbox.clickhouse_cloud.server import ClickhouseCloudServer
from scripts.sandbox.clickhouse_cloud.usage import PROD, record
from scripts.sandbox.http import Handler, LoopbackServer
from tests.conftest import FolderBucket
from tests.support.commands import Commands
from tests.support.providers.aws_months import lines

FIRST = date(2026, 10, 1)
RUN = {"run_started_at": "2026-10-03T02:00:00Z", "updated_at": "2026-10-03T02:06:30Z"}


class GitHub(LoopbackServer):
    """The workflow's runs: a full page and one more. `keys` are those that came."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.status = 200
        super().__init__(_Runs)


class _Runs(Handler[GitHub]):
    def serve(self) -> None:
        self.owner.keys.add(self.headers["Authorization"])
        runs = [RUN] * (100 if "page=1" in self.path.split("&") else 1)
        self.send(self.owner.status, json.dumps({"workflow_runs": runs}).encode(), {})


@pytest.fixture
def published(commands: Commands, aws_bucket: FolderBucket) -> Commands:
    """Ten days of ClickHouse Cloud, and a month of AWS with usage types of transfer."""
    usage = [
        record(FIRST + timedelta(days=n), "service", PROD, "prod", compute="2",
               publicDataTransfer="0.5", interRegionTier1DataTransfer="0.25")
        for n in range(10)
    ]  # fmt: skip
    rows = lines("2026-10", [3.0, 1.5, 0.6])
    types = ("EUC1-TimedStorage-ByteHrs", "EUC1-USE1-AWS-Out-Bytes", "DataTransfer-Out-Bytes")
    for row, usage_type in zip(rows, types, strict=True):
        row |= {"line_item_usage_type": usage_type, "line_item_usage_amount": 20.0}
    deliver_cur2(aws_bucket, "", "cur", "2026-10", rows)
    commands.read_from(aws_bucket.url)
    with ClickhouseCloudServer(usage, created=FIRST) as server:
        commands.set(server.environ)
        commands.well("load aws", "load clickhouse_cloud --to 2026-10", "normalize")
    return commands


def test_the_platforms_cost_is_measured_and_projected_to_a_month(
    published: Commands, tmp_path: Path
) -> None:
    written = tmp_path / "costs.json"
    with GitHub() as github:
        published.set({"GITHUB_TOKEN": "ghp_secret", "GITHUB_REPOSITORY": "example/platform"})
        published.set({"GITHUB_API_URL": github.address})
        arguments = ["--days", "10", "--json", str(written), "--service", "AmazonS3"]
        assert measure_baseline_costs.main(arguments) == 0
        assert github.keys == {"Bearer ghp_secret"}
    found = {row["what"]: (row["days"], row["cost"], round(row["per month"], 4))
             for row in json.loads(written.read_text())}  # fmt: skip
    assert found == {
        "aws: AmazonS3": (1, 1.5, 4.5656),
        "clickhouse_cloud: ClickHouse Cloud Compute": (10, 20.0, 60.875),
        "clickhouse_cloud: ClickHouse Cloud Data Transfer": (10, 7.5, 22.8281),
        "GitHub: 707 minutes": (10, pytest.approx(4.242), 12.9116),
    }


def test_a_token_without_the_right_is_told_and_not_shown(
    published: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    with GitHub() as github:
        github.status = 403
        published.set({"GITHUB_TOKEN": "ghp_secret", "GITHUB_REPOSITORY": "example/platform"})
        published.set({"GITHUB_API_URL": github.address})
        assert measure_baseline_costs.main([]) == 1
    err = capsys.readouterr().err
    assert "does not list the runs of etl-pipeline.yml (403)" in err
    assert "ghp_secret" not in err


def test_transfer_is_shown_by_direction_and_regions(
    published: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "egress.json"
    arguments = ["--days", "40", "--strict", "--json", str(written)]
    same = {"AWS_DEFAULT_REGION": "eu-central-1", "CLICKHOUSE_CLOUD_REGION": "eu-central-1"}
    published.set(same)
    assert monitor_egress.main(arguments) == 0
    found = [tuple(row.values()) for row in json.loads(written.read_text())["transfers"]]
    assert found == [
        ("clickhouse_cloud", "service", "region of tier 1", "between regions, out", None, 2.5,
         "USD"),
        ("clickhouse_cloud", "service", "internet", "out", None, 5.0, "USD"),
        ("aws", "USE1", "internet", "out", 20.0, 0.6, "USD"),
        ("aws", "EUC1", "USE1", "between regions, out", 20.0, 1.5, "USD"),
    ]  # fmt: skip
    published.set({"CLICKHOUSE_CLOUD_REGION": "us-east-1"})
    assert monitor_egress.main(arguments) == 1
    warning = (
        "warn: the loader runs in eu-central-1, the service in us-east-1: intra-region is free, "
        "egress is not, at 0.09 USD per GB by prices.egress_gb. Run the loader in us-east-1."
    )
    assert json.loads(written.read_text())["warning"] == warning
    assert "warn: the loader runs in eu-central-1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("usage_type", "way"),
    [
        ("EUC1-DataTransfer-In-Bytes", ("EUC1", "internet", "in")),
        ("EUC1-DataTransfer-Regional-Bytes", ("EUC1", "another zone", "between zones")),
        ("USE1-EUC1-AWS-In-Bytes", ("USE1", "EUC1", "between regions, in")),
        ("EUC1-TimedStorage-ByteHrs", None),
        ("EUC1-Requests-Tier1", None),
    ],
)
def test_a_usage_type_says_where_bytes_went(usage_type: str, way: Any) -> None:
    assert monitor_egress.way_of(usage_type) == way


@pytest.mark.thorough
def test_a_backfill_is_measured_resumed_and_projected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "backfill.json"
    arguments = ["2026-10-01", "2026-10-02", "--dir", str(tmp_path / "days"), "--years", "2"]
    assert poc_backfill.main([*arguments, "--json", str(written)]) == 0
    first = json.loads(written.read_text())
    assert [day["day"] for day in first["days"]] == ["2026-10-01", "2026-10-02"]
    figures = ("trades", "requests", "received", "written", "memory")
    assert all(day[figure] > 0 for day in first["days"] for figure in figures)
    assert [row["where"] for row in first["on_paper"]] == [
        "this machine",
        "Lambda, days of at most 900 s",
        "Batch on Fargate",
        "Batch on Spot",
    ]
    capsys.readouterr()
    (tmp_path / "days" / "2026-10-02.json").unlink()  # as if it had been killed there
    assert poc_backfill.main([*arguments, "--json", str(written)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "2026-10-01: measured before"
    assert json.loads(written.read_text())["days"][0] == first["days"][0]


def test_a_backfill_on_paper_costs_seconds_times_size_times_price() -> None:
    found = list(poc_backfill.on_paper(36_000.0, 400_000_000, Prices()))
    assert [(where, round(cost, 4)) for where, _, _, _, cost in found] == [
        ("this machine", 0.0),
        ("Lambda, days of at most 900 s", 0.6),
        ("Batch on Fargate", 0.4937),
        ("Batch on Spot", 0.1481),
    ]


def test_a_price_of_your_own_takes_the_place_of_the_list_price(commands: Commands) -> None:
    commands.set({"PRICES__GITHUB_MINUTE": "0.01"})
    assert dict(prices()) == dict(Prices()) | {"github_minute": 0.01}

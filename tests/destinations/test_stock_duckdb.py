"""The sources by themselves, with nothing but dlt: each into its stock `duckdb` destination."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from scripts.sandbox.aws.delivery import (
    deliver_cur2,
    deliver_focus,
    deliver_legacy_csv,
    deliver_legacy_parquet,
)
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Tape
from scripts.sandbox.fx.server import FxServer, archive
from scripts.sandbox.stripe.ledger import transaction
from tests.conftest import FolderBucket, S3Bucket
from tests.support.providers.aws_months import lines
from tests.support.providers.deribit_market import FIRST, NOW, Writer
from tests.support.providers.gcp_days import environ, put
from tests.support.providers.stripe_ledgers import NOW as TODAY
from tests.support.providers.stripe_ledgers import rows as ledger_rows
from tests.support.providers.stripe_ledgers import served

if TYPE_CHECKING:
    from scripts.sandbox.bigquery.server import BigQueryServer

Environ = Callable[[dict[str, str]], None]


@dataclass
class Stock:
    """A pipeline of dlt's own into a DuckDB file."""

    folder: Path
    dataset: str

    def __post_init__(self) -> None:
        self.pipeline = dlt.pipeline(
            f"stock_{self.dataset}",
            destination=dlt.destinations.duckdb(str(self.folder / "stock.duckdb")),
            dataset_name=self.dataset,
        )

    def run(self, source: Any) -> None:
        """Load a source."""
        self.pipeline.run(source)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows, in the dataset."""
        with self.pipeline.sql_client() as client:
            return [tuple(row) for row in client.execute_sql(sql) or ()]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Environ:
    """Configure by environment variables alone."""

    def configure(environ: dict[str, str]) -> None:
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

    return configure


FORMS: dict[str, tuple[Any, str, str]] = {
    "cur2": (deliver_cur2, "line_item_unblended_cost", "bill_billing_period_start_date"),
    "legacy-csv": (
        deliver_legacy_csv,
        "line_item_unblended_cost",
        "bill_billing_period_start_date",
    ),
    "legacy-parquet": (
        deliver_legacy_parquet,
        "line_item_unblended_cost",
        "bill_billing_period_start_date",
    ),
    "focus": (deliver_focus, "billed_cost", "billing_period_start"),
}


@pytest.mark.quick("cur2")
@pytest.mark.parametrize("form", FORMS)
def test_aws_loads_and_a_restated_month_replaces_itself(
    aws_bucket: FolderBucket, tmp_path: Path, configure: Environ, form: str
) -> None:
    from pipelines.aws_pipeline import aws

    deliver, cost, period = FORMS[form]
    configure({"SOURCES__AWS__BUCKET_URL": aws_bucket.url})
    deliver(aws_bucket, "billing", "daily", "2026-09", lines("2026-09", [9.0, 0.9]), files=2)
    deliver(aws_bucket, "billing", "daily", "2026-10", lines("2026-10", [1.0, 2.0, 3.0]))
    stock = Stock(tmp_path, "aws_costs")
    stock.run(aws())
    by_month = (
        f"select strftime({period}, '%Y-%m'), count(*), sum({cost}) from cur group by 1 order by 1"
    )
    assert stock.query(by_month) == [("2026-09", 2, pytest.approx(9.9)), ("2026-10", 3, 6.0)]
    deliver(aws_bucket, "billing", "daily", "2026-10", lines("2026-10", [5.0], "restated"))
    stock.run(aws(first="2026-10"))
    assert stock.query(by_month) == [("2026-09", 2, pytest.approx(9.9)), ("2026-10", 1, 5.0)]
    assert "cur" in stock.pipeline.dataset().tables


def test_aws_takes_its_bucket_and_credentials_as_arguments(s3: S3Bucket, tmp_path: Path) -> None:
    from dlt.common.configuration.specs import AwsCredentials

    from pipelines.aws_pipeline import aws

    for month in ("2026-08", "2026-09", "2026-10"):
        deliver_cur2(s3.target, "billing", "daily", month, lines(month, [1.0]))
    credentials = AwsCredentials(
        aws_access_key_id="test-key",
        aws_secret_access_key="test-secret",
        region_name="us-east-1",
        endpoint_url=s3.endpoint_url,
    )
    stock = Stock(tmp_path, "aws_costs")
    stock.run(aws(s3.url, credentials, export="daily", first="2026-09", last="2026-09"))
    found = "select strftime(bill_billing_period_start_date, '%Y-%m') from cur"
    assert stock.query(found) == [("2026-09",)]


def test_a_column_that_changes_its_kind_is_refused_and_a_new_one_is_added(
    aws_bucket: FolderBucket, tmp_path: Path, configure: Environ
) -> None:
    from pipelines.aws_pipeline import aws

    configure({"SOURCES__AWS__BUCKET_URL": aws_bucket.url})
    deliver_cur2(aws_bucket, "billing", "daily", "2026-09", lines("2026-09", [9.0]))
    stock = Stock(tmp_path, "aws_costs")
    stock.run(aws())
    more = [row | {"ours": 1.5} for row in lines("2026-10", [1.0])]
    deliver_cur2(aws_bucket, "billing", "daily", "2026-10", more)
    stock.run(aws(first="2026-10"))
    assert stock.query("select ours from cur order by 1") == [(1.5,), (None,)]
    other = [row | {"ours": "text"} for row in lines("2026-11", [1.0])]
    deliver_cur2(aws_bucket, "billing", "daily", "2026-11", other)
    with pytest.raises(PipelineStepFailed, match="ours"):
        stock.run(aws(first="2026-11"))


@pytest.mark.thorough
def test_gcp_loads_and_a_restated_day_replaces_itself(
    bigquery_server: BigQueryServer, tmp_path: Path, configure: Environ
) -> None:
    from pipelines.google_bq_incremental_pipeline import gcp

    put(bigquery_server, {"2026-10-28": [1.0, 2.0], "2026-10-29": [4.0, 4.0]})
    configure(environ(bigquery_server))
    stock = Stock(tmp_path, "gcp_costs")
    stock.run(gcp(first="2026-10-28"))
    by_day = "select export_date, count(*), sum(cost) from billing_export group by 1 order by 1"
    assert stock.query(by_day) == [("2026-10-28", 2, 3.0), ("2026-10-29", 2, 8.0)]
    put(bigquery_server, {"2026-10-28": [1.0, 2.0], "2026-10-29": [7.0]}, at=9)
    stock.run(gcp(first="2026-10-29"))
    assert stock.query(by_day) == [("2026-10-28", 2, 3.0), ("2026-10-29", 1, 7.0)]


@pytest.mark.thorough
def test_stripe_loads_and_a_restated_month_replaces_itself(
    tmp_path: Path, configure: Environ
) -> None:
    from pipelines.stripe_pipeline import stripe

    month_before = TODAY.replace(day=1) - timedelta(days=1)
    old = transaction(month_before, 99, "charge", 700, 7, "usd")
    pending = ledger_rows(("charge", 4_900, 172, "usd"), ("charge", 100, 1, "usd"))
    with served(old, *pending) as server:
        configure(server.environ)
        stock = Stock(tmp_path, "stripe")
        stock.run(stripe())
        by_month = (
            "select created_month, count(*), sum(amount) from balance_transactions "
            "group by 1 order by 1"
        )
        months = [f"{month_before:%Y-%m}", f"{TODAY:%Y-%m}"]
        assert stock.query(by_month) == [(months[0], 1, 700), (months[1], 2, 5_000)]
        server.offer("balance_transactions", [old, pending[0]])
        stock.run(stripe(first=months[1]))
        assert stock.query(by_month) == [(months[0], 1, 700), (months[1], 1, 4_900)]


@pytest.mark.thorough
def test_fx_loads_and_a_year_replaces_itself(tmp_path: Path) -> None:
    from pipelines.fx_pipeline import fx

    stock = Stock(tmp_path, "fx")
    by_year = "select rate_year, count(distinct rate_date) from ecb_rates group by 1 order by 1"
    with FxServer(archive(date(2026, 1, 9), date(2025, 12, 29))) as server:
        url = server.environ["SOURCES__FX__URL"]
        stock.run(fx(url))
        first = stock.query(by_year)
        server.content = archive(date(2026, 1, 12), date(2025, 12, 29))
        stock.run(fx(url, first="2026"))
    (old, days), (new, later) = stock.query(by_year)
    assert [(old, days), (new, later - 1)] == first


@pytest.fixture
def market() -> Iterator[Writer]:
    """Deribit with trades of two days."""
    with Sandbox(Tape(), NOW) as sandbox:
        writer = Writer(sandbox)
        writer.trade(FIRST, "BTC-PERPETUAL", times=2)
        writer.trade(FIRST + timedelta(days=2), "BTC-PERPETUAL", times=3)
        yield writer


@pytest.mark.thorough
def test_deribit_loads_and_a_day_that_is_read_again_replaces_itself(
    market: Writer, tmp_path: Path, configure: Environ
) -> None:
    from pipelines.deribit_pipeline import deribit

    configure(market.sandbox.environ)
    stock = Stock(tmp_path, "deribit")
    stock.run(deribit(currencies=["BTC"], first=f"{FIRST}"))
    by_day = "select trade_date, count(*), max(trade_seq) from trades group by 1 order by 1"
    today = FIRST + timedelta(days=2)
    assert stock.query(by_day) == [(f"{FIRST}.BTC", 2, 2), (f"{today}.BTC", 3, 5)]
    market.trade(today, "BTC-PERPETUAL")
    stock.run(deribit(currencies=["BTC"], first=f"{today}"))
    assert stock.query(by_day) == [(f"{FIRST}.BTC", 2, 2), (f"{today}.BTC", 4, 6)]

"""The made-up world of `make demo`: what each provider has, and the servers that speak for it.

AWS delivers into a folder; Cost Explorer, BigQuery (which runs the SQL that it is sent), Stripe,
the ECB, Deribit and ClickHouse Cloud are servers on loopback. All are of the year 2026, whatever
the date; AWS's files arrive as the demo runs.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.sandbox.aws import months
from scripts.sandbox.aws.estate import PAYER
from scripts.sandbox.aws.targets import FolderTarget
from scripts.sandbox.aws_billing.bills import totals
from scripts.sandbox.aws_billing.server import AwsBillingServer
from scripts.sandbox.bigquery.server import BigQueryServer
from scripts.sandbox.clickhouse_cloud.server import ClickhouseCloudServer
from scripts.sandbox.clickhouse_cloud.usage import records
from scripts.sandbox.deribit.server import Sandbox
from scripts.sandbox.deribit.tape import Shape, make
from scripts.sandbox.fx.server import BASES, MORE, FxServer, archive
from scripts.sandbox.gcp import exports
from scripts.sandbox.stripe.server import serve_ledger

GCP_SINCE = date(2026, 10, 16)
"""Google exports from the day on which the export was set up: here the 16th of October."""
END = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
"""Until then Stripe's ledger goes, and the ECB's rates."""
CLOUD_SINCE = date(2026, 9, 1)
"""ClickHouse Cloud is used from September on."""
TRADING_DAYS = (date(2026, 10, 30), date(2026, 10, 31))
TRADES = Shape(trades_per_day=1_500, run=1_100, holes=0)


class World:
    """Every provider, while the block runs. `environ` is how a user would configure them.

    Google's export, a partition a day, begins on `gcp_since`.
    """

    def __init__(self, bucket: Path, gcp_since: date = GCP_SINCE) -> None:
        self._bucket, self._gcp_since = bucket, gcp_since
        self._servers = ExitStack()
        self.environ: dict[str, str] = {}

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:  # servers that stay would keep the process
            self._servers.close()
            raise
        return self

    def _start(self) -> None:
        self._bigquery = self._servers.enter_context(BigQueryServer(exports.PROJECT))
        stripe = self._servers.enter_context(serve_ledger(END))
        rates = archive(END.date(), date(END.year, 1, 1), BASES | MORE)
        fx = self._servers.enter_context(FxServer(rates))
        tape = make(("BTC",), TRADING_DAYS[0], len(TRADING_DAYS), TRADES)
        at = datetime(2026, 11, 2, tzinfo=UTC)  # every day is over
        deribit = self._servers.enter_context(Sandbox(tape, round(at.timestamp() * 1000)))
        billing = self._servers.enter_context(AwsBillingServer(totals(), account=PAYER.id))
        usage = records(CLOUD_SINCE, END.date(), at.date())
        cloud = self._servers.enter_context(ClickhouseCloudServer(usage, seconds=0))
        self.environ = {
            "SOURCES__AWS__BUCKET_URL": self._bucket.as_uri(),
            **billing.environ,
            "SOURCES__AWS__OBJECTS": '["cost_explorer"]',
            "SOURCES__AWS__TOTALS_MONTHS": str(_months_since(months.PERIODS[0])),
            **self._bigquery.environ,
            "SOURCES__GCP__OBJECTS": '["month_totals"]',
            "SOURCES__GCP__CREDENTIALS": json.dumps(self._bigquery.service_account()),
            "SOURCES__GCP__DATASETS": json.dumps([f"{exports.PROJECT}.{exports.DATASET}"]),
            **stripe.environ,
            **fx.environ,
            "SOURCES__FX__FIRST_YEAR": str(END.year),
            **deribit.environ,
            **cloud.environ,
            "SOURCES__DERIBIT__CURRENCIES": '["BTC"]',
            "SOURCES__DERIBIT__FIRST_DAY": TRADING_DAYS[0].isoformat(),
        }
        self._deliver(restated=False)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._servers.close()

    def restate(self) -> None:
        """AWS delivers a closed month again; Google exports late rows and corrections."""
        self._deliver(restated=True)

    def _deliver(self, *, restated: bool) -> None:
        months.build(_DeliveredNow(self._bucket), restated=restated)
        exports.load_into(self._bigquery, restated=restated, since=self._gcp_since)


def _months_since(month: str) -> int:
    """This month and those before it down to `month`: Cost Explorer is asked for so many."""
    today = datetime.now(UTC)
    return (today.year - int(month[:4])) * 12 + today.month - int(month[5:]) + 1


class _DeliveredNow(FolderTarget):
    """A folder whose files are as old as the demo."""

    def put(self, key: str, body: bytes, modified: datetime | None = None) -> None:
        """Write the object, modified now."""
        super().put(key, body)

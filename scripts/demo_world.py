"""The made-up world of `make demo`: what each provider has, and the servers that speak for it.

AWS delivers into a folder; BigQuery is a server on loopback that runs the SQL it is sent. The
sandbox's bills are dated; AWS's files arrive as the demo runs, so that they are fresh.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts import sandbox_aws, sandbox_gcp
from scripts.bigquery_server import BigQueryServer
from scripts.delivery_targets import FolderTarget

GCP_SINCE = date(2026, 10, 16)
"""Google exports from the day on which the export was set up: here the 16th of October."""


class World:
    """Every provider, while the block runs. `environ` is how a user would configure them."""

    def __init__(self, bucket: Path) -> None:
        self._bucket = bucket
        self._servers = ExitStack()
        self.environ: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._bigquery = self._servers.enter_context(BigQueryServer(sandbox_gcp.PROJECT))
        self.environ = {
            "SOURCES__AWS__BUCKET_URL": self._bucket.as_uri(),
            **self._bigquery.environ,
            "SOURCES__GCP__CREDENTIALS": json.dumps(self._bigquery.service_account()),
            "SOURCES__GCP__DATASETS": json.dumps([f"{sandbox_gcp.PROJECT}.{sandbox_gcp.DATASET}"]),
        }
        self._deliver(restated=False)
        return self

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
        sandbox_aws.build(_DeliveredNow(self._bucket), restated=restated)
        sandbox_gcp.load_into(self._bigquery, restated=restated, since=GCP_SINCE)


class _DeliveredNow(FolderTarget):
    """A folder whose files are as old as the demo."""

    def put(self, key: str, body: bytes, modified: datetime | None = None) -> None:
        """Write the object, modified now."""
        super().put(key, body)

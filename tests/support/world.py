"""A bucket, both destinations and the commands between them: what most tests of loading need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.clickhouse.server.config import ClickHouseConfig
from scripts.sandbox.aws.delivery import Delivered, deliver_cur2
from tests.conftest import FolderBucket
from tests.support.commands import Commands, Ran
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import compute_marts, leftovers, query


@dataclass
class World:
    """AWS delivers into `bucket`; the commands publish in `database`, or as parquet if asked to."""

    bucket: FolderBucket
    database: ClickHouseConfig
    commands: Commands

    def deliver(self, period: str, costs: list[float], **options: Any) -> Delivered:
        """One delivery of a month as CUR 2.0, a line per cost, that overwrites the last one."""
        rows = lines(period, costs, options.pop("prefix", "line"))
        return self.deliver_rows(period, rows, **options)

    def deliver_rows(self, period: str, rows: list[dict[str, Any]], **options: Any) -> Delivered:
        """The same with line items that the test brings."""
        return deliver_cur2(self.bucket, "billing", "daily", period, rows, **options)

    def load(self, *options: str) -> Ran:
        """Load, however it ends."""
        return self.commands("load", *options)

    def well(self, *options: str) -> str:
        """A load that has to end well and leave nothing behind; what it prints."""
        return self.ended_well(self.load(*options))

    def ended_well(self, ran: Ran) -> str:
        """What a command printed that had to end well and leave nothing behind."""
        assert ran.status == 0, ran
        assert leftovers(self.database) == []
        return ran.out

    def both(self, *, status: int = 0) -> None:
        """Bring both destinations to what is delivered; `status` is how the two loads must end."""
        assert self.load("--destination=filesystem").status == status
        self.commands.well("normalize")
        assert self.load("--destination=clickhouse").status == status

    def marts(self) -> None:
        """Compute the marts of both destinations."""
        self.commands.well("normalize", marts=True)
        compute_marts(self.database)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a statement on the server."""
        return query(self.database, sql)

    def change(self, *statements: str) -> None:
        """Change what is on the server."""
        for statement in statements:
            self.query(statement)

    def column(self, name: str, table: str = "costs", where: str = "true") -> list[Any]:
        """The values of one column, sorted."""
        rows = self.query(f"select {name} from {table} where {where}")
        return sorted((row[0] for row in rows), key=repr)

"""Where partitions lie on the filesystem destination.

<bucket>/aws_costs/cur/billing_period=2026-10/*.parquet, _delivery.json    raw
<bucket>/normalized_aws/billing_period=2026-10/data.parquet                normalised
<bucket>/marts/costs/aws-2026-10.parquet                                   mart
<bucket>/marts/margin_daily/data.parquet                                   mart, computed
<bucket>/sums/aws-2026.parquet                                               sums, for computing
<bucket>/deliveries/aws-2026-10.parquet                                    history
<bucket>/runs/aws.parquet                                                  heartbeat
"""

from __future__ import annotations

from pipelines.tables.raw_tables import RawTable

__all__ = ["MANIFEST", "Layout", "RawTable"]

MANIFEST = "_delivery.json"


class Layout:
    """The paths below one root, as text: a local folder or a bucket with its prefix."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def raw(self, raw_table: RawTable, partition: str = "") -> str:
        """The folder of a raw table, or of one of its partitions."""
        return self._join(raw_table.dataset, raw_table.table, _folder(raw_table, partition))

    def normalized(self, raw_table: RawTable, partition: str) -> str:
        """The file of a normalised partition."""
        return self._join(
            f"normalized_{raw_table.source_name}", _folder(raw_table, partition), "data.parquet"
        )

    def mart(self, name: str, source_name: str, partition: str) -> str:
        """The file of a source's partition in a mart."""
        return self._join("marts", name, f"{source_name}-{partition}.parquet")

    def computed(self, name: str, file: str = "data") -> str:
        """The file of a mart that is computed from others."""
        return self._join("marts", name, f"{file}.parquet")

    def sums(self, file: str) -> str:
        """The file of sums that is made of a year's files of a source in `costs_daily`."""
        return self._join("sums", file)

    def history(self, source_name: str, partition: str) -> str:
        """The file of a partition's publishing history."""
        return self._join("deliveries", f"{source_name}-{partition}.parquet")

    def runs(self, source_name: str) -> str:
        """The file with the newest runs of a source, or of the marts."""
        return self._join("runs", f"{source_name}.parquet")

    def alerts(self) -> str:
        """The note of what was told to whom."""
        return self._join("alerts.json")

    def listing(self, raw_table: RawTable) -> str:
        """The note of what the provider had when it was last listed."""
        return self._join(raw_table.dataset, f"_provider_{raw_table.table}.json")

    def read_note(self, raw_table: RawTable) -> str:
        """The note of when each partition was last read."""
        return self._join(raw_table.dataset, f"_readings_{raw_table.table}.json")

    def retained(self, raw_table: RawTable) -> str:
        """The note of the first partition that is kept."""
        return self._join(raw_table.dataset, f"_retention_{raw_table.table}.json")

    def _join(self, *parts: str) -> str:
        return "/".join([self.root, *filter(None, parts)])


def _folder(raw_table: RawTable, partition: str) -> str:
    return f"{raw_table.column}={partition}" if partition else ""

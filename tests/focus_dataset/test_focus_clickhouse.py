"""The FOCUS dataset of ClickHouse: the view, and the files that `focus` makes of its lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.cli import clickhouse as of_cli
from pipelines.clickhouse.server.http_client import connect
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.focus.check import check
from pipelines.focus.export import export
from pipelines.focus.lines import lines_of
from pipelines.tables.focus_dataset.columns import MART, arrow_dataset
from tests.support.estate import Estate, configured

Row = tuple[Any, ...]
_ARROW = {
    "output_format_arrow_string_as_string": 1,
    "output_format_arrow_low_cardinality_as_dictionary": 0,
}


@pytest.fixture
def settled(estate: Estate) -> Iterator[Estate]:
    """The demo's bills on both destinations, configured."""
    with configured(estate.environ):
        yield estate


def rows(table: pa.Table) -> list[Row]:
    """Every row with amounts to nine decimals, sorted: the order of a dataset means nothing."""
    columns = [
        [round(value, 9) if isinstance(value, float) else value for value in column.to_pylist()]
        for column in table.columns
    ]
    return sorted(zip(*columns, strict=True), key=repr)


def files(folder: Path) -> pa.Table:
    return pa.concat_tables(
        pq.ParquetFile(path).read() for path in sorted(folder.glob("cost_and_usage/*.parquet"))
    )


def test_both_destinations_and_the_view_have_the_same_rows_and_keep_every_rule(
    settled: Estate, tmp_path: Path
) -> None:
    by_files, by_server = tmp_path / "files", tmp_path / "server"
    store_lines = lines_of(configured_store())
    export(store_lines, by_files, "1.2")
    with Warehouse(of_cli.configured(os.environ)) as warehouse:
        server_lines = lines_of(warehouse)
        first = export(server_lines, by_server, "1.2")
        again = export(server_lines, by_server, "1.2")
        outcomes = check(by_server, "1.2", server_lines.sums())
    assert (list(first.written), again.written) == (["2026-09", "2026-10"], {})
    assert [each.rule.id for each in outcomes if each.broken] == []
    assert {each.status for each in outcomes} == {"passed", "not applicable"}
    with connect(settled.clickhouse) as client:
        view = client.query_arrow(f"select * from {MART}", settings=_ARROW)
    schema = arrow_dataset("cost_and_usage", "1.2")
    wanted = rows(files(by_files))
    assert rows(files(by_server)) == wanted
    assert rows(view.cast(schema)) == wanted
    assert files(by_files).schema.remove_metadata() == schema

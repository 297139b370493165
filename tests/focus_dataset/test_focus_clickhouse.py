"""The FOCUS dataset of ClickHouse: the view, and the files that `focus` makes of its lines."""

from __future__ import annotations

import json
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
from pipelines.tables.focus_dataset.columns import MART, arrow_dataset, datasets
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
    """Every row with amounts to nine digits, sorted: the order of a dataset means nothing."""
    columns = [
        [f"{value:.9g}" if isinstance(value, float) else value for value in column.to_pylist()]
        for column in table.columns
    ]
    return sorted(zip(*columns, strict=True), key=repr)


def files(folder: Path, dataset: str = "cost_and_usage") -> pa.Table:
    return pa.concat_tables(
        pq.ParquetFile(path).read() for path in sorted(folder.glob(f"{dataset}/*.parquet"))
    )


@pytest.mark.thorough
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


@pytest.mark.thorough
def test_version_1_3_splits_charges_names_commitments_and_says_how_recent_it_is(
    settled: Estate, tmp_path: Path
) -> None:
    by_files, by_server = tmp_path / "files", tmp_path / "server"
    export(lines_of(configured_store(), splits=True), by_files, "1.3")
    with Warehouse(of_cli.configured(os.environ)) as warehouse:
        lines = lines_of(warehouse, splits=True)
        export(lines, by_server, "1.3")
        outcomes = [each for name in datasets("1.3")
                    for each in check(by_server, "1.3", lines.sums(), name)]  # fmt: skip
    assert [each.rule.id for each in outcomes if each.broken] == []
    moments = ["BillingPeriodCreated", "BillingPeriodLastUpdated"]  # of each folder's own
    for name in datasets("1.3"):
        there, here = (
            table.drop_columns([each for each in moments if each in table.column_names])
            for table in (files(by_server, name), files(by_files, name))
        )
        assert rows(there) == rows(here)

    charges = files(by_files).to_pylist()
    split = [row for row in charges if row["AllocatedMethodId"]]
    store = configured_store()
    pods = pa.concat_tables(
        pq.ParquetFile(path).read()
        for path in store.glob(f"{store.root}/marts/costs_split/*.parquet")
    )
    cost = sum(row["EffectiveCost"] for row in split)
    assert cost == pytest.approx(sum(pods["effective_cost"].to_pylist()), abs=1e-6)
    assert {row["AllocatedResourceName"] for row in split} == {*pods["pod"].to_pylist()}
    used = {row["CommitmentDiscountId"] for row in charges} - {None}
    contracts = files(by_files, "contract_commitment").to_pylist()
    assert {row["ContractCommitmentId"] for row in contracts} == used
    metadata = json.loads((by_files / "metadata.json").read_text(encoding="utf-8"))
    instance, contract, period = metadata["Recency"]
    assert [each["FocusVersion"] for each in metadata["Schema"]] == ["1.3", "1.3", "1.4"]
    assert period["DatasetInstanceId"] == "billing_period"
    sectors = [(s["TimeSectorStart"], s["TimeSectorComplete"]) for s in instance["TimeSectors"]]
    assert sectors == [("2026-09-01T00:00:00Z", True), ("2026-10-01T00:00:00Z", True)]
    assert (instance["DatasetInstanceComplete"], contract["DatasetInstanceComplete"]) == (
        True,
        True,
    )

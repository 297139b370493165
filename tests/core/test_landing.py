"""Rows as parquet in the landing folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import landing

SCHEMA = pa.schema([("n", pa.int64())])
MOMENT = datetime(2026, 10, 1, tzinfo=UTC)


def numbers(first: int, last: int) -> pa.Table:
    return pa.table({"n": pa.array(range(first, last), pa.int32())})


def test_small_tables_make_large_row_groups(tmp_path: Path) -> None:
    heard: list[int] = []
    tables = (numbers(start, start + 30_000) for start in range(0, 270_000, 30_000))
    path = tmp_path / "rows.parquet"
    assert landing.write_rows(path, SCHEMA, tables, heard.append) == 270_000
    metadata = pq.read_metadata(path)
    sizes = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert sizes == [100_000, 20_000, 100_000, 20_000, 30_000]
    assert pq.read_table(path) == pa.table({"n": range(270_000)}, SCHEMA)
    assert heard == [30_000] * 9


def test_no_tables_make_a_file_of_no_rows(tmp_path: Path) -> None:
    assert landing.write_rows(tmp_path / "rows.parquet", SCHEMA, []) == 0
    assert pq.read_table(tmp_path / "rows.parquet") == SCHEMA.empty_table()


def test_a_delivery_names_its_files_by_the_fingerprint(tmp_path: Path) -> None:
    landing.write_rows(tmp_path / "b.parquet", SCHEMA, [numbers(0, 2)])
    landing.write_rows(tmp_path / "a.parquet", SCHEMA, [numbers(2, 5)])
    made = landing.delivered(
        "moon",
        "2026-10",
        "0123456789abcdef",
        [tmp_path / "b.parquet", tmp_path / "a.parquet"],
        delivered_at=MOMENT,
        layout="phases",
    )
    assert [(file["name"], file["rows"]) for file in made.files] == [
        ("0123456789ab-00001.parquet", 2),
        ("0123456789ab-00002.parquet", 3),
    ]
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("*.parquet")}
    assert sizes == {file["name"]: file["bytes"] for file in made.files}
    assert (made.source_name, made.partition, made.rows, made.layout) == (
        "moon",
        "2026-10",
        5,
        "phases",
    )
    assert (made.delivered_at, made.bytes) == (MOMENT, sum(sizes.values()))

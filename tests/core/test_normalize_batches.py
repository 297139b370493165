"""Raw parquet files to one published file: the same whatever their layout, or no file at all."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.normalize.batches import RawFile, Totals, normalize_files
from pipelines.normalize.reading import BATCH_ROWS, HUGE_ROWS
from pipelines.providers.aws import normalize
from pipelines.tables.schema import Context, ShapeError, arrow_schema
from tests.support.providers.raw_aws import (
    MAP,
    ON_DEMAND,
    ON_DEMAND_COST,
    PLANNED,
    SP_COST,
    TAGS,
    Row,
    line,
    table,
)

CONTEXT = Context("2026-10", "f00d", "1790000000.5", TAGS)


def bill(rows: int) -> pa.Table:
    """A bill of many lines: few distinct values beside one resource and one tag per line."""
    kinds = ("Usage", "Usage", "Credit", "SavingsPlanCoveredUsage", "Tax", "SomethingNew")
    lines: list[Row] = [
        line(
            kinds[at % len(kinds)],
            round(0.01 * (at % 977) - 1, 6),
            PLANNED if at % 3 else {},
            {SP_COST: 0.01 * (at % 13), "line_item_resource_id": f"i-{at:040d}"},
            line_item_operation="EKSPod-EC2" if at % 50 == 7 else "RunInstances",
            line_item_product_code=("AmazonEC2", "AmazonS3", "")[at % 3],
            resource_tags=[("user:Team", f"team {at % 5}"), ("user:job", f"{at:050d}")]
            if at % 4
            else None,
        )
        for at in range(rows)
    ]
    return table(lines)


def write(raw: pa.Table, path: Path, **options: Any) -> RawFile:
    pq.write_table(raw, path, **options)
    return RawFile(path.name, path)


def run(files: Sequence[RawFile], target: Path, **options: Any) -> Totals:
    return normalize_files(files, target, normalize, CONTEXT, **options)


def test_a_file_says_what_it_holds(tmp_path: Path) -> None:
    rows = [ON_DEMAND, line("Tax", 8.0), line("Usage", 1.0, line_item_operation="EKSPod-EC2")]
    done: list[int] = []
    target = tmp_path / "out.parquet"
    totals = run(
        [write(table(rows), tmp_path / "a.parquet")],
        target,
        on_rows=done.append,
        metadata={"recipe": "r1"},
    )
    assert totals == Totals(
        "f00d", rows_in=3, rows_out=2, billed=8.09, effective=8.09, currency="USD"
    )
    assert done == [3]
    assert pq.read_metadata(target).metadata == {
        b"fingerprint": b"f00d",
        b"rows": b"2",
        b"billed": b"8.09",
        b"effective": b"8.09",
        b"billing_currency": b"USD",
        b"recipe": b"r1",
    }
    assert pq.read_schema(target).remove_metadata().equals(arrow_schema(TAGS))
    assert pq.read_table(target).to_pylist()[0] == ON_DEMAND_COST


def test_files_are_read_in_the_order_given(tmp_path: Path) -> None:
    files = [
        write(table([line("Usage", float(cost))]), tmp_path / f"{cost}.parquet")
        for cost in (3, 1, 2)
    ]
    target = tmp_path / "out.parquet"
    run(files, target)
    assert pq.read_table(target, columns=["billed_cost"]).to_pydict() == {
        "billed_cost": [3.0, 1.0, 2.0]
    }


def test_months_whose_files_differ_in_columns_become_one_table(tmp_path: Path) -> None:
    files = [
        write(table([line("Usage", 1.0)]), tmp_path / "bare.parquet"),
        write(table([ON_DEMAND]), tmp_path / "full.parquet"),
    ]
    target = tmp_path / "out.parquet"
    run(files, target)
    assert pq.read_table(target, columns=["billed_cost", "tag_environment"]).to_pylist() == [
        {"billed_cost": 1.0, "tag_environment": None},
        {"billed_cost": 0.09, "tag_environment": "prod"},
    ]


@pytest.fixture(scope="module")
def lines() -> pa.Table:
    return bill(BATCH_ROWS + 1000)


@pytest.fixture(scope="module")
def expected(lines: pa.Table) -> pa.Table:
    costs = pa.Table.from_pandas(normalize.normalize(lines, CONTEXT), preserve_index=False)
    return decoded(costs)


def decoded(costs: pa.Table) -> pa.Table:
    """With plain text, as a reader of parquet sees it."""
    sink = io.BytesIO()
    pq.write_table(costs, sink, store_schema=False)
    return pq.read_table(sink)


@pytest.mark.quick("997")
@pytest.mark.parametrize(
    "layout",
    [
        {"row_group_size": 10_000_000},
        {"row_group_size": 30_000},
        {"row_group_size": 997},
        {"row_group_size": 30_000, "use_dictionary": False, "compression": "zstd"},
        {"row_group_size": 30_000, "dictionary_pagesize_limit": 1000, "data_page_version": "2.0"},
    ],
    ids=lambda layout: "-".join(str(value) for value in layout.values()),
)
def test_row_groups_do_not_change_the_result(
    tmp_path: Path, lines: pa.Table, expected: pa.Table, layout: dict[str, Any]
) -> None:
    target = tmp_path / "out.parquet"
    totals = run([write(lines, tmp_path / "raw.parquet", **layout)], target)
    assert pq.read_table(target).cast(expected.schema).equals(expected)
    assert pq.ParquetFile(target).num_row_groups <= 3
    assert totals.billed == pytest.approx(math.fsum(expected["billed_cost"].to_pylist()), rel=1e-9)


def test_a_huge_row_group_is_read_in_slices(
    tmp_path: Path, lines: pa.Table, expected: pa.Table
) -> None:
    copies = HUGE_ROWS // lines.num_rows + 1
    raw = pa.concat_tables([lines] * copies)
    target = tmp_path / "out.parquet"
    run([write(raw, tmp_path / "raw.parquet", row_group_size=raw.num_rows)], target)
    assert (
        pq.read_table(target)
        .cast(expected.schema)
        .equals(pa.concat_tables([expected] * copies).combine_chunks())
    )
    groups = pq.read_metadata(target)
    sizes = [groups.row_group(at).num_rows for at in range(groups.num_row_groups)]
    assert max(sizes) <= BATCH_ROWS


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, lines: pa.Table) -> None:
    files = [
        write(lines, tmp_path / "a.parquet", row_group_size=20_000),
        write(lines.slice(5, 9), tmp_path / "b.parquet"),
    ]
    contents = set()
    for at in range(3):
        run(files, tmp_path / f"{at}.parquet")
        contents.add((tmp_path / f"{at}.parquet").read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("count", [0, 1, 2], ids=["no-files", "one-empty", "two-empty"])
def test_no_rows_give_a_whole_file_of_no_rows(tmp_path: Path, count: int) -> None:
    empty = table([ON_DEMAND]).slice(0, 0)
    files = [write(empty, tmp_path / f"{at}.parquet") for at in range(count)]
    target = tmp_path / "out.parquet"
    assert run(files, target) == Totals("f00d", 0, 0, 0.0, 0.0, None)
    assert pq.read_table(target).schema.remove_metadata().equals(arrow_schema(TAGS))
    assert duckdb.execute(f"select count(*) from '{target}'").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("currencies", "currency"),
    [(("EUR", "EUR"), "EUR"), (("EUR", "USD"), None), (("EUR", None), None), ((None,), None)],
)
def test_mixed_currencies_have_no_name(
    tmp_path: Path, currencies: tuple[str | None, ...], currency: str | None
) -> None:
    files = [
        write(table([line("Usage", 1.0, line_item_currency_code=code)]), tmp_path / f"{at}.parquet")
        for at, code in enumerate(currencies)
    ]
    totals = run(files, tmp_path / "out.parquet")
    assert totals.currency == currency
    footer = pq.read_metadata(tmp_path / "out.parquet").metadata
    assert footer[b"billing_currency"].decode() == (currency or "")


def test_what_is_unknown_is_left_out_of_the_total(tmp_path: Path) -> None:
    raw = table([line("Usage", 1.0), line("SomethingNew", 2.0), line("Usage", None)])
    totals = run([write(raw, tmp_path / "a.parquet")], tmp_path / "out.parquet")
    assert (totals.billed, totals.effective) == (3.0, 1.0)


def test_duckdb_reads_the_published_file(tmp_path: Path) -> None:
    raw = table([ON_DEMAND | {"resource_tags": [("Team", "x"), ("user:Team", "y")]}])
    target = tmp_path / "out.parquet"
    run([write(raw, tmp_path / "a.parquet")], target)
    types = dict(
        duckdb.execute(
            f"select column_name, column_type from (describe from '{target}')"
        ).fetchall()
    )
    assert {types[field.name] for field in arrow_schema(TAGS) if field.type == pa.string()} == {
        "VARCHAR"
    }
    assert types["tags"] == "MAP(VARCHAR, VARCHAR)"
    assert types["charge_period_start"] == "TIMESTAMP WITH TIME ZONE"
    assert types["x_usage_date"] == "DATE"
    assert types["billed_cost"] == "DOUBLE"
    found = duckdb.execute(
        f"select tags['Team'], tag_team, epoch(charge_period_start) from '{target}'"
    ).fetchall()
    assert found == [("y", "y", datetime(2026, 10, 3, 5, tzinfo=UTC).timestamp())]


def test_a_raw_file_of_another_writer_is_read(tmp_path: Path) -> None:
    path, target = tmp_path / "raw.parquet", tmp_path / "out.parquet"
    raw = table([ON_DEMAND, line("Tax", 8.0)])
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.register("raw", raw)
    connection.execute(f"copy (from raw) to '{path}' (format parquet, codec gzip)")
    run([RawFile("raw", path)], target)
    expected_target = tmp_path / "expected.parquet"
    run([write(raw, tmp_path / "arrow.parquet")], expected_target)
    assert pq.read_table(target).equals(pq.read_table(expected_target))


def test_an_opener_serves_in_place_of_a_path(tmp_path: Path) -> None:
    content = io.BytesIO()
    pq.write_table(table([ON_DEMAND]), content)
    opened: list[IO[bytes]] = []

    def opener() -> IO[bytes]:
        opened.append(io.BytesIO(content.getvalue()))
        return opened[-1]

    totals = run([RawFile("s3://bucket/a.parquet", opener)], tmp_path / "out.parquet")
    assert totals.rows_out == 1
    assert [stream.closed for stream in opened] == [True]


def broken(tmp_path: Path) -> Iterator[tuple[str, RawFile, str]]:
    whole = write(table([ON_DEMAND] * 100), tmp_path / "whole.parquet")
    assert isinstance(whole.source, Path)
    content = whole.source.read_bytes()
    damaged = bytearray(content)
    damaged[10:2000] = b"\xff" * 1990
    for name, some in {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "error-page": b"<html>AccessDenied</html>",
        "damaged": bytes(damaged),
    }.items():
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(some)
        message = f"{name}.parquet: this is not a whole parquet file ("
        yield name, RawFile(path.name, path), message
    raw = table([line("Usage", 1.0)])
    text = pa.array(["0.1"])
    at = raw.schema.get_field_index("line_item_unblended_cost")
    wrong = raw.set_column(at, "line_item_unblended_cost", text)
    message = "wrong.parquet: Column line_item_unblended_cost is "
    yield "wrong-type", write(wrong, tmp_path / "wrong.parquet"), message
    lacking = raw.drop_columns(["line_item_line_item_type"])
    message = "lacking.parquet: Column line_item_line_item_type is missing"
    yield "missing", write(lacking, tmp_path / "lacking.parquet"), message


@pytest.mark.parametrize(
    "case", ["truncated", "empty", "error-page", "damaged", "wrong-type", "missing"]
)
def test_a_broken_file_is_named_and_leaves_nothing(tmp_path: Path, case: str) -> None:
    good = write(bill(2000), tmp_path / "good.parquet", row_group_size=500)
    target = tmp_path / "out.parquet"
    ((bad, message),) = [(file, text) for name, file, text in broken(tmp_path) if name == case]
    with pytest.raises(ShapeError) as error:
        run([good, bad, good], target)
    assert str(error.value).startswith(message)
    assert not target.exists()


def test_a_file_that_is_not_there_is_not_called_broken(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run([RawFile("gone", tmp_path / "gone.parquet")], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_an_interrupted_run_leaves_nothing(tmp_path: Path, lines: pa.Table) -> None:
    file = write(lines, tmp_path / "raw.parquet", row_group_size=20_000)

    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([file, file], tmp_path / "out.parquet", on_rows=interrupt)
    assert not (tmp_path / "out.parquet").exists()


def test_maps_of_the_raw_file_may_be_of_any_text_type(tmp_path: Path) -> None:
    raw = table([ON_DEMAND])
    at = raw.schema.get_field_index("resource_tags")
    large = raw.column(at).cast(pa.map_(pa.large_string(), pa.large_string()))
    target = tmp_path / "out.parquet"
    run([write(raw.set_column(at, "resource_tags", large), tmp_path / "a.parquet")], target)
    assert pq.read_table(target).schema.field("tags").type == MAP
    assert pq.read_table(target).to_pylist() == [ON_DEMAND_COST]

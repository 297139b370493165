"""The benchmark: every figure is there, its data is what it says, its limits are held up to it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from scripts.bench import __main__ as bench
from scripts.bench import figures as bench_figures
from scripts.bench.data import cur
from scripts.bench.data.bucket import Shape, bill, export
from scripts.bench.figures import Figure, Section
from scripts.bench.process import BenchError, Ran, run
from scripts.sandbox.aws.columns import CUR2_COLUMNS, column_type
from scripts.streaming.jars import fetch
from scripts.streaming.java import Missing, find_java
from tests.conftest import ROOT

#: section: its figures; those with a limit say which
FIGURES = {
    "startup": {
        "python_cpu_s": None,
        "help_cpu_s": ("at_most", 0.35),
        "configuration_cpu_s": None,
        "status_cpu_s": ("at_most", 0.9),
    },
    "load": {
        "duckdb_copy_s": None,
        "load_wall_s": None,
        "load_start_up_s": None,
        "load_s": None,
        "normalize_wall_s": None,
        "normalize_start_up_s": None,
        "normalize_s": None,
        "normalize_rate": None,
        "load_ratio": ("at_most", 0.3),
        "both_ratio": ("at_most", 0.65),
    },
    "unique": {
        "unique_duckdb_copy_s": None,
        "unique_load_wall_s": None,
        "unique_load_s": None,
        "unique_normalize_wall_s": None,
        "unique_normalize_s": None,
        "unique_ratio": ("at_most", 0.9),
        "unique_normalize_peak_mb": ("at_most", 800),
    },
    "peer": {
        "peer_sample_s": None,
        "peer_s": None,
        "peer_load_ratio": None,
        "peer_ratio": ("at_least", 50),
    },
    "memory": {
        "load_peak_mb": ("at_most", 800),
        "normalize_peak_mb": ("at_most", 800),
        "duckdb_peak_mb": None,
        "peer_peak_mb": None,
        "load_idle_peak_mb": None,
        "grown_load_wall_s": None,
        "grown_normalize_wall_s": None,
        "grown_load_peak_mb": ("at_most", 800),
        "grown_normalize_peak_mb": ("at_most", 800),
        "load_growth": ("at_most", 1.3),
        "normalize_growth": ("at_most", 1.3),
    },
    "unchanged": {
        "first_load_wall_s": None,
        "first_normalize_wall_s": None,
        "start_up_s": None,
        "imports_s": None,
        "unchanged_load_wall_s": None,
        "unchanged_normalize_wall_s": None,
        "unchanged_load_s": None,
        "unchanged_normalize_s": None,
        "unchanged_work_s": None,
        "unchanged_s": ("at_most", 3.0),
    },
}

CLICKHOUSE = {
    "bare_insert_s": None,
    "clickhouse_load_wall_s": None,
    "clickhouse_start_up_s": None,
    "clickhouse_load_s": None,
    "clickhouse_restate_wall_s": None,
    "clickhouse_restate_s": None,
    "clickhouse_marts_wall_s": None,
    "stock_merge_s": None,
    "clickhouse_ratio": ("at_most", 1.8),
    "merge_ratio": ("at_least", 1.5),
    "publish_s": ("at_most", 0.5),
    "view_s": None,
    "view_rate": None,
    "pandas_rate": None,
    "view_to_pandas": None,
}

MARTS = {
    **{
        f"night_{months}_{key}": limit
        for months in (6, 24, 48)
        for key, limit in (("s", ("at_most", 1.0)), ("cpu_s", None), ("mb", ("at_most", 500)))
    },
    "marts_days": None,
    "marts_lines": None,
    **{
        f"marts_{name}_s": ("at_most", 0.3)
        for name in (
            *("cost_overview", "cost_movers", "commitments", "margin_daily"),
            *("margin_by_product", "restatements", "freshness"),
            *("overview_board_slowest", "cost_board_slowest"),
        )
    },
    "marts_overview_board_s": ("at_most", 2.0),
    "marts_cost_board_s": None,
}

DERIBIT = {
    "deribit_loop_s": None,
    "deribit_sandbox_s": None,
    "deribit_idle_wall_s": None,
    "deribit_load_wall_s": None,
    "deribit_again_wall_s": None,
    "deribit_normalize_wall_s": None,
    "deribit_clickhouse_wall_s": None,
    "deribit_load_cpu_s": ("at_most", 12.0),
    "deribit_paced_loop_s": None,
    "deribit_paced_wall_s": None,
    "deribit_paced_ratio": ("at_most", 1.05),
    "deribit_rate": None,
    "deribit_clickhouse_rate": None,
    "deribit_load_peak_mb": ("at_most", 800),
    "deribit_normalize_peak_mb": ("at_most", 800),
    "deribit_clickhouse_peak_mb": ("at_most", 800),
}

GCP = {
    "gcp_duckdb_s": None,
    "gcp_load_wall_s": None,
    "gcp_idle_wall_s": None,
    "gcp_sandbox_s": None,
    "gcp_normalize_wall_s": None,
    "gcp_normalize_idle_wall_s": None,
    "gcp_ratio": ("at_most", 1.5),
    "gcp_load_cpu_s": None,
    "gcp_load_peak_mb": ("at_most", 800),
    "gcp_rest_load_wall_s": None,
    "gcp_rest_sandbox_s": None,
    "gcp_rest_ratio": ("at_most", 2.8),
}


def limit(figure: dict[str, Any]) -> tuple[str, float] | None:
    for name in ("at_most", "at_least"):
        if figure[name] is not None:
            return name, figure[name]
    return None


def made(folder: Path, *options: str) -> list[Path]:
    assert cur.main([str(folder), "--rows", "1000", "--files", "2", *options]) == 0
    return sorted((folder / "2026-10").glob("*.parquet"))


def bench_of(home: Path, *arguments: str) -> dict[str, Any]:
    """What a small bench of the sections that are named prints, or of every section."""
    command = [sys.executable, "-m", "scripts.bench", *arguments]
    options = ["--json", "--rounds", "1", "--home", str(home)]
    ran = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    figures = [figure for section in document["sections"] for figure in section["figures"]]
    assert [figure["key"] for figure in figures if not math.isfinite(figure["value"])] == []
    return document


def limits(section: dict[str, Any]) -> dict[str, tuple[str, float] | None]:
    """The limit of each figure of a section."""
    return {figure["key"]: limit(figure) for figure in section["figures"]}


@pytest.mark.thorough
def test_a_tiny_run_gives_every_figure_and_its_limit(tmp_path: Path) -> None:
    home = tmp_path / "bench"
    document = bench_of(home, "--rows", "2000", "--periods", "2")
    assert {section["name"]: limits(section) for section in document["sections"]} == FIGURES
    assert document["bill"] == {"rows": 2000, "columns": 63, "files": 4, "rounds": 1}
    assert [path.name for path in home.iterdir()] == ["bills"]


@pytest.mark.thorough
def test_a_tiny_run_of_clickhouse_and_of_the_marts_gives_their_figures(tmp_path: Path) -> None:
    options = "--rows", "2000", "--periods", "2"
    document = bench_of(tmp_path / "bench", "clickhouse", "marts", *options)
    assert {section["name"]: limits(section) for section in document["sections"]} == {
        "clickhouse": CLICKHOUSE,
        "marts": MARTS,
    }


@pytest.mark.thorough
def test_a_tiny_run_of_deribit_gives_its_figures(tmp_path: Path) -> None:
    document = bench_of(tmp_path / "bench", "deribit", "partitions", "--rows", "2000")
    section, days = document["sections"]
    assert limits(section) == DERIBIT
    assert {figure["key"] for figure in days["figures"]} == {
        f"partitions_{table}_{key}"
        for table in ("days", "months")
        for key in ("fill_s", "replace_s", "published_s", "day_s", "instrument_s", "all_s", "parts")
    }


@pytest.mark.thorough
def test_a_tiny_run_of_streaming_gives_its_figures(tmp_path: Path) -> None:
    try:
        find_java()
        fetch()
    except Missing as reason:
        pytest.skip(str(reason))
    (section,) = bench_of(tmp_path / "bench", "streaming", "--rows", "20000")["sections"]
    assert limits(section) == {
        "streaming_backlog_rate": ("at_least", 15_000),
        "streaming_backlog_cpu_s": None,
        "streaming_p50_ms": None,
        "streaming_p99_ms": ("at_most", 1000),
    }


@pytest.mark.thorough
def test_a_tiny_run_of_stripe_gives_every_figure_and_its_limit(tmp_path: Path) -> None:
    (section,) = bench_of(tmp_path / "bench", "stripe", "--rows", "30000")["sections"]
    assert limits(section) == {
        "stripe_loop_s": None,
        "stripe_load_wall_s": None,
        "stripe_start_up_s": None,
        "stripe_load_s": None,
        "stripe_unchanged_s": None,
        "stripe_loop_rate": None,
        "stripe_rate": None,
        "stripe_ratio": ("at_most", 1.3),
        "stripe_load_peak_mb": ("at_most", 800),
    }


@pytest.mark.thorough
def test_requests_that_are_limited_or_paid_for_are_as_few_as_they_may_be(tmp_path: Path) -> None:
    (section,) = bench_of(tmp_path / "bench", "requests", "--rows", "1000")["sections"]
    measured = {each["key"]: each["value"] for each in section["figures"] if each["unit"] != "s"}
    assert measured == {
        "cloud_requests": 14,  # the organisation and 13 months
        "cloud_night_requests": 2,
        "explorer_pages": 1,
        "explorer_again_pages": 0,
        "explorer_night_pages": 1,
        "explorer_month_usd": 0.3,
    }


def test_a_section_that_does_not_exist_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bench.main(["load", "speed"])
    assert ended.value.code == 2
    assert "no section is called speed. There are: startup, load, unique" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("figure", "met", "status"),
    [
        (Figure("a", "a", 0.3, "×", limit=0.3), True, 0),
        (Figure("a", "a", 0.31, "×", limit=0.3), False, 1),
        (Figure("a", "a", -0.1, "×", limit=0.3), False, 1),
        (Figure("a", "a", 50, "×", least=50), True, 0),
        (Figure("a", "a", 49.9, "×", least=50), False, 1),
        (Figure("a", "a", 49.9, "×"), None, 0),
    ],
    ids=["at-the-limit", "above-it", "noise", "at-the-least", "below-it", "without-limit"],
)
def test_a_limit_is_met_or_missed(figure: Figure, met: bool | None, status: int) -> None:
    assert figure.met is met
    assert bench.status([Section("s", "how", [figure])]) == status


def test_the_table_shows_each_figure_beside_its_limit() -> None:
    figures = [
        Figure("a", "load : COPY", 0.123, "×", limit=0.3),
        Figure("b", "rows as dicts : load", 12, "×", least=50),
        Figure("c", "load", 2.5, "s", spread=(2.25, 2.5, 3.0)),
    ]
    shown = bench_figures.table(Section("load", "how", figures))
    cells = [list(column.cells) for column in shown.columns]
    assert list(zip(*cells, strict=True)) == [
        ("load : COPY", "0.12 ×", "≤ 0.3", "yes"),
        ("rows as dicts : load", "12.00 ×", "≥ 50", "NO"),
        ("load (2.25 2.50 3.00)", "2.50 s", "", ""),
    ]


def test_the_bill_has_65_columns_of_cur_in_their_order_and_types(tmp_path: Path) -> None:
    files = made(tmp_path)
    schema = pq.read_schema(files[0])
    assert [path.name for path in files] == ["1.parquet", "2.parquet"]
    assert len(schema) == 65
    assert schema.names == [name for name in CUR2_COLUMNS if name in schema.names]
    assert [field.name for field in schema if pa.types.is_map(field.type)] == [
        "product",
        "discount",
        "resource_tags",
    ]
    wrong = [f.name for f in schema if not f.type.equals(column_type(f.name))]
    assert wrong == []
    assert sum(pq.read_metadata(path).num_rows for path in files) == 1000


def test_the_bill_is_the_same_each_time(tmp_path: Path) -> None:
    once, again = made(tmp_path / "once"), made(tmp_path / "again")
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    assert once[0].read_bytes() != once[1].read_bytes()


@pytest.mark.parametrize(
    ("options", "resources", "tags"),
    [([], 20, 20), (["--unique"], 1000, 1000)],
    ids=["plain", "unique"],
)
def test_the_unique_bill_repeats_no_resource_and_no_tag(
    options: list[str], resources: int, tags: int, tmp_path: Path
) -> None:
    table = pa.concat_tables(pq.read_table(path) for path in made(tmp_path, *options))
    ids = set(table["line_item_resource_id"].to_pylist()) - {""}
    found = {tuple(row) for row in table["resource_tags"].to_pylist() if row}
    assert len(ids) == resources
    assert len(found) == tags if options else len(found) <= tags


def test_the_bucket_looks_as_aws_delivers(tmp_path: Path) -> None:
    shape = Shape(100, files=2, periods=("2026-09", "2026-10"))
    months = bill(tmp_path / "cache", shape)
    bucket = export(tmp_path / "bucket", months)
    found = sorted(p.relative_to(bucket).as_posix() for p in bucket.rglob("*") if p.is_file())
    assert found == [
        f"bench/{name}"
        for name in (
            "data/BILLING_PERIOD=2026-09/bench-00001.snappy.parquet",
            "data/BILLING_PERIOD=2026-09/bench-00002.snappy.parquet",
            "data/BILLING_PERIOD=2026-10/bench-00001.snappy.parquet",
            "data/BILLING_PERIOD=2026-10/bench-00002.snappy.parquet",
            "metadata/BILLING_PERIOD=2026-09/bench-Manifest.json",
            "metadata/BILLING_PERIOD=2026-10/bench-Manifest.json",
        )
    ]
    manifest = json.loads((bucket / found[-1]).read_text(encoding="utf-8"))
    assert manifest["dataFiles"] == [f"s3://example-billing/{name}" for name in found[2:4]]


def test_a_process_is_measured_and_its_output_kept_apart() -> None:
    script = "import json, sys; x = bytearray(90_000_000); print(json.dumps({'seconds': 1.5}))"
    ran = run(["-c", f"{script}; print('a warning', file=sys.stderr)"])
    assert ran.said == {"seconds": 1.5}
    assert ran.peak_mb > 90


def test_a_failed_process_tells_what_it_said() -> None:
    with pytest.raises(BenchError, match="ended with 3:\nso far\nno disk"):
        run(["-c", "import sys; print('so far', flush=True); sys.stderr.write('no disk'); exit(3)"])


def test_configuration_of_the_user_does_not_reach_what_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCES__AWS__EXPORT", "theirs")
    script = "import os; print([n for n in os.environ if n.startswith('SOURCES__')])"
    ran: Ran = run(["-c", script], {"SOURCES__AWS__BUCKET_URL": "file:///x"})
    assert ran.output == "['SOURCES__AWS__BUCKET_URL']\n"


@pytest.mark.thorough
def test_gcp_is_measured_by_storage_and_by_pages(tmp_path: Path) -> None:
    document = bench_of(tmp_path / "bench", "gcp", "--rows", "24000")  # days of 1,200 rows
    (section,) = document["sections"]
    assert limits(section) == GCP


@pytest.mark.thorough
def test_a_month_of_ten_times_the_rows_is_measured(tmp_path: Path) -> None:
    (section,) = bench_of(tmp_path / "bench", "month", "--rows", "2000")["sections"]
    assert limits(section) == {
        "month_load_wall_s": None,
        "month_normalize_wall_s": None,
        "month_times": ("at_most", 1.1),
        "month_load_peak_mb": ("at_most", 800),
        "month_normalize_peak_mb": ("at_most", 800),
        "month_load_growth": ("at_most", 1.3),
        "month_normalize_growth": ("at_most", 1.3),
    }


def test_a_resource_of_the_bill_has_a_line_of_one_kind_for_most_hours(tmp_path: Path) -> None:
    assert cur.main([str(tmp_path), "--rows", "40000", "--files", "1"]) == 0
    table = pq.read_table(
        tmp_path / "2026-10" / "1.parquet",
        columns=["line_item_resource_id", "line_item_line_item_type"],
    )
    lines = table.filter(pc.not_equal(table["line_item_resource_id"], ""))
    by_resource = lines.group_by("line_item_resource_id").aggregate(
        [([], "count_all"), ("line_item_line_item_type", "distinct")]
    )
    assert 600 < pc.mean(by_resource["count_all"]).as_py() < 800
    assert {
        frozenset(kinds) for kinds in by_resource["line_item_line_item_type_distinct"].to_pylist()
    } <= {
        frozenset({"Usage"}),
        frozenset({"DiscountedUsage"}),
        frozenset({"SavingsPlanCoveredUsage", "SavingsPlanNegation"}),
    }

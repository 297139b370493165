"""What the demo prints: headings, commands with their own output, tables of what was published."""

from __future__ import annotations

import runpy
import signal
import sys
from contextlib import ExitStack, redirect_stderr
from glob import escape
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from pipelines.cli.output.tables import table
from pipelines.core.text import size
from scripts.demo.folder import ROOT, Demo
from scripts.demo.tables import Shown

out = Console(width=None if sys.stdout.isatty() else 110, highlight=False)

FOLDERS = (
    "aws_costs",
    "gcp_costs",
    "normalized_aws",
    "normalized_gcp",
    "marts/costs",
    "deliveries",
)


def commands(*wanted: list[str], log: Path | None = None) -> int:
    """Run commands of `python -m pipelines`; how many failed. `log` takes the line of each
    partition, where there are too many to read."""
    failed = 0
    for arguments in wanted:
        out.print(f"[bold]$ python -m pipelines {' '.join(arguments)}[/]")
        with ExitStack() as stack:
            if log:
                lines = stack.enter_context(log.open("a", encoding="utf-8"))
                stack.enter_context(redirect_stderr(lines))
            sys.argv[1:] = arguments
            try:
                runpy.run_module("pipelines", run_name="__main__")
            except SystemExit as end:
                if end.code == 128 + signal.SIGINT:
                    raise KeyboardInterrupt from None
                failed += end.code != 0
        if failed and log:
            out.print(log.read_text(encoding="utf-8"), markup=False)
    return failed


def heading(text: str) -> None:
    """One step of the story."""
    out.print(f"\n[bold cyan]{text}[/]")


def show(demo: Demo, shown: Shown) -> None:
    """Print a query over the published files as a table."""
    rows = [shown.named(row) for row in rows_of(demo, shown.sql)]
    out.print(table(shown.title, shown.columns, rows, shown.right))


def rows_of(demo: Demo, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query over the published files."""
    with duckdb.connect(":memory:") as duck:
        duck.execute("set timezone = 'UTC'")
        for folder in [demo.data / "deliveries", *(demo.data / "marts").iterdir()]:
            pattern = f"{escape(str(folder))}/*.parquet".replace("'", "''")
            duck.execute(f"create view {folder.name} as from read_parquet('{pattern}')")
        return duck.execute(sql).fetchall()


def where_the_files_lie(demo: Demo) -> None:
    """The published folders and what they hold."""
    heading("Where the files lie")
    rows = []
    for name in FOLDERS:
        folder = demo.data / name
        files = list(folder.rglob("*.parquet"))
        rows.append(
            (_from_here(folder), len(files), size(sum(file.stat().st_size for file in files)))
        )
    out.print(table("", ("folder", "parquet files", "size"), rows, ("parquet files", "size")))


def verdict(demo: Demo, failed: int) -> None:
    """How the demo ended, and what to do with what it made."""
    page, data = (_from_here(path) for path in (demo.folder / "report.html", demo.data))
    heading("What next")
    if failed:
        out.print(f"{failed} commands, checks or figures failed: see above", style="bold red")
    else:
        out.print("Every command and every check succeeded, and both destinations agree.")
    for what, how in (
        ("Read the report", f"open {page} in a browser"),
        (
            "Ask of it",
            f"DESTINATION__FILESYSTEM__BUCKET_URL={data} make report ARGS='--month 2026-09'",
        ),
        ("Your own data", "export SOURCES__AWS__BUCKET_URL=s3://...; make doctor run-etl report"),
    ):
        out.print(f"[bold]{what}[/]: {how}", soft_wrap=True)


def _from_here(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)

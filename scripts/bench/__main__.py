"""`make bench`: how fast and how large load and normalise are, each figure beside its limit.

    python -m scripts.bench [SECTION …] [--rows 2000000] [--json] [--strict]

ON_REQUEST = {
    "month",
    "clickhouse",
    "gcp",
    "stripe",
    "deribit",
    "partitions",
    "marts",
    "streaming",
    "requests",
}
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from scripts.bench.figures import Section, document, machine, table
from scripts.bench.process import ROOT, BenchError
from scripts.bench.runs import Bench
from scripts.bench.sections import (
    clickhouse,
    deribit,
    gcp,
    local,
    marts,
    partitions,
    requests,
    startup,
    streaming,
    stripe,
)

FULL = 2_000_000
SECTIONS: dict[str, Callable[[Bench], Section]] = {
    "startup": startup.startup,
    "load": local.load,
    "unique": local.unique,
    "peer": local.peer,
    "memory": local.memory,
    "month": local.month,
    "unchanged": local.unchanged,
    "gcp": gcp.gcp,
    "stripe": stripe.stripe,
    "deribit": deribit.deribit,
    "partitions": partitions.partitions,
    "marts": marts.marts,
    "clickhouse": clickhouse.clickhouse,
    "streaming": streaming.streaming,
    "requests": requests.requests,
}
ON_REQUEST = {
    "month",
    "clickhouse",
    "gcp",
    "stripe",
    "deribit",
    "partitions",
    "marts",
    "streaming",
    "requests",
}
out = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
progress = Console(stderr=True, highlight=False, style="dim")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0, or 1 when a command failed or, with --strict, a limit was missed."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.sections if name not in SECTIONS]:
        parser.error(f"no section is called {', '.join(unknown)}. There are: {', '.join(SECTIONS)}")
    names = options.sections or [name for name in SECTIONS if name not in ON_REQUEST]
    home = options.home.resolve()
    sizes = (options.rows, options.rounds, options.row_group, options.periods)
    bench = Bench(home, *sizes, progress.print)
    on = machine()
    of = {"rows": options.rows, "columns": 63, "files": 4, "rounds": options.rounds}
    try:
        sections = [SECTIONS[name](bench) for name in names]
    except BenchError as error:
        progress.print(f"bench: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        return 1
    finally:
        for folder in ("work", "buckets"):  # the bills stay
            shutil.rmtree(home / folder, ignore_errors=True)
    if options.json:
        print(json.dumps(document(sections, of, on), indent=1, ensure_ascii=False))
    else:
        _show(sections, options.rows, on)
    return status(sections) if options.strict else 0


def status(sections: Sequence[Section]) -> int:
    """1 when a limit is missed."""
    return int(any(figure.met is False for section in sections for figure in section.figures))


def _show(sections: Sequence[Section], rows: int, on: Mapping[str, Any]) -> None:
    out.print(f"{rows:,} rows, 65 columns (3 maps), 4 snappy parquet files", style="bold")
    out.print(", ".join(f"{name} {value}" for name, value in on.items()), style="dim")
    if rows != FULL:
        out.print(f"Limits are meant for {FULL:,} rows: here they say nothing.", style="yellow")
    for section in sections:
        out.print(table(section))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--rows", type=_positive, default=FULL, help=f"default: {FULL:,}")
    parser.add_argument(
        "--rounds",
        type=_positive,
        default=3,
        help="number of rounds, figures are their medians; default 3",
    )
    parser.add_argument("--row-group", type=_positive, help="rows of a row group; default 122,880")
    parser.add_argument("--periods", type=_positive, default=24, help="of the run without change")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a limit is missed")
    parser.add_argument("--home", type=Path, default=ROOT / ".bench", help="cache and work folder")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


if __name__ == "__main__":
    sys.exit(main())

"""`make report`: one HTML page with the figures and charts of the overview, for a mail or a build.

    python -m scripts.report [--month 2026-09] [--out viz_rill/report.html]
        [--destination filesystem|clickhouse]

It reads the marts, on parquet or in ClickHouse, and needs nothing else: no Rill, no network.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from dlt.common.configuration.exceptions import ConfigurationException

from pipelines.core.partition import ConfigurationError, UserError, now
from pipelines.normalize.run import tag_columns
from pipelines.report import figures as report_figures
from pipelines.report.page import page

ROOT = Path(__file__).resolve().parents[2]

DESTINATIONS = ("filesystem", "clickhouse")


def main(arguments: Sequence[str] | None = None) -> int:
    """0; 1 when the figures cannot be read, 2 when the configuration is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "viz_rill" / "report.html")
    parser.add_argument("--month", type=_month, help="such as 2026-09; default: the newest")
    parser.add_argument("--destination", choices=DESTINATIONS, help="default: DLT_DESTINATION")
    options = parser.parse_args(arguments)
    destination = options.destination or os.environ.get("DLT_DESTINATION") or "filesystem"
    try:
        written = write(options.out, destination, options.month)
    except (ConfigurationError, ConfigurationException) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (UserError, OSError, report_figures.NoSuchMonthError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{written} ({written.stat().st_size / 1e6:.1f} MB)")
    return 0


def _month(text: str) -> date:
    """The first day of a month such as 2026-09."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a month such as 2026-09") from None


def write(out: Path, destination: str, month: date | None = None) -> Path:
    """Write the page. Raises UserError, ConfigurationError for what is configured wrongly, and
    NoSuchMonthError for a month without cost."""
    figures, source = read(destination, month)
    text = page(figures, source=source, made_at=now())
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(out)


def read(destination: str, month: date | None = None) -> tuple[report_figures.Figures, str]:
    """The figures of a destination for a month, and what to call it."""
    keys = tag_columns()
    if destination == "filesystem":
        from pipelines.destinations.filesystem.destination import configured_store
        from pipelines.marts.catalogue import local_connection

        connection = local_connection(configured_store())
        return report_figures.read(connection, keys, month), "from parquet"
    if destination != "clickhouse":
        known = ", ".join(DESTINATIONS)
        raise ConfigurationError(f"The destination is {destination!r}. Set it to one of: {known}.")
    from pipelines.cli import clickhouse
    from pipelines.clickhouse.server.http_client import connect
    from pipelines.marts import checks

    config = clickhouse.configured(os.environ)
    with connect(config) as client:
        found = report_figures.read(checks.ClickHouseConnection(client, config), keys, month)
    return found, "from ClickHouse"

"""Examine the way to ClickHouse Cloud: python -m scripts.test_connection_cloud

Every step from the variables to the rights of the user, a line each, with the fix for what is
wrong. Exit status: 0 all good, 1 something bad, 2 wrong configuration. Changes nothing: its scratch
tables are removed again. `make doctor` does the same for a server anywhere, and for the sources.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pipelines.cli.output.console import tell
from pipelines.doctor import clickhouse


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine with CLICKHOUSE_MODE=cloud, whatever the environment says; the exit status."""
    parser = argparse.ArgumentParser(
        prog="test_connection_cloud",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    try:
        return tell(clickhouse.examine(os.environ, mode="cloud"))
    except KeyboardInterrupt:
        print("Stopped. The findings so far are above.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

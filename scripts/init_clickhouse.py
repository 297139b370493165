"""`make init-clickhouse`: create or bring up to date every table and view on ClickHouse.

The same as `python -m pipelines migrate`; `--validate` and `--align` compare instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from pipelines.__main__ import main  # noqa: E402 (after the path is set)

if __name__ == "__main__":
    sys.exit(main(["migrate", *sys.argv[1:]]))

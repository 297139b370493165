"""`make init-clickhouse`: create or bring up to date every table and view on ClickHouse.

The same as `python -m pipelines migrate`; `--validate` and `--align` compare instead.
"""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    sys.argv[1:1] = ["migrate"]
    runpy.run_module("pipelines", run_name="__main__")

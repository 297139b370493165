"""Ask a server what is listed in a file, a path a line, and throw the answers away.

    python -m scripts.bench.yardsticks.deribit_loop URL FILE THREADS PACE

PACE is so many requests a second. Prints how long that took, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from pipelines.providers.deribit.limits import TokenBucket


def main(arguments: Sequence[str]) -> int:
    """The bare loop."""
    url, file, threads, pace = arguments
    paths = Path(file).read_text(encoding="utf-8").splitlines()
    own, bucket = threading.local(), TokenBucket(float(pace))

    def ask(path: str) -> int:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        bucket.take()
        return len(own.session.get(url + path, timeout=60).content)

    started = time.perf_counter()
    with ThreadPoolExecutor(int(threads)) as pool:
        size = sum(pool.map(ask, paths))
    print(json.dumps({"seconds": time.perf_counter() - started, "bytes": size}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

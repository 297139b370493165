"""The yardstick: Stripe's own client pages through every balance transaction and counts them.

    python -m scripts.bench.yardsticks.stripe_loop ADDRESS KEY

Prints the seconds of the loop and how many there were, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import stripe


def main(arguments: Sequence[str]) -> int:
    """Read the ledger page by page as the library's examples do, and print count and seconds."""
    address, key = arguments
    stripe.enable_telemetry = False
    client = stripe.StripeClient(key, base_addresses={"api": address})
    started = time.perf_counter()
    listed = client.v1.balance_transactions.list({"limit": 100})
    count = sum(1 for _ in listed.auto_paging_iter())
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": count}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

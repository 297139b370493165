"""A Stripe sandbox with many balance transactions, in a process of its own.

    python -m scripts.bench.servers.stripe COUNT

They lie evenly over thirteen months. Prints a line of JSON when it is ready and serves until stdin
ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from scripts.sandbox.stripe.ledger import Transaction, transaction
from scripts.sandbox.stripe.server import StripeServer, first_day

MONTHS = 13


def rows(count: int) -> list[Transaction]:
    """So many charges, evenly from the first of a month to now."""
    until = datetime.now(UTC).replace(microsecond=0)
    first = datetime.combine(first_day(until, MONTHS), datetime.min.time(), UTC)
    step = (until - first) / count
    return [
        transaction(
            first + timedelta(seconds=int((step * n).total_seconds())), n, "charge", 100 + n
        )
        for n in range(count)
    ]


def main(arguments: Sequence[str]) -> int:
    """Serve until stdin ends."""
    (count,) = arguments
    with StripeServer() as server:
        server.offer("balance_transactions", rows(int(count)))
        print(json.dumps({"environ": server.environ, "months": MONTHS}), flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

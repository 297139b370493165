"""Versions of ClickHouse whose faults can change what we publish."""

from __future__ import annotations

import re

OLDEST = (25, 8)
"""The oldest version that the tests run on."""
_RESURRECTS = ((26, 3), (26, 6))


def warn_of(version: str) -> tuple[str, str] | None:
    """What is wrong with a server's version and the fix; None for a good one.

    `replace partition` of a plain MergeTree left the replaced parts on disk without a cover, and a
    restart brought them back: https://github.com/ClickHouse/ClickHouse/issues/107605, fixed by
    pull request 107623 of June 2026.
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if not found:
        return None
    release = int(found[1]), int(found[2])
    if release < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return f"ClickHouse {version} is not supported", f"upgrade to {oldest} or newer"
    if _RESURRECTS[0] <= release < _RESURRECTS[1]:
        return (
            f"ClickHouse {version} can show the old rows of a partition beside the new ones when "
            "it is restarted soon after a load (ClickHouse #107605)",
            "upgrade to 26.6 or newer; rows that came back are replaced by `load --force`",
        )
    return None

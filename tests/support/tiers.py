"""The two tiers of tests: `make test` leaves out what is marked thorough, `make test-thorough` runs
everything. A tier also says how many random examples a test takes that does not name a number."""

from __future__ import annotations

import os

import pytest

QUICK = "not thorough"
#: Random examples of each tier. A test of pure functions names its own number, which both run.
EXAMPLES = {"quick": 5, "thorough": 50}


def tier(config: pytest.Config) -> str:
    """`quick` when the thorough tests are left out, else `thorough`."""
    return "quick" if config.option.markexpr == QUICK else "thorough"


def load_profile(config: pytest.Config) -> None:
    """Give Hypothesis the tier's profile, or the one that HYPOTHESIS_PROFILE names.

    `--hypothesis-profile` wins over both, since Hypothesis's plugin applies it afterwards.
    """
    from hypothesis import settings  # a tenth of a second, which `pytest --help` need not wait for

    before = settings()  # Hypothesis's own, which differ where the variable CI is set
    for name, examples in EXAMPLES.items():
        settings.register_profile(name, before, max_examples=examples)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", tier(config)))

"""Versions of the server that are named."""

from __future__ import annotations

import pytest

from pipelines.clickhouse.schema.versions import warn_of

OLD_ROWS = "can show the old rows of a partition beside the new ones"


@pytest.mark.parametrize(
    ("version", "what", "fix"),
    [
        ("25.3.1.1", "ClickHouse 25.3.1.1 is not supported", "upgrade to 25.8 or newer"),
        ("26.3.9.8", OLD_ROWS, "upgrade to 26.6 or newer"),
        ("26.5.1.1", OLD_ROWS, "upgrade to 26.6 or newer"),
    ],
)
def test_a_version_with_a_fault_is_named_with_its_fix(version: str, what: str, fix: str) -> None:
    found = warn_of(version)
    assert found is not None
    assert what in found[0]
    assert fix in found[1]


@pytest.mark.parametrize("version", ["25.8.1.1", "26.2.1.1", "26.6.1.1", "26.9.2.1", "unknown"])
def test_a_good_version_is_not_named(version: str) -> None:
    assert warn_of(version) is None

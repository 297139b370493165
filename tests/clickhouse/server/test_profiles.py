"""Whatever a user's profile on the server sets, what is published and read stays the same."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.tables.shapes import published_tables
from scripts.demo.world import World
from scripts.sandbox.aws.delivery import deliver_cur2
from tests.support.clickhouse.profiles import (
    LIMITS,
    READERS_OWN,
    UNUSUAL,
    Profile,
    add_profiles,
)
from tests.support.clickhouse.server import Server
from tests.support.commands import Commands, Ran
from tests.support.estate import TAGS
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import environ, leftovers

#: All but the mart of what runs took.
TABLES = sorted({*published_tables(TAGS)} - {"platform_cost"})
PASSWORD = "Pr0file/word"
#: Of the run and not of what was loaded.
OF_A_RUN = re.compile(
    r"(x_dlt_)?load_id|\w+_at|newest_(delivery|publishing)|last_(good_)?run|\w*seconds\w*|\w+_bytes"
)
RILL = {"cast_keep_nullable": "1", "join_use_nulls": "1", "session_timezone": "UTC"}
SETTINGS = {**UNUSUAL, **LIMITS}
Tables = dict[str, tuple[list[tuple[str, str]], list[tuple[Any, ...]]]]
"""By name the columns with their types, and the rows."""


@dataclass
class Providers:
    """What there is to load, and a server whose users' profiles a test chooses."""

    server: Server
    bucket: Path
    commands: Commands

    def user(self, profile: Profile, database: str = "") -> ClickHouseConfig:
        """A user with that profile; without `database` one that does not exist yet."""
        add_profiles(self.server, PASSWORD, {"unusual": profile})
        config = replace(self.server.config(), user="unusual", password=PASSWORD)
        return config.with_database(database or f"d_{secrets.token_hex(6)}")

    def load(self, config: ClickHouseConfig, what: str = "", *, marts: bool = True) -> Ran:
        """Load as this user."""
        self.commands.set(environ(config, self.bucket))
        return self.commands("load", *what.split(), marts=marts)


@pytest.fixture
def providers(module_server: Server, tmp_path: Path, commands: Commands) -> Iterator[Providers]:
    with World(tmp_path / "bucket", gcp_since=date(2026, 10, 29)) as world:
        commands.set(world.environ)
        yield Providers(module_server, tmp_path / "bucket", commands)


def read(config: ClickHouseConfig) -> Tables:
    """Every published table and mart as our own statements read it."""
    with ClickHouseManager(config) as manager:
        return {
            name: (
                columns := [(row[0], row[1]) for row in manager.execute(f"describe {name}")],
                comparable(columns, manager.execute(f"select * from {name}")),
            )
            for name in TABLES
        }


def read_as_anybody(config: ClickHouseConfig) -> Tables:
    """The same as a reader's tool does: with the profile's settings and no other."""
    found: Tables = {}
    client = Client(**config.to_driver_arguments())
    for name in TABLES:
        rows, columns = client.execute(f"select * from {name}", with_column_types=True)
        found[name] = (columns, comparable(columns, rows))
    client.disconnect()
    return found


def comparable(columns: list[tuple[str, str]], rows: list[tuple[Any, ...]]) -> list[Any]:
    """Rows without what differs between two runs, sums to nine digits or a millionth.

    Totals of Stripe's months have a fingerprint of the moment in which they were asked for.
    """
    kept = [n for n, (name, _) in enumerate(columns) if not OF_A_RUN.fullmatch(name)]
    plain = [
        tuple(_rounded(row[n]) for n in kept) for row in rows if row[0] != "stripe_month_totals"
    ]
    return sorted(plain, key=repr)


def _rounded(value: Any) -> Any:
    """A server adds up in whatever order its threads read: a difference of sums has noise."""
    return round(float(f"{value:.9g}"), 6) + 0.0 if isinstance(value, float) else value


def differing(one: Tables, other: Tables) -> dict[str, Any]:
    """By table the first rows, or the columns, that only one side has."""
    found: dict[str, Any] = {}
    for name, (columns, rows) in one.items():
        others, theirs = other[name]
        if columns != others:
            found[name] = sorted(set(columns) ^ set(others))
        elif rows != theirs:
            sides = (rows, theirs), (theirs, rows)
            found[name] = [next((row for row in a if row not in b), None) for a, b in sides]
    return found


@pytest.fixture
def bill(module_server: Server, tmp_path: Path, commands: Commands) -> Providers:
    """A month of AWS with lines of many kinds, and nothing else."""
    rows = lines("2026-10", [float(cost) for cost in range(1, 9)])
    for row, kind in zip(rows, ("Usage", "Credit", "Tax", "Refund", "EdpDiscount"), strict=False):
        row["line_item_line_item_type"] = kind
    deliver_cur2(tmp_path / "bucket", "", "cur", "2026-10", rows)
    return Providers(module_server, tmp_path / "bucket", commands)


def test_no_unusual_setting_changes_a_bill(bill: Providers) -> None:
    """All of them at once; marts in the next test."""
    change_nothing(bill, "aws", marts=False)


@pytest.mark.thorough
def test_no_unusual_setting_changes_what_is_loaded_or_read(providers: Providers) -> None:
    """All of them at once, of every source."""
    change_nothing(providers, "")


def change_nothing(providers: Providers, what: str, *, marts: bool = True) -> None:
    """Loaded and read under unusual settings, everything is as under the server's own."""
    plain = providers.user({})
    assert providers.load(plain, what, marts=marts).status == 0
    before = read(plain)
    assert before["costs"][1]
    assert bool(before["cost_overview"][1]) == marts
    unusual = providers.user(UNUSUAL)
    ran = providers.load(unusual, what, marts=marts)
    assert ran.status == 0, ran
    assert leftovers(unusual) == []
    assert differing(before, read(unusual)) == {}
    for profile in (RILL, {n: v for n, v in UNUSUAL.items() if n not in READERS_OWN}):
        reader = providers.user(profile, plain.database)
        assert differing(before, read_as_anybody(reader)) == {}, profile


@pytest.fixture
def before(providers: Providers) -> Tables:
    """What a load without a profile publishes; the same for all examples of a test."""
    plain = providers.user({})
    assert providers.load(plain, "aws stripe --from 2026-10").status == 0
    return read(plain)


@pytest.mark.thorough
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(names=st.sets(st.sampled_from(sorted(SETTINGS)), min_size=1, max_size=8))
def test_a_random_profile_changes_nothing_or_is_refused_by_name(
    providers: Providers, before: Tables, names: set[str]
) -> None:
    unusual = providers.user({name: SETTINGS[name] for name in names})
    ran = providers.load(unusual, "aws stripe --from 2026-10")
    if ran.status == 0:
        assert differing(before, read(unusual)) == {}
    else:
        assert names & LIMITS.keys(), ran
        assert [name for name in names & LIMITS.keys() if name in ran.err], ran

"""The anonymised copy: nothing of the original is in it, its sums are the original's times one
factor, and the source is only read."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from secrets import token_hex
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.anonymize.rules import rules_of
from pipelines.anonymize.values import Secrets, anonymous
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.partition import ConfigurationError
from pipelines.tables.privacy import KEEP, SCALE, SHIFT, WITHHOLD, pseudonym
from pipelines.tables.schema import Column, arrow_of, tag_key
from pipelines.tables.shapes import published_tables
from scripts.sandbox.aws import delivery, months
from scripts.sandbox.aws.targets import FolderTarget
from tests.support.commands import Commands
from tests.support.estate import configured, run
from tests.support.published_clickhouse import environ, query

KEY = hashlib.sha256(b"the key of these tests").hexdigest()
TAGS = ("Environment", "Team", "Application")
#: A copy of a database takes seconds: one quick test compares all of it.
THOROUGHLY_BOTH = ("filesystem", pytest.param("clickhouse", marks=pytest.mark.thorough))
SHOWN = {tag.lower() for tag in TAGS}


def test_every_published_column_has_its_rule() -> None:
    for table, columns in published_tables(TAGS).items():
        assert list(rules_of(table, columns)) == [column.name for column in columns]


def test_a_column_without_a_rule_stops_the_copy() -> None:
    columns = [
        Column("billed_cost", "number", True, "", privacy=SCALE),
        Column("iban", "text", True, ""),
    ]
    with pytest.raises(ConfigurationError) as error:
        rules_of("payouts", columns)
    assert str(error.value) == (
        "payouts.iban has no anonymisation rule. Add `privacy=` to its Column."
    )


@pytest.mark.parametrize(
    "column",
    [
        Column("billed_cost", "text", True, "", privacy=SCALE),
        Column("sku_id", "number", True, "", privacy=pseudonym("sku")),
        Column("consumed_quantity", "number", False, "", privacy=WITHHOLD),
    ],
)
def test_a_rule_that_does_not_fit_its_column_stops_the_copy(column: Column) -> None:
    with pytest.raises(ConfigurationError, match=f"t.{column.name} is of type {column.type}"):
        rules_of("t", [column])


# The command, on both destinations.


@dataclass
class CopiedWorld:
    """A destination with a month of the made-up estate, and where its copy goes."""

    commands: Commands
    kind: str
    to: str
    database: ClickHouseConfig
    copies: int = 0

    def copy(self, *options: str) -> Any:
        return self.commands("anonymize", "--to", self.to, *options)

    def rows(self, table: str, *, of_copy: bool) -> list[dict[str, Any]]:
        """Every row of a published table, in an order of its own that both sides share."""
        names = [column.name for column in published_tables(TAGS)[table]]
        if self.kind == "clickhouse":
            config = self.database.with_database(self.to) if of_copy else self.database
            listed = ", ".join(f"`{name}`" for name in names)
            values = query(config, f"select {listed} from `{table}`")
            return [dict(zip(names, row, strict=True)) for row in values]
        root = Path(self.to) if of_copy else self.commands.data
        patterns = (f"{table}/*/*.parquet", f"marts/{table}/*.parquet", f"{table}/*.parquet")
        paths = sorted(path for pattern in patterns for path in root.glob(pattern))
        return [
            {k: dict(v) if k == "tags" else v for k, v in row.items()}
            for path in paths
            for row in pq.ParquetFile(path).read().to_pylist()
        ]

    def state(self) -> Any:
        """What is at the source, byte for byte or row for row."""
        if self.kind == "clickhouse":
            stored = "select name from system.tables where database = currentDatabase() "
            tables = [name for (name,) in query(self.database, stored + "and engine != 'View'")]
            return {
                name: sorted(query(self.database, f"select * from `{name}`"), key=repr)
                for name in tables
            }
        files = [path for path in self.commands.data.rglob("*") if path.is_file()]
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@dataclass(frozen=True)
class Source:
    """A month, and where it is published. To copy it leaves it as it is."""

    data: Path
    database: ClickHouseConfig
    environ: dict[str, str]
    apart: dict[str, str]


@pytest.fixture(scope="module")
def source(
    tmp_path_factory: pytest.TempPathFactory, clickhouse_server: ClickHouseConfig
) -> Iterator[Source]:
    """Loaded once: a test has a copy of its own."""
    folder = tmp_path_factory.mktemp("anonymize")
    (folder / "project" / ".dlt").mkdir(parents=True)
    rows = months.line_items("2026-10")[::10]
    delivery.deliver_cur2(FolderTarget(folder / "bucket"), "", "daily", "2026-10", rows)
    config = clickhouse_server.with_database(f"anonymize_{token_hex(6)}")
    variables = environ(config, folder / "bucket") | {
        "DESTINATION__FILESYSTEM__BUCKET_URL": str(folder / "data"),
        "NORMALIZE__TAG_COLUMNS": json.dumps(TAGS),
    }
    apart = {
        "DLT_DATA_DIR": str(folder / "dlt"),
        "DLT_PROJECT_DIR": str(folder / "project"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
    }
    with configured(variables | apart):
        run("load --destination filesystem", "normalize")
    yield Source(folder / "data", config, variables, apart)
    with ClickHouseManager(clickhouse_server) as manager:
        manager.execute(f"drop database if exists {config.database} sync")


@pytest.fixture(scope="module")
def in_clickhouse(source: Source) -> None:
    """The same month in the database."""
    with configured(source.environ | source.apart):
        run("load --destination clickhouse")


@pytest.fixture(params=THOROUGHLY_BOTH)
def world(
    request: pytest.FixtureRequest, source: Source, commands: Commands, tmp_path: Path
) -> Iterator[CopiedWorld]:
    if request.param == "clickhouse":
        request.getfixturevalue("in_clickhouse")
    commands.set(source.environ | {"DLT_DESTINATION": request.param, "ANONYMIZE__KEY": KEY})
    commands.data = source.data
    copied = f"copy_{token_hex(6)}"
    to = copied if request.param == "clickhouse" else str(tmp_path / "copy")
    yield CopiedWorld(commands, request.param, to, source.database)
    if request.param == "clickhouse":
        with ClickHouseManager(source.database) as manager:
            manager.execute(f"drop database if exists {copied} sync")


def sensitive(world: CopiedWorld) -> set[str]:
    """Every text that a rule hides, with the keys of tags that are not configured."""
    found: set[str] = set()
    for table, columns in published_tables(TAGS).items():
        rules = rules_of(table, columns)
        for row in world.rows(table, of_copy=False):
            for name, rule in rules.items():
                if rule.unless and row[rule.unless[0]] == rule.unless[1]:
                    continue  # a service's name is public, where an account's is not
                if (name, row.get("x_Source")) == ("SkuMeter", "aws"):
                    continue  # AWS's meter is a family of products, which resource_type shows
                if row[name] == row.get("ProviderName"):
                    continue  # the provider under its public name, as in the dataset's issuer
                if rule.action == "pseudonym" and row[name]:
                    found.add(row[name])
                elif rule.action == "tags":
                    found.update(dict(row[name]).values())
                    found.update(key for key in row[name] if tag_key(key).lower() not in SHOWN)
    return found - {""}


def test_no_original_value_occurs_anywhere_and_totals_scale_by_one_factor(
    world: CopiedWorld,
) -> None:
    before, hidden = world.state(), sensitive(world)
    assert len(hidden) > 100
    assert "111122223333" in hidden
    ran = world.copy()
    assert (ran.status, ran.err) == (0, "")
    assert world.state() == before
    factor = float(Secrets(KEY).factor)
    named = " ".join(published_tables(TAGS))  # a team `platform` is no secret in platform_cost
    telling = [value for value in hidden if len(value) > 7 and value not in named]
    long = re.compile("|".join(map(re.escape, telling)))
    filled: list[str] = []
    for table, columns in published_tables(TAGS).items():
        old, new = (world.rows(table, of_copy=side) for side in (False, True))
        assert len(new) == len(old)
        if not new:
            continue  # of a source that is not loaded here
        filled.append(table)
        texts = {text for row in new for value in row.values() for text in _texts(value)}
        assert texts & hidden == set(), table
        assert [text for text in texts if long.search(text)] == []
        _holds_the_rules(table, columns, old, new, factor)
    assert filled == [
        "normalized_aws", "costs", "costs_daily", "costs_split", "margin_daily",
        "margin_by_product", "margin_by_source", "complete_through", "month_sources",
        "cost_days", "cost_projection",
        "cost_overview", "cost_movers", "commitments", "untagged", "restatements",
        "newest_deliveries", "freshness", "cost_allocated", "platform_cost",
        *(["focus_cost_and_usage"] if world.kind == "clickhouse" else []), "deliveries", "runs",
    ]  # fmt: skip
    if world.kind == "filesystem":  # nor in names, footers and whatever else the files hold
        for path in Path(world.to).rglob("*"):
            assert not long.search(path.name)
            if path.is_file():
                assert not long.search(path.read_bytes().decode("latin-1")), path


def _holds_the_rules(
    table: str,
    columns: Sequence[Column],
    old: list[dict[str, Any]],
    new: list[dict[str, Any]],
    factor: float,
) -> None:
    rules = rules_of(table, columns)
    for column in columns:
        name, action = column.name, rules[column.name].action
        if action == "scale":
            sums = [math.fsum(_amount(row[name]) for row in side) for side in (old, new)]
            assert sums[1] == pytest.approx(sums[0] * factor, rel=1e-12), name
        elif action == "keep" and column.type != "map":
            assert _counted(new, name) == _counted(old, name)
        elif action == "withhold":
            assert {row[name] for row in new} == {None}
        elif action == "pseudonym":
            counts = [sorted(_counted(side, name).values()) for side in (old, new)]
            assert counts[1] == counts[0], name


def _amount(value: Any) -> float:
    """A number, or the sum of a map of amounts."""
    if isinstance(value, dict | list):
        return math.fsum(amount for _, amount in dict(value).items())
    return float(value or 0)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from (key, item)
    elif isinstance(value, str):
        yield value


def _counted(rows: list[dict[str, Any]], name: str) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for row in rows:
        found[row[name]] = found.get(row[name], 0) + 1
    return found


def test_credits_shares_and_joins_stay_true(world: CopiedWorld) -> None:
    assert world.copy().status == 0

    def share(of_copy: bool) -> list[float]:
        sums: dict[str, float] = {}
        for row in world.rows("costs", of_copy=of_copy):
            key = str(row["service_name"])
            sums[key] = sums.get(key, 0) + row["billed_cost"]
        total = math.fsum(sums.values())
        return [round(sums[key] / total, 12) for key in sorted(sums)]

    assert share(of_copy=True) == share(of_copy=False)
    rows = world.rows("costs", of_copy=True)
    for row in rows:
        tagged = {key.lower(): value for key, value in row["tags"].items()}
        assert row["tag_team"] == tagged.get("team")
        if row["x_credit_amount"]:
            assert row["x_credit_amount"] == row["billed_cost"]
    assert {row["x_partition"] for row in rows} == {"2026-10"}
    normalised = world.rows("normalized_aws", of_copy=True)
    assert sorted(map(repr, normalised)) == sorted(map(repr, rows))


def _as_text(rows: list[dict[str, Any]]) -> list[str]:
    """In whatever order a server reads and adds up its parts."""
    return sorted(
        repr({k: f"{v:.9g}" if isinstance(v, float) else v for k, v in row.items()}) for row in rows
    )


@pytest.mark.thorough
def test_dates_move_by_whole_years_and_the_same_key_gives_the_same_copy(world: CopiedWorld) -> None:
    assert world.copy().status == 0
    first = {table: world.rows(table, of_copy=True) for table in published_tables(TAGS)}
    assert world.copy().status == 0
    for table, rows in first.items():
        assert _as_text(world.rows(table, of_copy=True)) == _as_text(rows), table
    ran = world.copy("--shift-years", "-4")
    assert ran.status == 0, ran
    moved = world.rows("costs", of_copy=True)
    assert {row["x_partition"] for row in moved} == {"2022-10"}
    days = [row["x_usage_date"] for row in first["costs"] if row["x_usage_date"]]
    assert sorted(row["x_usage_date"] for row in moved if row["x_usage_date"]) == sorted(
        day - timedelta(days=1461) for day in days
    )
    if world.kind == "filesystem":
        names = sorted(p.relative_to(world.to).as_posix() for p in Path(world.to).rglob("*.*"))
        assert "normalized_aws/billing_period=2022-10/data.parquet" in names
        assert [name for name in names if "2026" in name] == []


def test_the_report_names_every_column_and_no_secret(world: CopiedWorld) -> None:
    ran = world.copy()
    factor = str(Secrets(KEY).factor)
    for table, columns in published_tables(TAGS).items():
        for column in columns:
            assert re.search(rf"│ {table} +│ {column.name} +│ \w", ran.out), column.name
    printed = "".join(world.commands.printed)
    assert KEY not in printed
    assert factor not in printed
    if world.kind == "filesystem":
        report = json.loads((Path(world.to) / "_anonymized.json").read_text())
        done = {(line["table"], line["column"]): line["done"] for line in report}
        assert done["costs", "resource_id"] == "a keyed pseudonym (resource-…)"
        assert done["costs", "billed_cost"] == "multiplied by the secret factor"


def test_the_source_is_refused_as_target(world: CopiedWorld) -> None:
    before = world.state()
    data = world.commands.data
    same = [world.database.database] if world.kind == "clickhouse" else [
        str(data), str(data / "copy"), str(data.parent), f"{data}/../{data.name}"
    ]  # fmt: skip
    for to in same:
        ran = world.commands("anonymize", "--to", to)
        assert (ran.status, ran.out) == (2, "")
        said = " ".join(ran.err.split())
        assert "overlap. Name a folder outside it." in said or "only read" in said
    assert world.state() == before


def test_a_target_that_is_no_copy_is_left_alone(world: CopiedWorld, tmp_path: Path) -> None:
    if world.kind == "clickhouse":
        query(world.database, f"create database {world.to}")
        query(world.database, f"create table {world.to}.mine (x UInt8) engine = Memory")
    else:
        Path(world.to).mkdir()
        (Path(world.to) / "mine.txt").write_text("mine")
    ran = world.copy()
    assert (ran.status, ran.out) == (2, "")
    assert "nothing was changed" in ran.err
    if world.kind == "clickhouse":
        assert query(world.database, f"show tables from {world.to}") == [("mine",)]
    else:
        assert [path.name for path in Path(world.to).iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("key", ["", "short", "a" * 64])
def test_a_key_that_can_be_guessed_is_refused(commands: Commands, key: str, tmp_path: Path) -> None:
    commands.set({"ANONYMIZE__KEY": key})
    ran = commands("anonymize", "--to", str(tmp_path / "copy"))
    assert ran.status == 2
    assert "ANONYMIZE__KEY" in ran.err
    assert not key or key not in ran.err.replace("short to", "")


def test_a_missing_key_names_its_places(commands: Commands, tmp_path: Path) -> None:
    ran = commands("anonymize", "--to", str(tmp_path / "copy"))
    assert ran.status == 2
    assert "ANONYMIZE__KEY" in ran.err


def test_a_shift_that_tears_months_apart_is_refused(commands: Commands, tmp_path: Path) -> None:
    commands.set({"ANONYMIZE__KEY": KEY})
    ran = commands("anonymize", "--to", str(tmp_path / "copy"), "--shift-years", "1")
    assert (ran.status, ran.out) == (2, "")
    assert "Use a multiple of 4" in ran.err


# The values.

MONEY = st.decimals(-(10**9), 10**9, places=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(MONEY, MONEY), min_size=1, max_size=20), st.binary(min_size=32))
def test_gross_less_fee_is_net_to_the_last_digit(
    pairs: list[tuple[Decimal, Decimal]], seed: bytes
) -> None:
    columns = [Column(name, "decimal", True, "") for name in ("gross", "fee", "net")]
    rows = pa.table(
        {
            "gross": [gross for gross, _ in pairs],
            "fee": [fee for _, fee in pairs],
            "net": [gross - fee for gross, fee in pairs],
        },
        schema=arrow_of(columns),
    )
    secrets = Secrets(hashlib.sha256(seed).hexdigest())
    made = anonymous(rows, {column.name: SCALE for column in columns}, secrets)
    for row, (gross, _) in zip(made.to_pylist(), pairs, strict=True):
        assert row["gross"] - row["fee"] == row["net"]
        assert row["gross"] == gross * secrets.factor


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_the_factor_is_never_near_one(seed: bytes) -> None:
    factor = Secrets(hashlib.sha256(seed).hexdigest()).factor
    assert Decimal("0.2") <= factor <= 5
    assert not Decimal("0.82") < factor < Decimal("1.22")


def test_a_leap_day_has_its_counterpart_and_keys_without_a_date_stay() -> None:
    secrets = Secrets(KEY, 4)
    columns = [Column("d", "date", True, ""), Column("p", "text", True, "")]
    rows = pa.table(
        {"d": [date(2024, 2, 29), None], "p": ["BTC-2024-02-29", "all"]}, schema=arrow_of(columns)
    )
    made = anonymous(rows, {"d": SHIFT, "p": SHIFT}, secrets)
    assert made.to_pylist() == [
        {"d": date(2028, 2, 29), "p": "BTC-2028-02-29"},
        {"d": None, "p": "all"},
    ]


def test_an_exports_name_in_a_partition_becomes_a_pseudonym_whether_dates_move_or_not() -> None:
    for years, month in ((0, "2026-10"), (-4, "2022-10")):
        secrets = Secrets("0123456789abcdef" * 4, years)
        column = pa.table({"x": ["2026-10@acme.daily", "2026-10", None]})
        shown = anonymous(column, {"x": SHIFT}, secrets)["x"].to_pylist()
        assert shown[1:] == [month, None]
        assert shown[0] == f"{month}@{secrets.pseudonym('export', 'acme.daily')}"
        assert secrets.shifted("aws-2026-10@acme.daily") == f"aws-{shown[0]}"


def test_one_column_can_say_when_another_stays() -> None:
    rows = pa.table({"kind": ["service", "account"], "id": ["AmazonEC2", "444455556666"]})
    rule = pseudonym("account", unless=("kind", "service"))
    made = anonymous(rows, {"kind": KEEP, "id": rule}, Secrets(KEY))
    assert made["id"].to_pylist() == [
        "AmazonEC2",
        Secrets(KEY).pseudonym("account", "444455556666"),
    ]


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(Secrets(KEY))

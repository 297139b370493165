"""`migrate --validate` and `--align` on the real server: what differs is named, all and only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipelines.clickhouse.schema.compare import Difference, against_schema, describe
from pipelines.clickhouse.schema.migrate import migrate
from pipelines.clickhouse.schema.statements import statements
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.tables.schema import COSTS, Column
from pipelines.tables.shapes import published_tables
from pipelines.tables.sources import COST_SOURCES
from scripts.sandbox.aws.delivery import deliver_cur2
from tests.conftest import FolderBucket
from tests.support.clickhouse.server import Server
from tests.support.commands import Commands, Ran
from tests.support.providers.aws_months import lines
from tests.support.published_clickhouse import add_user, environ, query, schema
from tests.support.world import World

TAGS = ("Environment", "Team", "Application")

Rows = list[list[str]]


def validate(commands: Commands, database: ClickHouseConfig) -> Rows:
    """The rows that `migrate --validate` prints; its status and last line agree with them."""
    return compared(commands("migrate", "--validate"), f"sql/ and {at(database)}")


def migrated(config: ClickHouseConfig, tags: Sequence[str]) -> None:
    migrate(config, tags, lambda line: None)


def at(config: ClickHouseConfig) -> str:
    return f"{config.database} on {config.host}:{config.port}"


def compared(ran: Ran, title: str) -> Rows:
    printed = [line for line in ran.out.splitlines() if line.startswith("│")]
    rows = whole([[cell.strip() for cell in line.split("│")[1:-1]] for line in printed])
    assert ran.out.splitlines()[-1] == f"{title}: {len(rows)} differences"
    assert (ran.status, ran.err) == (1 if rows else 0, "")
    if rows:
        assert ran.out.splitlines()[0].strip() == f"{title} differ"
    return rows


def whole(lines: Rows) -> Rows:
    """A text that is too wide goes on in the next line."""
    rows: Rows = []
    for line in lines:
        if rows and not line[0]:
            rows[-1] = [f"{one} {more}".strip() for one, more in zip(rows[-1], line, strict=True)]
        else:
            rows.append(line)
    return rows


def scratch(config: ClickHouseConfig) -> list[str]:
    sql = "select name from system.databases where startsWith(name, '_validate_')"
    return [name for (name,) in query(config.with_database("default"), sql)]


@pytest.fixture
def world(
    aws_bucket: FolderBucket, clickhouse: ClickHouseConfig, commands: Commands
) -> Iterator[World]:
    commands.set(environ(clickhouse, aws_bucket.root))
    yield World(aws_bucket, clickhouse, commands)
    assert scratch(clickhouse) == []
    assert not any(str(clickhouse.password) in text for text in commands.printed)


# Against sql/.


def test_a_migrated_database_is_as_sql_says_and_stays_as_it_was(world: World) -> None:
    before = schema(world.database)
    assert validate(world.commands, world.database) == []
    assert schema(world.database) == before


@pytest.mark.thorough
def test_a_database_that_was_never_migrated_lacks_every_table_and_gets_none(
    world: World,
) -> None:
    world.change(f"drop database {world.database.database} sync")
    names = sorted({s.name for s in statements("x", TAGS) if s.kind != "database"})
    found = validate(world.commands, world.database)
    assert [(where, have) for where, _, have in found] == [
        (f"{name}: engine", "(missing)") for name in names
    ]
    sql = f"select count() from system.databases where name = '{world.database.database}'"
    assert query(world.database.with_database("default"), sql) == [(0,)]
    query(world.database.with_database("default"), f"create database {world.database.database}")


DIFFERENCES: dict[str, tuple[Sequence[str], Rows]] = {
    "a missing table": (
        ["drop table deliveries sync"],
        [["deliveries: engine", "MergeTree", "(missing)"]],
    ),
    "a missing view": (["drop view costs sync"], [["costs: engine", "View", "(missing)"]]),
    "a missing column": (
        ["alter table aws_costs__cur drop column x_discounts"],
        [["aws_costs__cur.x_discounts: type", "Map(LowCardinality(String), Float64)",
          "(missing)"]],
    ),
    "a column too many": (
        ["alter table deliveries add column mine String"],
        [["deliveries.mine: type", "(missing)", "String"]],
    ),
    "another type": (
        ["alter table deliveries modify column billed Nullable(Float32)"],
        [["deliveries.billed: type", "Nullable(Float64)", "Nullable(Float32)"]],
    ),
    "another default": (
        ["alter table provider_partitions modify column seen_at default now()"],
        [["provider_partitions.seen_at: default", "DEFAULT now64(6, 'UTC')", "DEFAULT now()"]],
    ),
    "another comment of a column": (
        ["alter table deliveries comment column billed 'What we paid.'"],
        [["deliveries.billed: comment",
          "Sum of billed_cost; NULL when the rows have several currencies.", "What we paid."]],
    ),
    "another comment of a table": (
        ["alter table deliveries modify comment 'Mine.'"],
        [["deliveries: comment", "The publishing history of every partition.", "Mine."]],
    ),
    "another order of columns": (
        ["alter table deliveries modify column files Nullable(Int64) after bytes"],
        [["deliveries: order of columns",
          "word, partition, fingerprint, files, bytes, rows, billed, effective, "
          "billing_currency, recipe, delivered_at, published_a",
          "word, partition, fingerprint, bytes, files, rows, billed, effective, "
          "billing_currency, recipe, delivered_at, published_a"]],
    ),
    "another engine": (
        ["create table other as deliveries engine = Log",
         "exchange tables deliveries and other"],
        [["deliveries: engine", "MergeTree", "Log"],
         ["deliveries: primary key", "word, partition, published_at", ""],
         ["deliveries: sorting key", "word, partition, published_at", ""]],
    ),
    "another order of rows": (
        ["create table other as deliveries engine = MergeTree order by (word, published_at) "
         "comment 'The publishing history of every partition.'",
         "exchange tables deliveries and other"],
        [["deliveries: primary key", "word, partition, published_at", "word, published_at"],
         ["deliveries: sorting key", "word, partition, published_at", "word, published_at"]],
    ),
    "another partition": (
        ["create table other as deliveries engine = MergeTree partition by word "
         "order by (word, partition, published_at) "
         "comment 'The publishing history of every partition.'",
         "exchange tables deliveries and other"],
        [["deliveries: partition key", "", "word"]],
    ),
}  # fmt: skip


@pytest.mark.quick("another type")
@pytest.mark.parametrize("kind", DIFFERENCES)
def test_every_kind_of_difference_is_named(world: World, kind: str) -> None:
    changes, expected = DIFFERENCES[kind]
    world.change(*changes)
    assert validate(world.commands, world.database) == expected


@pytest.mark.thorough
def test_a_changed_view_shows_where_it_begins_to_differ(world: World) -> None:
    (select,) = query(
        world.database, "select as_select from system.tables where name = 'normalize_aws' and "
        f"database = '{world.database.database}'",
    )[0]  # fmt: skip
    assert select.count("'SpotUsage'") == 1
    changed = select.replace("'SpotUsage'", "'Spot'")
    world.change(
        f"alter table normalize_aws modify query {changed}",
        "create or replace view costs as select * from normalized_aws where billed_cost > 0",
    )
    (costs, rule) = validate(world.commands, world.database)
    assert costs[0] == "costs: select"
    assert ["WHERE billed_cost > 0" in each for each in costs[1:]] == [False, True]
    assert rule[0] == "normalize_aws: select"
    assert ["'SpotUsage'" in rule[1], "'Spot'" in rule[2]] == [True, True]
    assert max(len(rule[1]), len(rule[2])) <= 130
    ran = world.commands("migrate")
    assert (ran.status, validate(world.commands, world.database)) == (0, [])


@pytest.mark.thorough
def test_other_tag_columns_are_a_difference_until_they_are_migrated(world: World) -> None:
    world.commands.set({"NORMALIZE__TAG_COLUMNS": '["Environment", "Team", "Owner"]'})
    found = validate(world.commands, world.database)
    text = "LowCardinality(Nullable(String))"
    derived = re.compile(r"\w+: select|(normalize_\w+|costs_daily): comment")
    assert [row for row in found if not derived.fullmatch(row[0])] == [
        ["costs.tag_application: type", "(missing)", text],
        ["costs.tag_owner: type", text, "(missing)"],
        *(
            row
            for table in ("costs_daily", *(f"normalized_{name}" for name in sorted(COST_SOURCES)))
            for row in (
                [f"{table}.tag_application: type", "(missing)", text],
                [f"{table}.tag_owner: type", text, "(missing)"],
            )
        ),
    ]
    assert world.commands("migrate").status == 0
    assert validate(world.commands, world.database) == []


@pytest.mark.thorough
def test_columns_that_a_delivery_brought_to_raw_are_no_difference(
    world: World, aws_bucket: FolderBucket
) -> None:
    world.commands.read_from(aws_bucket.url)
    rows = [row | {"my_text": "a", "my_map": {"b": "c"}} for row in lines("2026-10", [1.0])]
    deliver_cur2(aws_bucket, "", "daily", "2026-10", rows)
    assert world.commands("load").status == 0
    assert query(world.database, "select my_text from aws_costs__cur") == [("a",)]
    assert validate(world.commands, world.database) == []


@pytest.mark.thorough
def test_a_database_whose_name_needs_quotes_is_compared_too(
    clickhouse_server: ClickHouseConfig, commands: Commands, tmp_path: Path
) -> None:
    config = clickhouse_server.with_database("costs-of-it")
    commands.set(environ(config, tmp_path))
    try:
        migrated(config, TAGS)
        assert validate(commands, config) == []
    finally:
        query(clickhouse_server, f"drop database if exists `{config.database}` sync")


def test_the_scratch_database_goes_when_the_comparison_fails(world: World) -> None:
    """The scratch database is made first; then a tag key is refused that gives no column."""
    world.commands.set({"NORMALIZE__TAG_COLUMNS": '["Team", "team"]'})
    ran = world.commands("migrate", "--validate")
    assert (ran.status, ran.out) == (2, "")
    assert "'Team' and 'team' both give the column tag_team" in ran.err
    assert scratch(world.database) == []


@pytest.mark.thorough
def test_a_user_who_may_not_create_a_database_is_told_so(
    own_server: Server, commands: Commands, tmp_path: Path
) -> None:
    config = own_server.config(database="compared")
    migrated(config, TAGS)
    user = add_user(own_server, "reader", ["select, show on *.*"])
    commands.set(environ(replace(user, database="compared"), tmp_path))
    ran = commands("migrate", "--validate")
    assert (ran.status, ran.out) == (1, "")
    assert "reader" in ran.err
    assert "create database" in ran.err.lower()
    assert "Traceback" not in ran.err
    assert user.password not in ran.err
    assert scratch(config) == []


# sql/ against tables/schema.py.


def test_sql_is_what_the_schema_declares(world: World) -> None:
    found = describe(world.database, list(published_tables(TAGS)))
    assert against_schema(found, published_tables(TAGS)) == []


def changed(column: str, **values: object) -> list[Column]:
    return [replace(c, **values) if c.name == column else c for c in COSTS]  # type: ignore[arg-type]  # any field


SCHEMAS: dict[str, tuple[list[Column], list[Difference]]] = {
    "another type": (
        changed("billed_cost", type="integer"),
        [Difference("normalized_aws.billed_cost: type", "Nullable(Int64)", "Nullable(Float64)")],
    ),
    "no NULL": (
        changed("region_id", nullable=False),
        [Difference("normalized_aws.region_id: type", "String", "Nullable(String)")],
    ),
    "another meaning": (
        changed("region_id", meaning="Where."),
        [
            Difference(
                "normalized_aws.region_id: comment", "Where.", "Region as the provider codes it."
            )
        ],
    ),
}


@pytest.fixture(scope="module")
def without_tags(clickhouse_server: ClickHouseConfig) -> Iterator[ClickHouseConfig]:
    """A database for tests that only read it."""
    config = clickhouse_server.with_database(f"without_tags_{secrets.token_hex(6)}")
    migrated(config, ())
    yield config
    query(clickhouse_server, f"drop database {config.database} sync")


@pytest.mark.thorough
@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_that_sql_does_not_follow_is_seen(
    without_tags: ClickHouseConfig, kind: str
) -> None:
    columns, expected = SCHEMAS[kind]
    found = against_schema(describe(without_tags, ["normalized_aws"]), {"normalized_aws": columns})
    by = ", by tables/schema.py"
    assert found == [replace(each, where=each.where + by) for each in expected]


@pytest.mark.parametrize(
    ("columns", "wanted", "there"),
    [
        (changed("sub_account_name", name="sub_title"), "sub_title, billing", "sub_account_name, "),
        ([COSTS[1], COSTS[0], *COSTS[2:]], "publisher_name, provider", "provider_name, publisher"),
        ([*COSTS, Column("x_new", "text", True, "New.")], ", x_dlt_load_id, x_new", "load_id"),
        (list(COSTS[:-1]), ", x_fingerprint", ", x_fingerprint, x_dlt_load_id"),
    ],
    ids=["another name", "another order", "a column more", "a column less"],
)
def test_columns_that_sql_has_not_in_this_order_are_seen(
    without_tags: ClickHouseConfig, columns: list[Column], wanted: str, there: str
) -> None:
    found = against_schema(describe(without_tags, ["normalized_aws"]), {"normalized_aws": columns})
    assert [each.where for each in found] == ["normalized_aws: columns, by tables/schema.py"]
    assert wanted in found[0].expected
    assert there in found[0].found
    assert found[0].expected != found[0].found


# Two servers.


@dataclass
class Pair:
    """The local server of `make clickhouse-up`, and another one that is configured."""

    local: ClickHouseConfig
    cloud: ClickHouseConfig
    bucket: FolderBucket
    commands: Commands

    def both(self, *commands: str) -> None:
        for config in (self.local, self.cloud):
            self.commands.set(environ(config, self.bucket.root))
            for command in commands:
                ran = self.commands(command)
                assert ran.status == 0, ran

    def align(self) -> Rows:
        self.commands.set(environ(self.cloud, self.bucket.root))
        ran = self.commands("migrate", "--align")
        return compared(ran, f"{at(self.local)} and {at(self.cloud)}")


@pytest.fixture
def pair(
    clickhouse: ClickHouseConfig,
    own_server: Server,
    aws_bucket: FolderBucket,
    commands: Commands,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Pair]:
    (tmp_path / ".clickhouse").symlink_to(own_server.folder)
    monkeypatch.chdir(tmp_path)
    local = own_server.config(database="dlt")
    yield Pair(local, clickhouse, aws_bucket, commands)
    query(own_server.config(), "drop database if exists dlt sync")
    for password in (str(local.password), str(clickhouse.password)):
        assert not any(password in text for text in commands.printed)


@pytest.mark.thorough
def test_two_servers_with_the_same_tables_and_months_are_aligned(pair: Pair) -> None:
    deliver_cur2(pair.bucket, "", "daily", "2026-09", lines("2026-09", [0.1] * 50))
    deliver_cur2(pair.bucket, "", "daily", "2026-10", [])
    pair.both("load")
    assert pair.align() == []


@pytest.mark.thorough
def test_two_servers_that_differ_are_told_apart_by_table_and_by_month(pair: Pair) -> None:
    deliver_cur2(pair.bucket, "", "daily", "2026-08", lines("2026-08", [8.0]))
    deliver_cur2(pair.bucket, "", "daily", "2026-09", lines("2026-09", [9.0]))
    pair.both("load")
    (mark,) = [
        mark
        for period, mark in query(pair.local, "select partition, fingerprint from deliveries")
        if period == "2026-09"
    ]
    rows = [row | {"my_text": "new"} for row in lines("2026-10", [1.0, 2.5])]
    deliver_cur2(pair.bucket, "", "daily", "2026-10", rows)
    assert pair.commands("load").status == 0
    sql = "select any(x_fingerprint) from costs where x_partition = '2026-10'"
    ((new,),) = query(pair.cloud, sql)
    query(pair.cloud, "alter table normalized_aws update billed_cost = 9.5 where x_partition = "
          "'2026-09' settings mutations_sync = 1")  # fmt: skip
    query(pair.cloud, "alter table deliveries modify column billed Nullable(Float32)")
    query(pair.cloud, "drop view raw_partitions")
    found = pair.align()
    assert found == [
        ["deliveries.billed: type", "Nullable(Float64)", "Nullable(Float32)"],
        ["raw_partitions: engine", "View", "(missing)"],
        ["published aws 2026-09", f"1 rows, billed 9.000000, delivery {mark}",
         f"1 rows, billed 9.500000, delivery {mark}"],
        ["published aws 2026-10", "(missing)", f"2 rows, billed 3.500000, delivery {new}"],
    ]  # fmt: skip


@pytest.mark.thorough
def test_a_server_that_was_never_migrated_lacks_everything(pair: Pair) -> None:
    migrated(pair.local, TAGS)
    query(pair.cloud.with_database("default"), f"drop database {pair.cloud.database} sync")
    query(pair.cloud.with_database("default"), f"create database {pair.cloud.database}")
    names = sorted({s.name for s in statements("x", TAGS) if s.kind != "database"})
    assert [(where, have) for where, _, have in pair.align()] == [
        (f"{name}: engine", "(missing)") for name in names
    ]


def test_a_server_is_not_compared_with_itself(pair: Pair) -> None:
    pair.commands.set(environ(pair.local, pair.bucket.root))
    ran = pair.commands("migrate", "--align")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        f"error: The local server and the configured one are both {at(pair.local)}. Name the "
        "other: CLICKHOUSE_MODE=cloud, CLICKHOUSE_HOST, CLICKHOUSE_USER and CLICKHOUSE_PASSWORD\n"
    )


def test_without_a_local_server_that_is_said(
    clickhouse: ClickHouseConfig,
    commands: Commands,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    commands.set(environ(clickhouse, tmp_path))
    ran = commands("migrate", "--align")
    assert (ran.status, ran.out) == (1, "")
    assert "localhost:9000" in ran.err
    assert str(clickhouse.password) not in ran.err

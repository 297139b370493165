"""migrate: from nothing, over older versions, killed at any statement, by users without rights."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.clickhouse.schema.migrate import TO_REWRITE, is_current, migrate
from pipelines.clickhouse.schema.rendering import SQL
from pipelines.clickhouse.schema.statements import statements
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.errors import ClickHouseQueryError
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.partition import Busy
from pipelines.tables import raw_tables
from pipelines.tables.copied import select_list
from pipelines.tables.ddl import column_block
from tests.conftest import FolderBucket
from tests.support.clickhouse.proxy import Proxy, Victim
from tests.support.clickhouse.server import Server
from tests.support.clickhouse.users import add_users
from tests.support.commands import Commands
from tests.support.kill.harness import Harness
from tests.support.kill.points import STRIDE, TIERS, of_tier
from tests.support.providers.aws_months import deliver
from tests.support.published_clickhouse import (
    NORMALISED,
    RAW,
    environ,
    leftovers,
    published,
    query,
    schema,
    totals,
)

TAGS = ("Environment", "Team", "Application")
STATEMENTS = [s for s in statements("dlt", TAGS) if s.kind != "database"]
#: Tables first, then what reads them, each in the order of sql/.
CREATED = [f"created {s.kind} {s.name}" for s in STATEMENTS if s.kind == "table"]
CREATED += [f"created {s.kind} {s.name}" for s in STATEMENTS if s.kind != "table"]
REBUILT = "rebuilt normalized_aws from raw with the current columns and rules"
REBUILT_GCP = REBUILT.replace("aws", "gcp")  # in the same shape
REBUILT_CLOUD = REBUILT.replace("aws", "clickhouse_cloud")
REBUILT_FOCUS = REBUILT.replace("aws", "focus")
REBUILT_DAYS = "rebuilt costs_daily with the current columns and rules"
FILLED = "filled costs_daily of aws"  # what tests insert into raw has not been summed up by a load
#: Two months of CUR and one of FOCUS; no column that one of the older versions lacks.
DATA = [
    f"alter table {RAW} add column my_text Nullable(String)",
    f"""insert into {RAW} (
        billing_period, x_fingerprint, x_dlt_load_id, x_delivered_at, x_form,
        line_item_line_item_type, line_item_unblended_cost, line_item_currency_code,
        line_item_usage_start_date, line_item_operation, pricing_unit, resource_tags, my_text
    ) values
        ('2026-08', 'f8', '1.5', '2026-09-03 06:15:00', 'CUR', 'Usage', 8, 'USD',
            '2026-08-01 00:00:00', 'Run', 'Hrs', map('user:Environment', 'prod'), 'x'),
        ('2026-09', 'f9', '1.6', '2026-10-03 06:15:00', 'CUR', 'Usage', 9, 'USD',
            '2026-09-01 00:00:00', 'Run', 'Hrs', map('user:Owner', 'me'), null),
        ('2026-09', 'f9', '1.6', '2026-10-03 06:15:00', 'CUR', 'Tax', 0.5, 'USD',
            '2026-09-02 00:00:00', '', null, map(), null)""",
    f"""insert into {RAW} (
        billing_period, x_fingerprint, x_dlt_load_id, x_delivered_at, x_form,
        charge_category, billed_cost, effective_cost, billing_currency, charge_period_start, tags
    ) values
        ('2026-10', 'f10', '1.7', '2026-11-03 06:15:00', 'FOCUS', 'Usage', 1, 1, 'USD',
            '2026-10-01 00:00:00', map('Owner', 'me'))""",
    """insert into deliveries (word, partition, fingerprint, rows, published_at)
    values ('aws', '2026-08', 'f8', 1, '2026-11-03 07:00:00')""",
]
NOW, DOUBLE = (
    {"2026-08": 8.0, "2026-09": 9.5, "2026-10": 1.0},
    {"2026-08": 16.0, "2026-09": 19.0, "2026-10": 1.0},
)


def _columns(found: re.Match[str]) -> str:
    return column_block(found[1], TAGS).replace("`", "")


class Sql:
    """A copy of sql/ that a test makes older. Its columns are written out, to be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(SQL, folder)
        for path in folder.glob("[0-9]*.sql"):
            text = path.read_text().replace("{costs}", raw_tables.costs())
            text = re.sub(r"\{columns:(\w+)\}", _columns, text)
            path.write_text(
                re.sub(r"\{copied:([\w/]+)\}", lambda found: select_list(found[1]), text)
            )

    def edit(self, file: str, pattern: str, text: str) -> Sql:
        """Replace the first that matches; there has to be one."""
        path = self.folder / file
        changed, count = re.subn(pattern, text, path.read_text(), count=1, flags=re.DOTALL)
        assert count == 1, pattern
        path.write_text(changed)
        return self

    def doubled(self) -> Sql:
        """An older rule by which everything cost twice as much."""
        return self.edit("20_aws.sql", "net as billed_cost", "net * 2 as billed_cost")


@pytest.fixture
def clickhouse(empty_clickhouse: ClickHouseConfig) -> ClickHouseConfig:
    """A database without tables: what migrates it is the subject."""
    return empty_clickhouse


@pytest.fixture
def older(tmp_path: Path) -> Sql:
    return Sql(tmp_path / "older-sql")


def told(config: ClickHouseConfig, tags: Sequence[str] = TAGS, folder: Path = SQL) -> list[str]:
    """What migrating tells."""
    heard: list[str] = []
    migrate(config, tags, heard.append, folder)
    return [line for line in heard if not line.startswith((TO_REWRITE, "ClickHouse 26."))]


def filled(config: ClickHouseConfig, tags: Sequence[str] = TAGS, folder: Path = SQL) -> None:
    """A database of some version with data in it, which its own views have normalised."""
    migrate(config, tags, lambda line: None, folder)
    for sql in DATA:
        query(config, sql)


@pytest.fixture(scope="module")
def wanted(clickhouse_server: ClickHouseConfig) -> Callable[..., tuple[Any, Any]]:
    """Schema and content of a database that the current version made, for some tag columns."""
    reference = clickhouse_server.with_database("reference")

    @functools.cache
    def made(tags: tuple[str, ...] = TAGS) -> tuple[dict[str, Any], dict[str, Any]]:
        with pytest.MonkeyPatch.context() as patch:  # marts ask the configuration for tags
            patch.setenv("NORMALIZE__TAG_COLUMNS", json.dumps(tags))
            filled(reference, tags)
            assert told(reference, tags) == [FILLED]
        found = schema(reference), published(reference)
        query(clickhouse_server, "drop database reference sync")
        return found

    return made


# From nothing, and again.


def test_an_empty_server_gets_everything_and_a_second_time_nothing_is_told(
    clickhouse: ClickHouseConfig,
) -> None:
    query(clickhouse.with_database("default"), f"drop database {clickhouse.database}")
    assert not is_current(clickhouse, TAGS)
    assert told(clickhouse) == CREATED
    assert is_current(clickhouse, TAGS)
    before = schema(clickhouse)
    assert sorted(before) == sorted(s.name for s in STATEMENTS)
    assert {"costs", "normalized_aws", "revenue", "trades_daily"} <= before.keys()
    assert told(clickhouse) == []
    assert schema(clickhouse) == before
    assert leftovers(clickhouse) == []


@pytest.mark.thorough
def test_the_command_says_what_it_did_and_shows_no_password(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> None:
    commands.set(environ(clickhouse, aws_bucket.root))
    first, second = commands("migrate"), commands("migrate", "--debug")
    assert (first.status, first.out.splitlines()[:-1]) == (0, CREATED)
    assert (second.status, second.out.splitlines()) == (0, first.out.splitlines()[-1:])
    assert clickhouse.database in second.out
    assert str(clickhouse.password) not in "".join(commands.printed)


@pytest.mark.thorough
def test_a_load_migrates_and_after_it_nothing_is_to_be_done(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands, older: Sql
) -> None:
    commands.set(environ(clickhouse, aws_bucket.root))
    deliver(aws_bucket.root, "2026-08", [8.0])
    assert commands("load").status == 0
    before = schema(clickhouse), published(clickhouse)
    assert told(clickhouse) == []
    assert told(clickhouse, folder=older.doubled().folder) == [REBUILT]
    assert totals(clickhouse) == {"2026-08": 16.0}
    ran = commands("load")
    assert (ran.status, ran.out) == (0, "aws: 0 loaded, 1 unchanged, 0 failed\n")
    assert ran.err.splitlines() == [
        f"{TO_REWRITE}normalized_aws: 1 rows in 1 partition",
        "normalized_aws 2026-08: 1 rows read again",
        "costs_daily of aws 2026-08: 1 rows read again",
        REBUILT,
    ]
    assert (schema(clickhouse), published(clickhouse)) == before


# Over older versions.

AWS, BASE, MARTS = "20_aws.sql", "00_database.sql", "30_marts.sql"
DATASET = "focus/cost_and_usage.sql"
GCP = "21_gcp.sql"
EXTRA_VIEW = """
create materialized view if not exists normalize_aws_twice to {target:normalized_aws} as
select 'AWS' as provider_name, billing_period as x_partition from {raw:aws_costs__cur};
"""
OLDER: dict[str, tuple[Callable[[Sql], Sql], list[str]]] = {
    "a-table-is-missing": (
        lambda sql: sql.edit(BASE, r"-- one row per partition that.*", ""),
        [
            f"created table {name}"
            for name in ("provider_partitions", "readings", "retention", "alerts")
        ],
    ),
    "a-column-of-raw-is-missing": (
        lambda sql: sql.edit(AWS, r"    pricing_rate_code [^\n]*\n", "").edit(
            AWS, r"nullIf\(pricing_rate_code, ''\)", "cast(null as Nullable(String))"
        ),
        ["added column aws_costs__cur.pricing_rate_code", REBUILT],
    ),
    "a-column-with-a-default-is-missing": (
        lambda sql: sql.edit(BASE, r"    seen_at [^\n]*\n", "")
        .edit(BASE, r"(delivered_at DateTime64\(6, 'UTC'\) comment [^\n]*),\n\)", r"\1\n)")
        .edit(BASE, r"ReplacingMergeTree\(seen_at\)", "ReplacingMergeTree"),
        ["added column provider_partitions.seen_at"],
    ),
    "a-default-is-another": (
        lambda sql: sql.edit(AWS, r"(x_form [^\n]*) default if\(.*?\n    \)", r"\1 default 'CUR'"),
        ["changed column aws_costs__cur.x_form"],
    ),
    "a-default-is-too-many": (
        lambda sql: sql.edit(AWS, r"( x_dlt_load_id LowCardinality\(String\))", r"\1 default '0'"),
        ["changed column aws_costs__cur.x_dlt_load_id"],
    ),
    "comments-are-others": (
        lambda sql: sql.edit(AWS, "The partition: the month", "The month")
        .edit(AWS, "AWS cost lines as delivered;", "As delivered;")
        .edit(AWS, r"The provider\\'s description of the charge.", "Words."),
        [],
    ),
    "a-text-is-stored-otherwise": (
        lambda sql: sql.edit(AWS, r"pricing_unit LowCardinality\(Nullable\(String\)\),",
                             "pricing_unit Nullable(String),"),
        ["changed column aws_costs__cur.pricing_unit"],
    ),
    "a-rule-is-another": (lambda sql: sql.doubled(), [REBUILT]),
    "a-rule-of-focus-is-another": (
        lambda sql: sql.edit(AWS, r"(.*)'aws' as x_source", r"\1'focus' as x_source"),
        [REBUILT],
    ),
    "a-view-is-missing": (
        lambda sql: sql.edit(
            AWS, r"-- one row per row of AWS's own FOCUS export; .*?(?=\n-- one row per )", ""
        ),
        [REBUILT, "created materialized view normalize_aws_focus"],
    ),
    "a-view-is-too-many": (
        lambda sql: sql.edit(AWS, r"\Z", EXTRA_VIEW),
        [REBUILT, "dropped materialized view normalize_aws_twice"],
    ),
    "the-order-is-another": (
        lambda sql: sql.edit(AWS, r"order by \(x_partition, [^\n]*", "order by x_partition"),
        [REBUILT],
    ),
    "a-type-of-the-cost-shape-is-another": (
        lambda sql: sql.edit(AWS, r"sku_price_id Nullable\(String\) comment",
                             "sku_price_id LowCardinality(Nullable(String)) comment"),
        [REBUILT],
    ),
    "a-column-of-the-cost-shape-is-missing": (
        lambda sql: sql.edit(AWS, r"    charge_class [^\n]* comment [^\n]*\n", "").edit(
            AWS, r"    cast\(null as Nullable\(String\)\) as charge_class,\n", ""
        ).edit(AWS, r"    nullIf\(charge_class, ''\) as charge_class,\n", "")
        .edit(GCP, r"    charge_class [^\n]* comment [^\n]*\n", "")
        .edit(GCP, r"    if\(\n        nullIf\(adjustment_info_id, ''\).*?as charge_class,\n", "")
        .edit(MARTS, r"\{cost_columns\} from normalized_aws", "* from normalized_aws")
        .edit(MARTS, r"\{cost_columns\} from normalized_gcp", "* from normalized_gcp")
        .edit(MARTS, r"union all\nselect \{cost_columns\} from normalized_clickhouse_cloud", "")
        .edit(MARTS, r"union all\nselect \{cost_columns\} from normalized_focus", "")
        .edit(DATASET, r"            when charge_class is not null then charge_class\n", ""),
        [REBUILT, REBUILT_GCP],
    ),
    "a-mart-is-another": (
        lambda sql: sql.edit(MARTS, r"select \* from normalized_deribit\n",
                             "select * from normalized_deribit where price > 0\n"),
        [],
    ),
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("case", OLDER)
def test_an_older_version_becomes_the_current_one_with_its_data(
    clickhouse: ClickHouseConfig, older: Sql, wanted: Callable[..., tuple[Any, Any]], case: str
) -> None:
    change, expected = OLDER[case]
    filled(clickhouse, folder=change(older).folder)
    assert not is_current(clickhouse, TAGS)
    heard = told(clickhouse)
    assert [line for line in heard if line != FILLED] == expected
    assert (FILLED in heard) == (REBUILT not in expected)
    assert (schema(clickhouse), published(clickhouse)) == wanted()
    assert leftovers(clickhouse) == []
    assert told(clickhouse) == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    "tags", [("Environment", "Owner"), (), ("Owner", "Team", "Environment", "Application")]
)
def test_other_tag_columns_rebuild_the_table_in_their_order(
    clickhouse: ClickHouseConfig,
    wanted: Callable[..., tuple[Any, Any]],
    tags: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled(clickhouse)
    monkeypatch.setenv("NORMALIZE__TAG_COLUMNS", json.dumps(tags))
    assert told(clickhouse, tags) == [
        REBUILT,
        REBUILT_CLOUD,
        REBUILT_FOCUS,
        REBUILT_GCP,
        REBUILT_DAYS,
    ]
    assert (schema(clickhouse), published(clickhouse)) == wanted(tags)
    if "Owner" in tags:
        owners = "select x_partition, tag_owner from costs where tag_owner is not null order by 1"
        assert query(clickhouse, owners) == [("2026-09", "me"), ("2026-10", "me")]
    assert told(clickhouse, tags) == []


@pytest.mark.thorough
def test_months_that_came_normalised_move_as_they_are_and_emptied_ones_go(
    clickhouse: ClickHouseConfig, older: Sql
) -> None:
    sql = older.edit("20_aws.sql", r"\n        and ifNull\(line_item_operation[^\n]*\n", "\n")
    filled(clickhouse, folder=sql.folder)
    query(
        clickhouse,
        f"insert into {RAW} (billing_period, line_item_line_item_type, line_item_unblended_cost,"
        " line_item_operation) values ('2026-07', 'Usage', 7, 'EKSPod-EC2')",
    )
    query(
        clickhouse,
        f"insert into {NORMALISED} (x_source, x_partition, billed_cost, x_fingerprint, tag_team)"
        " values ('aws', '2026-01', 100, 'ingested', 'core')",
    )
    assert totals(clickhouse) == NOW | {"2026-07": 7.0, "2026-01": 100.0}
    assert told(clickhouse) == [REBUILT]
    assert totals(clickhouse) == NOW | {"2026-01": 100.0}
    assert told(clickhouse, ["Owner", "Team"]) == [
        REBUILT,
        REBUILT_CLOUD,
        REBUILT_FOCUS,
        REBUILT_GCP,
        REBUILT_DAYS,
    ]
    assert query(clickhouse, "select tag_team from costs where x_partition = '2026-01'") == [
        ("core",)
    ]


# Killed, disturbed, refused.


class Killed:
    """A database that can be put back to its start, and the command that migrates it."""

    def __init__(
        self, config: ClickHouseConfig, harness: Harness, folder: Path, older: Path | None
    ) -> None:
        self.config, self.older, self.proxy = config, older, Proxy(config)
        variables = environ(self.proxy.config, folder) | {"NORMALIZE__TAG_COLUMNS": '["Owner"]'}
        self.harness, self.folder, self.environ = harness, folder, os.environ | variables
        # a backup in memory lasts as long as the connection that made it
        self.server = ClickHouseManager(config.with_database("default"))
        if older:
            filled(config, folder=older)
        self.server.execute(f"backup database {config.database} to Memory('start')")

    def back(self) -> None:
        self.server.execute(f"drop database {self.config.database} sync")
        self.server.execute(f"restore database {self.config.database} from Memory('start')")

    def migrate(self, kill_at: int = 0) -> int | None:
        victim = Victim()
        self.proxy.watch(kill_at, victim.kill)
        ran = self.harness.run(
            "migrate", "--no-marts", environ=self.environ, watched=self.folder, on_start=victim.is_
        )
        return ran.status

    def close(self) -> None:
        self.proxy.close()
        self.server.close()


@pytest.fixture(params=["empty", "older"])
def killed(
    request: pytest.FixtureRequest,
    clickhouse: ClickHouseConfig,
    harness: Harness,
    tmp_path: Path,
    older: Sql,
) -> Iterator[Killed]:
    """An empty database; or one with other rules, other tags, a column less and a view more."""
    older.doubled().edit(AWS, r"    bill_payer_account_name Low[^\n]*\n", "").edit(
        AWS, r"nullIf\(bill_payer_account_name, ''\)", "cast(null as Nullable(String))"
    ).edit(AWS, r"\Z", EXTRA_VIEW)
    folder = older.folder if request.param == "older" else None
    made = Killed(clickhouse, harness, tmp_path, folder)
    yield made
    made.close()


@pytest.mark.quick("older")
@TIERS
def test_a_migration_killed_at_any_statement_ends_as_if_undisturbed(
    killed: Killed, wanted: Callable[..., tuple[Any, Any]], tier: str
) -> None:
    assert killed.migrate() == 0
    points = kill_points(killed.proxy.steps)
    assert len(points) > 10
    (noted,) = (
        number
        for number, step in enumerate(killed.proxy.steps, 1)
        if re.match(r"alter table _schema_version\b", step)
    )
    assert noted >= max(number for number, step in points if "_lock_" not in step)
    if STRIDE == 1 and tier == "all":
        points = list(enumerate(killed.proxy.steps, 1))
    points = of_tier(points, tier, quick=1, thorough=6)
    end = schema(killed.config), published(killed.config)
    assert end == wanted(("Owner",)) or not killed.older
    for number, step in points:
        killed.back()
        assert killed.migrate(number) is None, step
        # else a load would migrate nothing
        assert is_current(killed.config, ("Owner",)) == (number > noted), step
        assert totals(killed.config) in ([NOW, DOUBLE] if killed.older else [{}]), step
        assert killed.migrate() == 0, step
        assert (schema(killed.config), published(killed.config)) == end, step
        assert leftovers(killed.config) == [], step


def kill_points(steps: list[str]) -> list[tuple[int, str]]:
    """Every statement that changes something; of those on scratch tables one of each kind."""
    changing = re.compile("create|alter|insert|drop|exchange", re.IGNORECASE)
    kinds = {
        re.sub(r"_(new|probe)_\w+.*", r"_\1_", step): (number, step)
        for number, step in enumerate(steps, 1)
        if changing.match(step)
    }
    return sorted(kinds.values())


@pytest.mark.thorough
def test_a_rebuild_waits_for_no_load_and_disturbs_none(
    clickhouse: ClickHouseConfig, older: Sql
) -> None:
    filled(clickhouse, folder=older.doubled().folder)
    with leased(clickhouse, "aws"), pytest.raises(Busy, match="aws is locked by"):
        migrate(clickhouse, TAGS)
    assert (totals(clickhouse), is_current(clickhouse, TAGS)) == (DOUBLE, False)
    with leased(clickhouse, "schema"), pytest.raises(Busy, match="schema is locked by"):
        migrate(clickhouse, TAGS)
    assert told(clickhouse) == [REBUILT]
    assert (totals(clickhouse), leftovers(clickhouse)) == (NOW, [])


@pytest.mark.thorough
def test_a_user_without_rights_is_told_which_is_missing(
    own_server: Server, aws_bucket: FolderBucket, commands: Commands
) -> None:
    password = "less-R1ghts/than"
    most = "grant select, insert, create table, drop table, drop view"
    engine = "grant table engine on *"
    grants: dict[str, Sequence[str]] = {
        "reader": ["grant select on *.*"],
        "writer": [f"{most} on ours.*", engine],
        "owner": [f"{most}, alter on ours.*", engine],
    }
    add_users(own_server, password, grants)
    query(own_server.config(), "create database ours")
    missing = {
        "reader": ["user reader is missing a right", "CREATE TABLE ON ours"],
        "writer": ["user writer is missing a right", "ALTER"],
        "owner": [],
    }
    for user, parts in missing.items():
        server = own_server.config(database="ours", user=user, password=password)
        commands.set(environ(server, aws_bucket.root))
        ran = commands("migrate")
        assert ran.status == (1 if parts else 0), (user, ran)
        assert [part for part in parts if part not in ran.err] == []
        assert "Traceback" not in ran.err
    assert password not in "".join(commands.printed)
    reader = own_server.config(database="elsewhere", user="reader", password=password)
    with pytest.raises(ClickHouseQueryError, match="CREATE DATABASE ON elsewhere"):
        migrate(reader, TAGS)


# What stands in sql/.


def test_a_statement_that_creates_nothing_is_named(older: Sql) -> None:
    (older.folder / "40_more.sql").write_text("select 1;\n")
    with pytest.raises(ValueError, match=r"40_more\.sql: no create statement in: select 1"):
        list(statements("dlt", TAGS, older.folder))


def test_a_view_that_cannot_be_rebuilt_is_named(clickhouse: ClickHouseConfig, older: Sql) -> None:
    edited = older.edit("20_aws.sql", "materialized view if not exists normalize_aws_focus",
                        "materialized view normalize_aws_focus")  # fmt: skip
    with pytest.raises(ValueError, match=r"20_aws\.sql, normalize_aws_focus: write it as"):
        migrate(clickhouse, TAGS, folder=edited.folder)


@pytest.mark.thorough
def test_a_view_over_a_table_that_is_not_there_is_refused_by_name(
    clickhouse: ClickHouseConfig, older: Sql
) -> None:
    filled(clickhouse)
    text = EXTRA_VIEW.replace("{raw:aws_costs__cur}", "{raw:nowhere}")
    edited = older.edit("20_aws.sql", r"\Z", text)
    with pytest.raises(ClickHouseQueryError, match="Unknown table expression identifier 'nowhere'"):
        migrate(clickhouse, TAGS, folder=edited.folder)
    assert totals(clickhouse) == NOW
    assert told(clickhouse) == [FILLED]
    assert leftovers(clickhouse) == []

"""Definitions for a cluster of one's own: plain statements beside what is sent, and replicas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.clickhouse.schema.compare import servers, validate
from pipelines.clickhouse.schema.migrate import is_current, migrate
from pipelines.clickhouse.schema.statements import statements
from pipelines.clickhouse.server.cluster import rendered
from pipelines.clickhouse.server.config import ClickHouseConfig, ClickHouseConfigError
from pipelines.clickhouse.server.manager import ClickHouseManager
from tests.conftest import FolderBucket
from tests.support.clickhouse.databases import TAGS
from tests.support.clickhouse.proxy import Proxy
from tests.support.clickhouse.server import Server
from tests.support.commands import Commands
from tests.support.published_clickhouse import environ, query
from tests.support.world import World

#: A statement, with `on cluster`, and in a database of the engine Replicated.
SENT = {
    "database": (
        "create database if not exists `dlt`",
        "create database if not exists `dlt` on cluster 'main'",
        "create database if not exists `dlt` "
        "engine = Replicated('/clickhouse/databases/dlt', '{shard}', '{replica}')",
    ),
    "table": (
        "-- one row per run\ncreate table if not exists runs (\n    x Int64\n)\n"
        "engine = ReplacingMergeTree(seen_at)\norder by x",
        "-- one row per run\ncreate table if not exists runs on cluster 'main' (\n    x Int64\n)\n"
        "engine = ReplicatedReplacingMergeTree(seen_at)\norder by x",
        "-- one row per run\ncreate table if not exists runs (\n    x Int64\n)\n"
        "engine = ReplicatedReplacingMergeTree(seen_at)\norder by x",
    ),
    "staging": (
        "create table _stage_aws__1_raw as aws_costs__cur settings a = 1 comment 'x'",
        "create table _stage_aws__1_raw on cluster 'main' as aws_costs__cur settings a = 1 "
        "comment 'x'",
        "create table _stage_aws__1_raw as aws_costs__cur settings a = 1 comment 'x'",
    ),
    "lease": (
        "create table _lock_aws__1 (x UInt8) engine = Memory comment '{}'",
        "create table _lock_aws__1 on cluster 'main' (x UInt8) engine = Memory comment '{}'",
        "create table _lock_aws__1 (x UInt8) engine = Memory comment '{}'",
    ),
    "materialized view": (
        "create materialized view if not exists n to t as select 1",
        "create materialized view if not exists n on cluster 'main' to t as select 1",
        "create materialized view if not exists n to t as select 1",
    ),
    "view": (
        "create or replace view costs as select 1",
        "create or replace view costs on cluster 'main' as select 1",
        "create or replace view costs as select 1",
    ),
    "exchange": (
        "exchange tables a and b",
        "exchange tables a and b on cluster 'main'",
        "exchange tables a and b",
    ),
    "rename": (
        "rename table a to b",
        "rename table a to b on cluster 'main'",
        "rename table a to b",
    ),
    "drop": (
        "drop table if exists `a` sync",
        "drop table if exists `a` on cluster 'main' sync",
        "drop table if exists `a` sync",
    ),
    "alter": (
        "alter table raw add column if not exists `x` String",
        "alter table raw on cluster 'main' add column if not exists `x` String",
        "alter table raw add column if not exists `x` String",
    ),
}
#: What tables replicate by themselves.
OF_DATA = [
    "alter table raw replace partition '2026-10' from _stage",
    "alter table raw drop partition ('aws', '2026-10')",
    "alter table _new_lines attach partition '2026-10' from normalized_aws",
    "alter table provider_partitions delete where word = 'aws'",
    "insert into deliveries select 1",
    "select count() from costs",
    "exists table a",
]


@pytest.mark.parametrize("name", SENT)
def test_what_defines_something_is_sent_to_every_server(name: str) -> None:
    plain, on_cluster, in_replicated = SENT[name]
    assert rendered(plain, "main", "dlt") == on_cluster
    assert rendered(plain, "dlt", "dlt") == in_replicated
    assert rendered(plain, "", "dlt") == plain


@pytest.mark.parametrize("sql", OF_DATA)
def test_what_changes_data_is_sent_as_it_is(sql: str) -> None:
    assert [rendered(sql, cluster, "dlt") for cluster in ("main", "dlt")] == [sql, sql]


def test_every_statement_of_sql_is_understood_for_a_cluster(
    clickhouse_server: ClickHouseConfig,
) -> None:
    """Parsed by a real server, which has no cluster to run it on."""
    with ClickHouseManager(clickhouse_server) as manager:
        for each in statements("dlt", TAGS):
            sql = rendered(each.text, "main", "dlt")
            assert f"{each.name}` on cluster 'main'" in sql or f"{each.name} on cluster" in sql
            assert each.kind != "table" or re.search(r"engine = Replicated\w*MergeTree", sql), sql
            manager.execute(f"explain ast {sql}")


@pytest.mark.thorough
def test_every_definition_of_a_run_is_rendered(
    clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, commands: Commands
) -> None:
    """What a load sends, staging and leases and marts among it, but dlt's own tables."""
    defines = re.compile(r"\s*(create|drop|alter|exchange|rename|truncate)\b", re.IGNORECASE)
    data = re.compile(r"alter table \S+ (replace|drop|attach) partition|alter \S+ \S+ delete")
    with Proxy(clickhouse) as proxy:
        world = World(aws_bucket, proxy.config, commands)
        commands.set(environ(proxy.config, aws_bucket.root))
        world.deliver("2026-09", [1.0])
        assert commands("load", marts=True).status == 0
        world.deliver("2026-09", [])
        assert commands("load", marts=True).status == 0
        steps = [step for step in proxy.steps if defines.match(step) and "_dlt_" not in step]
    kinds = {" ".join(step.split()[:2]) for step in steps}
    assert {"create table", "drop table", "alter table", "exchange tables"} <= kinds
    plain = {step for step in steps if rendered(step, "main", "dlt") == step}
    assert [step for step in plain if not data.match(step)] == []


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[list[ClickHouseConfig]]:
    """Two servers that know each other as the cluster `pair`; each is migrated on its own."""
    found = [Server(tmp_path / name) for name in ("one", "two")]
    with found[0], found[1]:
        places = "".join(
            f"<replica><host>127.0.0.1</host><port>{each.ready['port']}</port>"
            f"<user>{each.user}</user><password>{each.password}</password></replica>"
            for each in found
        )
        text = f"<remote_servers><pair><shard>{places}</shard></pair></remote_servers>"
        for each in found:
            each.stop()
            (each.folder / "config.d").mkdir()
            log = each.folder / "config.d" / "cluster.xml"
            log.write_text(f"<clickhouse>{text}</clickhouse>", encoding="utf-8")
            each.start()
        yield [each.config(database="dlt") for each in found]


@pytest.mark.thorough
def test_every_replica_is_compared_with_what_sql_says(replicas: list[ClickHouseConfig]) -> None:
    one, two = replicas
    migrate(one, TAGS, lambda line: None)
    cluster = replace(one, cluster="pair")
    places = servers(cluster)
    assert [place.partition(":")[2] for place in places] == sorted([str(one.port), str(two.port)])
    assert not is_current(cluster, TAGS)
    other = next(place for place in places if place.endswith(str(two.port)))
    found = validate(cluster, TAGS)
    assert {each.found for each in found} == {"(missing)"}
    assert all(each.where.endswith(f"engine on {other}") for each in found)
    migrate(two, TAGS, lambda line: None)
    assert (is_current(cluster, TAGS), validate(cluster, TAGS)) == (True, [])
    query(two, "alter table readings modify comment 'mine'")
    (difference,) = validate(cluster, TAGS)
    assert difference.where == f"readings: comment on {other}"
    assert validate(one, TAGS) == []


def test_a_cluster_is_named_by_a_variable() -> None:
    named = {"CLICKHOUSE_MODE": "local", "CLICKHOUSE_CLUSTER": "main"}
    assert ClickHouseConfig.from_env(named, providers=[]).cluster == "main"
    with pytest.raises(ClickHouseConfigError, match="cluster is 'a b', which is not a cluster's"):
        ClickHouseConfig.from_env(named | {"CLICKHOUSE_CLUSTER": "a b"}, providers=[])

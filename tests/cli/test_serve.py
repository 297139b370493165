"""`make serve`: what Rill is called with.

A program `rill` stands on PATH and notes its arguments.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.clickhouse.server.errors import ClickHouseError
from pipelines.clickhouse.server.manager import ClickHouseManager
from scripts import serve
from tests.support.clickhouse.server import Server
from tests.support.clickhouse.users import add_users
from tests.support.published_clickhouse import environ, query

RILL = f"""#!{sys.executable}
import json, os, pathlib, sys
project = pathlib.Path(sys.argv[2])
secret = project / ".prod.env"
note = dict(arguments=sys.argv[1:], env=secret.read_text() if secret.exists() else None,
            mode=oct(secret.stat().st_mode & 0o777) if secret.exists() else None)
with open(os.environ["NOTES"], "a") as notes:
    notes.write(json.dumps(note) + "\\n")
sys.exit(int(os.environ.get("RILL_" + sys.argv[1].upper(), "0")))
"""


@dataclass
class Rill:
    """The calls of `rill`, in order."""

    notes: Path

    @property
    def calls(self) -> list[dict[str, Any]]:
        if not self.notes.exists():
            return []
        return [json.loads(line) for line in self.notes.read_text().splitlines()]


@pytest.fixture
def rill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rill:
    program = tmp_path / "bin" / "rill"
    program.parent.mkdir()
    program.write_text(RILL, encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    return Rill(tmp_path / "notes")


def test_without_rill_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert serve.main([]) == 1
    assert "curl https://rill.sh | sh" in capsys.readouterr().err


def test_dev_validates_then_starts(rill: Rill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(serve.PROJECT / "data"))
    assert serve.main(["--", "--no-open"]) == 0
    common = [str(serve.PROJECT), "--environment", "dev", "--pull-env=false"]
    assert [call["arguments"] for call in rill.calls] == [
        ["validate", *common],
        ["start", *common, "--no-open"],
    ]


def test_it_only_validates_when_that_is_asked(rill: Rill, monkeypatch: pytest.MonkeyPatch) -> None:
    assert serve.main(["--validate"]) == 0
    monkeypatch.setenv("RILL_VALIDATE", "1")
    assert serve.main(["--validate"]) == 1
    assert [call["arguments"][0] for call in rill.calls] == ["validate", "validate"]


def test_a_project_with_an_error_is_not_started(
    rill: Rill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RILL_VALIDATE", "1")
    assert serve.main([]) == 1
    assert [call["arguments"][0] for call in rill.calls] == ["validate"]
    assert "nothing was started" in capsys.readouterr().err


def test_another_folder_is_named_and_gets_the_columns_of_what_was_never_loaded(
    rill: Rill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = tmp_path / "elsewhere"
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", str(data))
    assert serve.main([]) == 0
    assert rill.calls[1]["arguments"][-2:] == ["--env", f"data={data}"]
    assert (data / "marts" / "revenue" / "columns.parquet").is_file()


def test_a_bucket_cannot_be_served_from_parquet(
    rill: Rill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "memory://bucket/costs")
    assert serve.main([]) == 2
    assert "make serve-clickhouse" in capsys.readouterr().err
    assert rill.calls == []


def test_prod_keeps_the_password_off_the_command_line(
    rill: Rill, own_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = own_server.config(database="dlt")
    for name, value in environ(config, tmp_path).items():
        monkeypatch.setenv(name, value)
    assert serve.main(["--environment", "prod"]) == 0
    first, second = rill.calls
    assert first["env"] == second["env"]
    assert first["mode"] == "0o600"
    assert f"clickhouse_password='{config.password!s}'" in first["env"].splitlines()
    assert "source_database='dlt'" in first["env"].splitlines()
    assert not any(
        str(config.password) in text for call in rill.calls for text in call["arguments"]
    )
    assert not serve.ENV_FILE.exists()
    assert ("rill",) in query(own_server.config(), "show databases")


def test_rill_is_kept_out_of_the_database_of_the_data(
    rill: Rill,
    own_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ(own_server.config(database="dlt"), tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RILL_DATABASE", "dlt")
    assert serve.main(["--environment", "prod"]) == 2
    assert "give it a database of its own" in capsys.readouterr().err
    assert (rill.calls, serve.ENV_FILE.exists()) == ([], False)


def test_the_documented_user_reads_our_tables_and_changes_none(own_server: Server) -> None:
    text = (serve.PROJECT / "README.md").read_text(encoding="utf-8")
    grants = re.findall(r"^(grant .*) to rill;$", text, re.MULTILINE)
    assert len(grants) == 3
    config = own_server.config()
    for sql in ("create database if not exists dlt", "create database if not exists rill"):
        query(config, sql)
    query(config, "create or replace table dlt.costs (a Int64) engine = MergeTree order by a")
    query(config, "insert into dlt.costs values (1)")
    add_users(own_server, "Rill-Pa55", {"rill": grants})
    user = replace(own_server.config(), user="rill", password="Rill-Pa55", database="rill")
    with ClickHouseManager(user) as rill:
        rill.execute("create or replace view costs as select * from dlt.costs")
        rill.execute("create table copy engine = MergeTree order by a as select * from dlt.costs")
        rill.execute("insert into copy select * from costs")
        assert rill.execute("select sum(a) from copy") == [(2,)]
        rill.execute("drop table copy")
        for statement in (
            "insert into dlt.costs values (2)",
            "drop table dlt.costs",
            "truncate table dlt.costs",
            "alter table dlt.costs delete where 1",
            "create view dlt.other as select 1",
            "create table dlt.other (a Int64) engine = Memory",
        ):
            with pytest.raises(ClickHouseError, match=r"(?i)privileges|not enough|grant"):
                rill.execute(statement)
    assert query(own_server.config(), "select count() from dlt.costs") == [(1,)]

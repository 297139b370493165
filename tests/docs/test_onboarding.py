"""Every command of the onboarding documents is run, and every error that they explain happens."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.lease import leased
from pipelines.marts.checks import list_checks
from scripts.sandbox.aws import delivery, months
from scripts.sandbox.aws.targets import FolderTarget
from tests.support.clickhouse.server import Authority, Server
from tests.support.clickhouse.users import documented_grants, environ_of
from tests.support.commands import Commands
from tests.support.onboarding import ROOT, Reader, Sample, blocks, missing, reader, samples
from tests.support.published_clickhouse import add_user

SKILL = "skills/clickhouse-onboarding"
DOCUMENTS = [
    "CLICKHOUSE_SETUP.md",
    f"{SKILL}/SKILL.md",
    *(f"{SKILL}/references/{name}.md" for name in ("env-setup", "doppler-setup")),
]
TROUBLE = ["CLICKHOUSE_SETUP.md", f"{SKILL}/references/troubleshooting.md"]


def test_the_skill_says_what_it_is_for_and_leads_to_files_that_exist() -> None:
    text = (ROOT / SKILL / "SKILL.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    head = yaml.safe_load(front)
    assert head["name"] == "clickhouse-onboarding"
    assert 'Trigger phrases: "set up ClickHouse"' in head["description"]
    assert len(head["description"]) <= 1024
    minutes = [int(number) for number in re.findall(r"\((\d+) minutes?\)$", body, re.MULTILINE)]
    assert sum(minutes) <= 15
    assert sorted(path.name for path in (ROOT / SKILL / "references").iterdir()) == [
        "doppler-setup.md",
        "env-setup.md",
        "troubleshooting.md",
    ]
    named = set(re.findall(rf"{SKILL}/(scripts/\w+\.sh)", body))
    assert named == {f"scripts/{path.name}" for path in (ROOT / SKILL / "scripts").iterdir()}


def test_what_is_not_run_says_what_it_needs() -> None:
    needs = {block.needs for document in DOCUMENTS for block in blocks(document)}
    assert needs == {"", "a cloud", "Docker"}
    assert sum(not block.needs for document in DOCUMENTS for block in blocks(document)) >= 6


@pytest.fixture(scope="module")
def somebody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader with a month of an export in my-export; their server is stopped at the end."""
    made = reader(tmp_path_factory.mktemp("reader"))
    rows = months.line_items("2026-10")
    target, at = FolderTarget(made.project / "my-export"), datetime.now(UTC)
    delivery.deliver_cur2(target, "", "daily", "2026-10", rows, delivered_at=at)
    yield made
    made.run("make clickhouse-down")


def test_the_skills_first_block_runs_and_says_that_nothing_is_configured(tmp_path: Path) -> None:
    (line,) = blocks(f"{SKILL}/SKILL.md")[0].lines
    assert "No ClickHouse is configured" in reader(tmp_path).run(line)


@pytest.mark.thorough
def test_every_command_of_the_documents_runs(somebody: Reader) -> None:
    """In the order in which a person reads them; the skill after the setup, as on one machine."""
    said = {
        line: somebody.run(line)
        for document in DOCUMENTS
        for block in blocks(document)
        if not block.needs
        for line in block.lines
        if not line.startswith("set -a")  # what it reads is a template with no host in it
    }
    shown = samples("CLICKHOUSE_SETUP.md")
    assert [len(sample.lines) for sample in shown] == [1, 7]
    assert [missing(sample, said) for sample in shown] == [[], []]
    assert "│ 2026-10" in said["python -m pipelines status aws --destination clickhouse"]
    assert said["python -m pipelines check --destination clickhouse"].endswith("0 failed\n")
    local = said[f"sh {SKILL}/scripts/local.sh"]
    assert local.rstrip().endswith("0 differences")
    assert said[f"sh {SKILL}/scripts/first_load.sh"].rstrip().endswith("0 failed")


def test_documents_count_the_checks_that_there_are() -> None:
    """Where a check is added, before the thorough tests run the commands."""
    every = len(list_checks())
    setup = (ROOT / "CLICKHOUSE_SETUP.md").read_text(encoding="utf-8")
    assert re.findall(r"^(\d+) checks, 0 failed$", setup, re.MULTILINE) == [str(every)]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command, shown) = re.findall(r"^\$ (.* check .*)\n(\d+) checks, 0 failed$", readme, re.M)[0]
    assert int(shown) == every - command.count("--without")


def test_a_sample_that_was_not_printed_is_named() -> None:
    sample = Sample(("load", "check"), ("aws 2026-10: 7 rows, 8 kB, 1.4 s", "10 checks, 0 failed"))
    said = {"load": "x\naws 2026-10: 7 rows, 12.1 MB, 0.2 s\n", "check": "42 checks, 0 failed\n"}
    assert missing(sample, said) == ["aws 2026-10: 7 rows, 8 kB, 1.4 s", "10 checks, 0 failed"]
    said["load"] = "aws 2026-10: 7 rows, 12.1 kB, 0.2 s\n"
    assert missing(sample, said) == ["10 checks, 0 failed"]


# Each error that the tables explain.


def texts(document: str) -> list[str]:
    """The first column of the table of troubles."""
    text = (ROOT / document).read_text(encoding="utf-8")
    table = text.partition("| the message has | fix |\n|---|---|\n")[2].partition("\n\n")[0]
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with TLS, whose authority nobody knows."""
    folder = tmp_path_factory.mktemp("secure")
    with Server(folder / "server", certificate=Authority(folder).issue()) as server:
        yield server


Case = Callable[[Commands, ClickHouseConfig, Server], str]


def _status(commands: Commands, environ: dict[str, str]) -> str:
    commands.set({"CLICKHOUSE_MAX_RETRIES": "1", "CLICKHOUSE_CONNECT_TIMEOUT": "1"} | environ)
    ran = commands("status", "--destination", "clickhouse")
    assert ran.status in (1, 2)
    return " ".join(ran.err.split())


def refused(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    return _status(commands, environ_of(config, CLICKHOUSE_PORT="1", CLICKHOUSE_HTTP_PORT="2"))


def silent(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        return _status(commands, environ_of(config, CLICKHOUSE_PORT=port))


def unknown_authority(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    return _status(commands, environ_of(secure.config(secure=True)))


def plain_port(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    ports = {"CLICKHOUSE_PORT": str(config.port), "CLICKHOUSE_HTTP_PORT": str(config.http_port)}
    return _status(commands, environ_of(secure.config(secure=True), **ports))


def tls_port(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    port = str(secure.config(secure=True).port)
    return _status(commands, environ_of(config, CLICKHOUSE_PORT=port))


def wrong_password(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    return _status(commands, environ_of(config, CLICKHOUSE_PASSWORD="wrong"))


def no_rights(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    grants = [g.removeprefix("grant ") for g in documented_grants(ROOT / "CLICKHOUSE_SETUP.md")]
    assert len(grants) >= 5
    user = add_user(secure, "reader", ["select on dlt.*"])
    commands.set(environ_of(user, CLICKHOUSE_DATABASE="dlt"))
    ran = commands("doctor", "--destination", "clickhouse")
    assert "grant" in ran.out
    commands.set({"CLICKHOUSE_DATABASE": "other"})
    ran = commands("migrate")
    assert ran.status == 1
    return " ".join(ran.err.split())


def no_database(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    return _status(commands, environ_of(config, CLICKHOUSE_DATABASE="nowhere"))


def not_configured(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    return _status(commands, {})


def locked(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    commands.set(environ_of(config))
    commands.well("migrate")
    with leased(config, "aws"):
        ran = commands("load", "aws", "--destination", "clickhouse")
    assert ran.status == 1
    return ran.err


def unknown_source(commands: Commands, config: ClickHouseConfig, secure: Server) -> str:
    ran = commands("load", "azure")
    assert ran.status == 2
    return ran.err


CASES: dict[str, Case] = {
    "nothing listens there": refused,
    "no answer in time": silent,
    "not signed by an authority that is trusted here": unknown_authority,
    "this port answers without TLS": plain_port,
    "the connection was closed before an answer came": tls_port,
    "with this password": wrong_password,
    "Not enough privileges": no_rights,
    "does not exist": no_database,
    "No ClickHouse is configured": not_configured,
    "is locked by": locked,
    "Unknown source": unknown_source,
}


@pytest.mark.parametrize("document", TROUBLE)
def test_every_trouble_of_the_tables_has_its_case(document: str) -> None:
    assert texts(document) == list(CASES)


@pytest.mark.parametrize("text", CASES)
def test_the_error_happens_as_it_is_written(
    text: str,
    commands: Commands,
    clickhouse: ClickHouseConfig,
    secure: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # a server of the developer's own is not found here
    assert text in CASES[text](commands, clickhouse, secure)

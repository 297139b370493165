"""The workflows do what they say: their steps' own commands against a real bucket and a real
ClickHouse with TLS, and what a reader of the files relies on."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines.alerts.settings import AlertSettings
from pipelines.cli.github_role import with_role
from pipelines.clickhouse.server.config import ClickHouseConfig
from pipelines.clickhouse.server.lease import leased
from pipelines.clickhouse.server.manager import ClickHouseManager
from pipelines.core.registry import SOURCES
from scripts.sandbox.aws import delivery, months
from scripts.sandbox.bigquery.server import BigQueryServer
from scripts.sandbox.fx.server import FxServer, archive
from tests.conftest import FolderBucket, S3Bucket
from tests.support.clickhouse.server import Authority, Server
from tests.support.published_clickhouse import environ
from tests.support.workflow_steps import ROOT, Job, workflow

ETL = workflow("etl-pipeline.yml")
TEXT = (ROOT / ".github" / "workflows" / "etl-pipeline.yml").read_text(encoding="utf-8")
CI = workflow("ci.yml")
PASSWORD_NAMES = re.compile(r"secrets\.\w+")
BASE = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def loads() -> dict[str, str]:
    """The source of each step that loads one, by its id."""
    runs = {step.get("id"): step.get("run", "") for step in ETL["jobs"]["etl"]["steps"]}
    found = {name: re.search(r"-m scripts\.nightly load (\w+)$", run) for name, run in runs.items()}
    return {name: match[1] for name, match in found.items() if match}


def test_every_source_has_a_step_of_its_own_that_does_not_stop_the_others() -> None:
    assert {source_name: source_name for source_name in SOURCES}.items() <= loads().items()
    for step in ETL["jobs"]["etl"]["steps"]:
        if step.get("id") in loads():
            assert step["continue-on-error"] is True, step["id"]


@pytest.mark.parametrize("file", [ETL, CI], ids=["etl-pipeline", "ci"])
def test_rights_are_the_least_and_actions_are_pinned(file: dict[str, Any]) -> None:
    assert file["permissions"] == {}
    for name, job in file["jobs"].items():
        assert job["timeout-minutes"] <= (350 if name == "kill" else 120)
        assert job["permissions"] in (
            {"contents": "read"}, {"issues": "write"}, {"contents": "read", "id-token": "write"}
        )  # fmt: skip
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            assert "${{" not in step.get("run", ""), step


def test_secrets_stand_only_in_the_steps_that_need_them() -> None:
    ours = dict.fromkeys(("migrate", "check", "report", "summary"), "CLICKHOUSE")
    of_sources = {source_name: f"CLICKHOUSE|{source_name.upper()}" for source_name in SOURCES}
    told = {
        "webhook": "ETL_WEBHOOK",
        "alert": "CLICKHOUSE|ETL_WEBHOOK|ALERT",
        "verdict": "ETL_PING",
    }
    needed = {**ours, **of_sources, **told}
    for job in ETL["jobs"].values():
        assert not PASSWORD_NAMES.search(json.dumps(job.get("env", {})))
        for step in job["steps"]:
            used = PASSWORD_NAMES.findall(json.dumps(step))
            allowed = needed.get(step.get("id", ""))
            assert bool(used) == bool(allowed), step
            assert all(re.match(rf"secrets\.({allowed})_", name) for name in used), step
    assert "secrets." not in json.dumps(CI)


def test_secrets_and_variables_have_one_name_in_the_template_the_workflow_and_the_documents() -> (
    None
):
    used = set(re.findall(r"(?:secrets|vars)\.(\w+)", json.dumps(ETL)))
    documented = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    tables = documented.partition("## Elsewhere")[0]
    beside = " ".join(re.findall(r" # (.*)", TEXT))  # a comment in the workflow does as well
    assert sorted(used - set(re.findall(r"`(\w+)`", tables + beside))) == []
    template = (ROOT / ".env.cloud").read_text(encoding="utf-8")
    shown = re.findall(r"^# +(CLICKHOUSE_\w+): \$\{\{ secrets\.(\w+) \}\}$", template, re.MULTILINE)
    assert shown == [
        (name, name) for name in ("CLICKHOUSE_HOST", "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD")
    ]
    assert {name for name, _ in shown} <= used & set(re.findall(r"^(\w+)=", template, re.MULTILINE))


def test_every_variable_of_an_alert_is_one_that_is_read() -> None:
    given = set(re.findall(r"ALERT__(\w+)", json.dumps(ETL)))
    assert given - {name.upper() for name in AlertSettings.__dataclass_fields__} == set()


def test_every_variable_of_a_source_is_one_that_the_source_reads() -> None:
    known = set(re.findall(r"SOURCES__\w+", (ROOT / ".dlt" / "config.toml").read_text()))
    sections = tomllib.loads((ROOT / ".dlt" / "secrets.toml.example").read_text())["sources"]
    for source_name, section in sections.items():
        for key, value in section.items():
            names = (
                [key, *(f"{key}__{inner}" for inner in value)] if isinstance(value, dict) else [key]
            )
            known |= {f"SOURCES__{source_name}__{name}".upper() for name in names}
    given = set(re.findall(r"SOURCES__\w+", json.dumps(ETL)))
    assert given - known == set()
    for source_name, source in SOURCES.items():  # each step gives what puts its source to use
        (step,) = [s for s in ETL["jobs"]["etl"]["steps"] if s.get("id") == source_name]
        needs = {f"SOURCES__{source_name}__{key}".upper() for key in source.needs}
        assert needs & step["env"].keys(), source_name


def test_a_run_waits_for_the_one_at_work() -> None:
    assert ETL["concurrency"] == {"group": "etl-pipeline", "cancel-in-progress": False}
    assert ETL["on"]["schedule"] == [{"cron": "0 2 * * *"}]
    inputs = sorted(ETL["on"]["workflow_dispatch"]["inputs"])
    assert inputs == ["force", "from", "include_normalized", "to", "words"]


def test_ci_runs_on_every_python_and_both_ends_of_clickhouse() -> None:
    jobs = CI["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert jobs["test"]["steps"][-1]["run"] == "bash .ci/run"
    assert (ROOT / ".ci" / "run").read_text().endswith("\nmake lint test\nmake demo\n")
    versions = jobs["clickhouse"]["strategy"]["matrix"]["version"]
    assert versions == ["25.8", "26.3", "26.8", "latest"]
    stated = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert f"ClickHouse {', '.join(versions[:-1])} and the newest" in stated
    cluster = jobs["cluster"]["steps"][-1]
    assert (cluster["run"], cluster["env"]["TEST_CLICKHOUSE_CLUSTER"]) == (
        "make test-clickhouse",
        "main",
    )
    assert jobs["clickhouse"]["steps"][-1]["run"] == "make test-clickhouse"
    validated = [step["run"] for step in jobs["rill"]["steps"][-2:]]
    serve = ".venv/bin/python -m scripts.serve"
    assert validated == [f"{serve} --validate", f"{serve} --environment prod --validate"]


WEEKLY = "30 5 * * 0"


def test_ci_runs_the_thorough_tests_at_night_and_every_kill_point_weekly() -> None:
    assert [each["cron"] for each in CI["on"]["schedule"]] == ["30 3 * * *", WEEKLY]
    thorough, kill = CI["jobs"]["thorough"], CI["jobs"]["kill"]
    due = "needs.changes.outputs.thorough == 'true'"
    assert thorough["needs"] == "changes"
    assert thorough["if"] == f"${{{{ {due} && github.event.schedule != '{WEEKLY}' }}}}"
    assert thorough["steps"][-1] == {"run": "make test-thorough"}
    assert kill["if"] == f"${{{{ github.event.schedule == '{WEEKLY}' }}}}"
    assert kill["steps"][-1] == {
        "run": "make test-thorough "
        'ARGS="-m thorough -k kill -o faulthandler_timeout=14400 $KILLED"',
        "env": {"KILL_STRIDE": "1", "KILLED": "${{ matrix.tests }}"},
    }
    paths = " ".join(kill["strategy"]["matrix"]["tests"]).split()
    campaigns = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/kill/test_*.py")}
    assert set(paths) == campaigns | {"tests/clickhouse", "tests/destinations", "tests/streaming"}
    assert all((ROOT / path).exists() for path in paths)


def test_the_quick_tests_run_for_a_push_and_not_at_night() -> None:
    assert CI["on"].keys() == {"push", "pull_request", "schedule"}
    assert CI["on"]["push"] == {"branches": ["main"]}
    for name in ("test", "rill", "image"):
        assert CI["jobs"][name]["if"] == "${{ github.event_name != 'schedule' }}"
        assert "needs" not in CI["jobs"][name]


def test_the_nightly_run_waits_for_no_test() -> None:
    assert ETL["on"].keys() == {"schedule", "workflow_dispatch"}  # no workflow_run
    assert {name: job.get("needs") for name, job in ETL["jobs"].items()} == {
        "etl": None, "tell": "etl"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "changed", "thorough"),
    [
        ("pull_request", "docs/queries.md", "false"),
        ("pull_request", "sql/20_aws.sql", "true"),
        ("pull_request", "pipelines/clickhouse/manager.py", "true"),
        ("pull_request", "pipelines/destinations/staging.py", "true"),
        ("pull_request", "tests/kill/test_kill_filesystem.py", "true"),
        ("pull_request", "pipelines/sqlite.py", "false"),
        ("push", "docs/queries.md", "true"),
        ("schedule", "docs/queries.md", "true"),
    ],
)
def test_a_pull_request_is_tested_thoroughly_where_it_can_break_something(
    event: str, changed: str, thorough: str, tmp_path: Path
) -> None:
    (step,) = [each for each in CI["jobs"]["changes"]["steps"] if each.get("id") == "thorough"]
    assert step["env"] == {"EVENT": "${{ github.event_name }}"}
    project, output = tmp_path / "merged", tmp_path / "output"
    git = ["git", "-C", str(project), "-c", "user.name=A", "-c", "user.email=a@example.com"]
    (project / changed).parent.mkdir(parents=True)
    for text in ("before", "after"):
        (project / changed).write_text(text)
        for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", text]):
            subprocess.run([*git, *command], check=True)
    subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-c", step["run"]],
        cwd=project, env=BASE | {"EVENT": event, "GITHUB_OUTPUT": str(output)}, check=True,
    )  # fmt: skip
    assert output.read_text() == f"thorough={thorough}\n"


# The nightly run itself.


LOADING = ("Migrate", "Load aws")


@dataclass
class Night:
    """A bucket, a server with TLS, and the secrets and variables of a repository."""

    s3: S3Bucket
    server: Server
    ca: Path
    folder: Path
    runs: int = 0
    environ: Mapping[str, str] = field(default_factory=dict)

    def run(self, *only: str, **changes: str) -> Job:
        """The job `etl`, or a few of its steps, with other inputs, variables or secrets:
        inputs_words="aws". Steps of sources that are not asked for have a test of their own."""
        self.runs += 1
        config = self.server.config(secure=True)
        values = {
            "secrets.CLICKHOUSE_HOST": "localhost",
            "secrets.CLICKHOUSE_USER": config.user,
            "secrets.CLICKHOUSE_PASSWORD": str(config.password),
            "secrets.AWS_ACCESS_KEY_ID": "test-key",
            "secrets.AWS_SECRET_ACCESS_KEY": "test-secret-of-aws",
            "vars.AWS_REGION": "us-east-1",
            "vars.AWS_BUCKET_URL": self.s3.url,
            "vars.ETL_WORDS": "aws",
            "inputs.force": "false",
            "inputs.include_normalized": "false",
        }
        values |= {name.replace("_", ".", 1): value for name, value in changes.items()}
        kept = ("DLT_PROJECT_DIR", "DLT_DATA_DIR", "RUNTIME__DLTHUB_TELEMETRY", "TZ")
        environ = BASE | {name: os.environ[name] for name in kept} | {
            "AWS_ENDPOINT_URL": self.s3.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CLICKHOUSE_PORT": str(config.port),
            "CLICKHOUSE_HTTP_PORT": str(config.http_port),
            "CLICKHOUSE_CA": str(self.ca),
            "CLICKHOUSE_DATABASE": "nightly",
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(self.folder / "data"),
            "ETL_LOGS": str(self.folder / f"logs-{self.runs}"),
            **self.environ,
        }  # fmt: skip
        folder = self.folder / f"job-{self.runs}"
        asked = (values.get("inputs.words") or values["vars.ETL_WORDS"]).split()
        job = Job(ETL["jobs"]["etl"], values, environ, folder, skipped=_left_out(only, asked))
        job.run()
        for name, text in job.ran.items():
            for secret in (str(config.password), "test-secret-of-aws"):
                assert secret not in text, name
        return job

    def costs(self) -> list[tuple[Any, ...]]:
        config = self.server.config().with_database("nightly")
        with ClickHouseManager(config) as manager:
            return manager.execute("select x_partition, count() from costs group by 1 order by 1")


def _left_out(only: Sequence[str], asked: Sequence[str]) -> Callable[[str], bool]:
    """Which steps are not run: the environment is there, and the report has tests of its own."""

    def left_out(name: str) -> bool:
        source_name = name.removeprefix("Load ")
        if only:
            return name not in only
        return name == "Install" or (
            name != source_name and bool(asked) and source_name not in asked
        )

    return left_out


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder)
    with Server(folder / "server", certificate=authority.issue()) as made:
        yield made, authority.ca


@pytest.fixture
def night(s3: S3Bucket, server: tuple[Server, Path], tmp_path: Path) -> Iterator[Night]:
    for period in months.PERIODS[-2:]:
        rows = months.line_items(period)[::20]
        delivery.deliver_cur2(s3.target, "", "daily", period, rows)
    made, ca = server
    yield Night(s3, made, ca, tmp_path)
    with ClickHouseManager(made.config()) as manager:
        manager.execute("drop database if exists nightly sync")


@pytest.mark.thorough
def test_the_steps_load_check_and_summarise(night: Night) -> None:
    job = night.run()
    assert job.failed is False
    assert {name: job.outcomes[name] for name in ("migrate", "aws", "check", "verdict")} == {
        "migrate": "success", "aws": "success", "check": "success", "verdict": "success"
    }  # fmt: skip
    assert job.ran["Verdict"] == "Everything succeeded.\n"
    assert job.outputs() == {"failed": ""}
    counts = night.costs()
    assert [period for period, _ in counts] == list(months.PERIODS[-2:])
    row = re.search(r"^\| aws \| (.*) \|$", job.summary(), re.MULTILINE)
    assert row is not None
    run, partitions, rows, billed, newest, seconds = row[1].split(" | ")
    assert (run, partitions) == ("2 loaded, 0 unchanged, 0 failed", "2")
    assert int(rows.replace(",", "")) >= sum(count for _, count in counts)
    assert re.fullmatch(r"-?[\d,]+\.\d\d USD", billed)
    assert newest == months.PERIODS[-1]
    assert float(seconds) > 0
    assert re.search(r"^Checks: \d+ checks, 0 failed$", job.summary(), re.MULTILINE)


@pytest.mark.thorough
def test_sources_that_are_not_configured_are_left_out_and_a_role_serves_for_keys(
    night: Night, bigquery_server: BigQueryServer
) -> None:
    keys = {"secrets_AWS_ACCESS_KEY_ID": "", "secrets_AWS_SECRET_ACCESS_KEY": ""}
    role = {"vars_AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/reads-billing"}
    night.environ = bigquery_server.job_environ()
    with FxServer(archive(datetime.now(UTC).date())) as rates:
        job = night.run(vars_ETL_WORDS="", vars_FX_URL=rates.url, **keys, **role)
    assert job.failed is False, job.ran
    assert job.ran["Load stripe"] == "stripe: not configured\n"
    assert re.findall(r"^\| (\w+) \| (\d+) loaded", job.summary(), re.MULTILINE) == [
        ("aws", "2"), ("fx", "2")
    ]  # fmt: skip
    assert [period for period, _ in night.costs()] == list(months.PERIODS[-2:])
    night.environ = {}
    job = night.run(*LOADING, "Summary", "Verdict", **keys, **role)
    assert job.outputs() == {"failed": "aws check report"}  # neither was run
    assert "Give the job `permissions: id-token: write`" in job.ran["Load aws"]
    assert "<summary>aws failed</summary>" in job.summary()
    assert "Give the job `permissions: id-token: write`" in job.summary()


@pytest.mark.parametrize("by", ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_where_aws_finds_its_own_way_a_role_is_left_to_it(by: str) -> None:
    given = {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/reads-billing", by: "given"}
    assert with_role(given) == given


@pytest.mark.thorough
def test_inputs_choose_what_is_loaded(night: Night) -> None:
    assert night.run(*LOADING, inputs_from=months.PERIODS[-1]).failed is False
    assert [period for period, _ in night.costs()] == [months.PERIODS[-1]]
    job = night.run(
        *LOADING, inputs_words="aws", inputs_force="true", inputs_include_normalized="true"
    )
    assert job.failed is False, job.ran
    assert job.ran["Load aws"].count("aws: 2 loaded, 0 unchanged, 0 failed") == 2
    assert re.search("^aws: 2 ingested", job.ran["Load aws"], re.MULTILINE)


def test_an_input_is_never_run_as_shell(night: Night) -> None:
    hostile = '2026-01"; touch "$HOME/pwned"; echo "'
    job = night.run("Load aws", inputs_from=hostile)
    assert job.outcomes == {"aws": "failure"}
    assert "is not a valid partition" in job.ran["Load aws"]
    assert "touch" not in job.seen["Load aws"]["CLICKHOUSE_HOST"]


@pytest.mark.thorough
def test_a_source_that_fails_is_named_and_nothing_else_is_left_out(night: Night) -> None:
    assert night.run(*LOADING).failed is False
    before = night.costs()
    job = night.run(vars_AWS_BUCKET_URL="s3://a-bucket-that-is-not-there")
    assert job.failed is True
    assert (job.outcomes["aws"], job.outcomes["check"]) == ("failure", "success")
    assert job.ran["Verdict"] == "Failed: aws\n"
    assert job.outputs() == {"failed": "aws"}
    assert "| aws | **failed**: – | 2 |" in job.summary()
    assert "<summary>aws failed</summary>" in job.summary()
    assert "a-bucket-that-is-not-there" in job.summary()
    assert night.costs() == before


@pytest.mark.thorough
def test_a_server_that_refuses_stops_the_run_before_anything_is_loaded(night: Night) -> None:
    job = night.run(vars_ETL_WORDS=" ".join(SOURCES), secrets_CLICKHOUSE_PASSWORD="wrong-password")
    assert job.failed is True
    assert job.outcomes == {
        "migrate": "failure",
        **dict.fromkeys(SOURCES, "skipped"),
        "check": "skipped",
        "report": "skipped",
        "alert": "success",
        "summary": "success",
        "verdict": "failure",
    }
    assert job.outputs() == {"failed": f"migrate {' '.join(SOURCES)} check report"}
    assert "wrong-password" not in "".join(job.ran.values()) + job.summary()


@dataclass
class Elsewhere:
    """A machine of one's own, where cron runs every step by one command."""

    bucket: FolderBucket
    environ: Mapping[str, str]
    said: str = ""

    def run(self) -> tuple[int, str, str]:
        """The night's status, its last line and its row of the summary."""
        command = [sys.executable, "-m", "scripts.nightly", "run"]
        ran = subprocess.run(command, cwd=ROOT, env=self.environ, capture_output=True, text=True)
        self.said = ran.stdout
        lines = ran.stdout.splitlines()
        (row,) = [line for line in lines if line.startswith("| aws")]
        return ran.returncode, lines[-1], row

    def deliver(self, period: str, at: datetime, leave_out: int = 0) -> None:
        """A month as AWS writes it, without its first lines."""
        rows = months.line_items(period)[::50][leave_out:]
        delivery.deliver_cur2(self.bucket, "", "daily", period, rows, delivered_at=at)


@pytest.fixture
def elsewhere(clickhouse: ClickHouseConfig, aws_bucket: FolderBucket, tmp_path: Path) -> Elsewhere:
    variables = os.environ | environ(clickhouse, aws_bucket.root) | {"ETL_LOGS": str(tmp_path)}
    return Elsewhere(aws_bucket, variables)


@pytest.mark.thorough
def test_elsewhere_one_command_does_the_same_and_a_missed_day_is_caught_up(
    elsewhere: Elsewhere, clickhouse: ClickHouseConfig, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    elsewhere.deliver("2026-09", datetime(2026, 9, 20, 4, 5, tzinfo=UTC), leave_out=2)
    assert elsewhere.run()[:2] == (1, "Failed: check")
    _, details = elsewhere.said.split("<summary>check failed</summary>")
    assert "│ aws  │ 2026-09-20 04:05 │" in details  # what offends, not only its name
    # two nights later: the month was delivered again, another is new
    elsewhere.deliver("2026-09", now, leave_out=1)
    elsewhere.deliver("2026-10", now)
    with leased(clickhouse, "aws"):
        assert elsewhere.run()[:2] == (1, "Failed: aws, check")
    assert "aws is locked by" in sorted(tmp_path.glob("????-*/aws.log"))[-1].read_text()
    status, last, row = elsewhere.run()
    assert (status, last) == (0, "Everything succeeded.")
    assert row.startswith("| aws | 2 loaded, 0 unchanged, 0 failed | 2 | ")


# Who is told.


@pytest.fixture
def hook() -> Iterator[tuple[str, list[bytes]]]:
    """A webhook on loopback: its URL, and what it was sent."""
    sent: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", sent
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("known", ["", "7"])
def test_a_failure_is_told_once(tmp_path: Path, hook: tuple[str, list[bytes]], known: str) -> None:
    url, sent = hook
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> "{tmp_path}/asked"\n'
        f'[ "$2" != list ] || echo "{known}"\n'
    )
    gh.chmod(gh.stat().st_mode | stat.S_IXUSR)
    values = {
        "needs.etl.outputs.failed": "aws stripe",
        "github.server_url": "https://github.example",
        "github.repository": "acme/costs",
        "github.run_id": "42",
        "github.token": "a-token",
        "secrets.ETL_WEBHOOK_URL": url,
    }
    environ = {"PATH": f"{gh.parent}:{BASE['PATH']}"}
    job = Job(ETL["jobs"]["tell"], values, environ, tmp_path / "job")
    job.run()
    assert (job.failed, job.outcomes) == (False, {"issue": "success", "webhook": "success"})
    run = "https://github.example/acme/costs/actions/runs/42"
    asked = (tmp_path / "asked").read_text().splitlines()
    text = f"--body Failed: aws stripe. {run} has the summary, and the logs for 30 days."
    told = f"issue comment 7 {text}" if known else (
        f"issue create --title The nightly run failed {text}"
    )  # fmt: skip
    assert asked[1:] == [told]
    assert [json.loads(body) for body in sent] == [
        {"text": f"The nightly run failed: aws stripe. {run}"}
    ]

"""The steps of a nightly run: each tells how it ended, so that none hides or stops another.

    python -m scripts.nightly run      # every step: for cron and containers
    python -m scripts.nightly migrate | load SOURCE | check | summary | verdict

A step leaves `<logs>/<step>.log` and `<step>.json` (status, seconds). `summary` prints Markdown of
them and of what is published; `verdict` names what failed and ends with 1 if anything did.

ETL_WORDS     sources to load, separated by spaces. Default: those that are configured.
ETL_FROM      the first partition, as 2026-01. Default: what changed.
ETL_TO        the last one. Default: what changed.
ETL_FORCE     true: also what has not changed. Default: false.
ETL_INGEST    true: also normalise here and load the normalised files. Default: false.
ETL_LOGS      where logs and results go. Default: logs.
AWS_ROLE_ARN  in a job of GitHub's with `id-token: write`: the role that AWS is read by, when there
              is no AWS_ACCESS_KEY_ID. Default: none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.core.partition import ConfigurationError, UserError
from pipelines.core.registry import SOURCES, is_configured, source_names
from pipelines.core.text import money
from pipelines.providers import github

ROOT = Path(__file__).resolve().parents[2]

_ENDED = re.compile(r"^(\w+): (\d+) loaded, (\d+) unchanged, (\d+) failed$", re.MULTILINE)


class Night:
    """The folder of one run's logs, and what the run is to do."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.logs = Path(environ.get("ETL_LOGS") or "logs")
        self.asked = (
            source_names(environ["ETL_WORDS"].split()) if environ.get("ETL_WORDS") else None
        )

    @property
    def source_names(self) -> list[str]:
        """The sources of this run, in order: asked for, configured here, or loaded by a step."""
        if self.asked is not None:
            return self.asked
        return [
            source_name
            for source_name in SOURCES
            if is_configured(source_name) or self.result(source_name)
        ]

    def options(self) -> list[str]:
        """`--from`, `--to` and `--force` as they are asked for."""
        chosen = [
            part
            for option in ("from", "to")
            if (value := self.environ.get(f"ETL_{option.upper()}"))
            for part in (f"--{option}", value)
        ]
        forced = self.environ.get("ETL_FORCE", "").lower() == "true"
        return [*chosen, "--force"] if forced else chosen

    def run(self, step: str, *commands: Sequence[str]) -> int:
        """Run commands one after the other until one fails; print and keep their log."""
        self.logs.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with (self.logs / f"{step}.log").open("w", encoding="utf-8") as log:
            try:
                environ = with_role(self.environ) if step == "aws" else self.environ
                status = _run_all(commands, log, environ)
            except UserError as error:
                status = 2
                print(f"error: {error}", file=log)
                print(f"error: {error}", file=sys.stderr)
        self.note(step, status, time.monotonic() - started)
        return status

    def note(self, step: str, status: int, seconds: float = 0.0) -> None:
        """Record the exit status and the duration of a step for the summary."""
        document = {"step": step, "status": status, "seconds": round(seconds, 1)}
        (self.logs / f"{step}.json").write_text(json.dumps(document) + "\n", encoding="utf-8")

    def load(self, source_name: str) -> int:
        """One source, if it is asked for, or else configured; with ETL_INGEST both ways."""
        if source_name not in self.source_names:
            why = "configured" if self.asked is None else "asked for"
            print(f"{source_name}: not {why}")
            return 0
        load = ["load", source_name, *self.options()]
        if self.environ.get("ETL_INGEST", "").lower() != "true":
            return self.run(source_name, load)
        return self.run(
            source_name,
            load,
            [*load, "--destination", "filesystem"],
            ["normalize", source_name, *self.options()],
            ["ingest", source_name, *self.options()],
        )

    def night(self) -> int:
        """Every step, as the workflow has them; the status is the verdict's."""
        for path in self.logs.glob("*.json"):
            path.unlink()
        if self.run("migrate", ["migrate"]) == 0:
            for source_name in self.source_names:
                self.load(source_name)
            self.run("check", ["check"])
        print("\n".join(self.summary()))
        return self.verdict()

    def result(self, step: str) -> dict[str, Any] | None:
        """What a step left, None where it did not run."""
        path = self.logs / f"{step}.json"
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def log(self, step: str) -> str:
        """The output of a step; '' when it did not run."""
        path = self.logs / f"{step}.log"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def failed(self) -> list[str]:
        """Every step that failed or did not come to its turn, by name."""
        loads = self.source_names or ["load"]  # a run that loads nothing has failed
        steps = ["migrate", *loads, "check"]
        results = {step: self.result(step) for step in steps}
        return [step for step, found in results.items() if found is None or found["status"]]

    def verdict(self) -> int:
        """Name what failed; also as the output `failed` of a workflow's step."""
        failed = self.failed()
        if path := self.environ.get("GITHUB_OUTPUT"):
            with Path(path).open("a", encoding="utf-8") as outputs:
                outputs.write(f"failed={' '.join(failed)}\n")
        print(f"Failed: {', '.join(failed)}" if failed else "Everything succeeded.")
        return 1 if failed else 0

    def summary(self) -> Iterator[str]:
        """Markdown: per source what was loaded, what is published, seconds; then the checks."""
        yield "| source | run | partitions | rows | billed | newest | seconds |"
        yield "|---|---|---:|---:|---:|---|---:|"
        for source_name in self.source_names:
            result, ended = self.result(source_name), _ENDED.search(self.log(source_name))
            run = f"{ended[2]} loaded, {ended[3]} unchanged, {ended[4]} failed" if ended else "–"
            if result is None:
                run = "did not run"
            elif result["status"]:
                run = f"**failed**: {run}"
            seconds = f"{result['seconds']:.1f}" if result else ""
            cells = " | ".join(_published(source_name, self.environ))
            yield f"| {source_name} | {run} | {cells} | {seconds} |"
        yield ""
        lines = self.log("check").splitlines()
        yield f"Checks: {lines[-1] if lines else 'did not run'}"
        for step in self.failed():
            said = [line for line in self.log(step).splitlines() if line]
            yield ""
            yield f"<details><summary>{step} failed</summary>\n\n```text"
            yield "\n".join(said[-40:]).replace("```", "'''") or "it did not run"
            yield "```\n\n</details>"


def _published(source_name: str, environ: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Partitions, rows, billed by currency, newest partition; of a server that is there."""
    from pipelines.cli import clickhouse
    from pipelines.marts import status

    try:
        rows = status.rows(SOURCES[source_name].raw_table, clickhouse.warehouse(environ))
    except UserError as error:
        return "", "", "", str(error).splitlines()[0].replace("|", "/")
    billed: dict[str, float] = {}
    for row in rows:
        if row.billed is not None and row.currency:
            billed[row.currency] = billed.get(row.currency, 0.0) + row.billed
    sums = ", ".join(f"{money(value)} {name}" for name, value in sorted(billed.items()))
    newest = max((row.partition for row in rows), default="")
    return f"{len(rows)}", f"{sum(row.rows for row in rows):,}", sums, newest


def _run_all(commands: Iterable[Sequence[str]], log: Any, environ: Mapping[str, str]) -> int:
    status = 0
    for command in commands:
        status = max(status, _run([sys.executable, "-m", "pipelines", *command], log, environ))
        if status > 1:  # 1: some partitions failed and are named, the rest goes on
            break
    return status


def _run(command: Sequence[str], log: Any, environ: Mapping[str, str]) -> int:
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=dict(environ),
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            log.write(line)
    return process.returncode


def with_role(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables, with an hour's keys of AWS_ROLE_ARN where that is how AWS is to be read.

    They live in these variables alone. Raises ConfigurationError.
    """
    role = environ.get("AWS_ROLE_ARN")
    # keys; or what Kubernetes sets, for AWS's own chain
    others = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE")
    if not role or any(environ.get(name) for name in others):
        return dict(environ)
    import boto3  # imported only here: it takes half a second
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    region = environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    client = boto3.client("sts", region_name=region, config=Config(signature_version=UNSIGNED))
    try:
        keys = client.assume_role_with_web_identity(
            RoleArn=role,
            RoleSessionName="nightly",
            WebIdentityToken=github.token(
                "sts.amazonaws.com",
                environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"),
                environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
            ),
        )["Credentials"]
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(
            f"AWS_ROLE_ARN: {role} cannot be assumed: {error}. Its trust policy has to name "
            "GitHub's provider and this repository (docs/operations.md)."
        ) from None
    return dict(environ) | {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step or the whole night and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("step", choices="run migrate load check summary verdict".split())
    parser.add_argument("source", nargs="?", choices=list(SOURCES), metavar="SOURCE")
    options = parser.parse_args(arguments)
    if (options.step == "load") != (options.source is not None):
        parser.error("`load` takes a SOURCE, the other steps take none")
    night = Night(os.environ)
    if options.step == "load":
        return night.load(options.source)
    whole = {"run": night.night, "verdict": night.verdict}
    if options.step in whole:
        return whole[options.step]()
    if options.step == "summary":
        print("\n".join(night.summary()))
        return 0
    return night.run(options.step, [options.step])


def command() -> None:
    """What the script does: one step, its exit status, and an error as one line."""
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)

"""The steps of a nightly run: each tells how it ended, so that none hides or stops another.

    python -m scripts.nightly run      # every step: for cron and containers
    python -m scripts.nightly migrate | load SOURCE | check | report | alert | summary | verdict

A step leaves `<logs>/<step>.log` and `<step>.json` (status, seconds); `run` has a folder of its own
in <logs> and keeps the newest 30. `report` writes report.html there; `alert` tells people what is
new and which steps failed; `summary` prints Markdown of the steps and of what is published;
`verdict` names what failed, ends with 1 if anything did, and else asks ETL_PING_URL.

ETL_WORDS     sources to load, separated by spaces. Default: those that are configured.
ETL_FROM      the first partition, as 2026-01. Default: what changed.
ETL_TO        the last one. Default: what changed.
ETL_FORCE     true: also what has not changed. Default: false.
ETL_INGEST    true: also normalise here and load the normalised files. Default: false.
ETL_LOGS      where logs and results go. Default: logs.
ETL_PING_URL  asked after a good night: a monitor that alarms when nobody does. Default: none.
AWS_ROLE_ARN  in a job of GitHub's with `id-token: write`: the role that AWS is read by, when there
              is no AWS_ACCESS_KEY_ID. Default: none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.alerts.channels import ChannelError, ping
from pipelines.cli.github_role import with_role
from pipelines.core.partition import UserError, now
from pipelines.core.registry import SOURCES, is_configured, source_names
from pipelines.core.text import money

ROOT = Path(__file__).resolve().parents[2]

KEPT = 30
STEPS = tuple("run migrate load check report alert summary verdict".split())

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

    def run(self, step: str, *commands: Sequence[str], module: str = "pipelines") -> int:
        """Run commands one after the other until one fails; print and keep their log."""
        self.logs.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with (self.logs / f"{step}.log").open("w", encoding="utf-8") as log:
            try:
                environ = with_role(self.environ) if step == "aws" else self.environ
                status = _run_all([[module, *each] for each in commands], log, environ)
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
        """Every step, as the workflow has them; the status is the verdict's.

        In a folder of its own: another night that runs meanwhile, or ran before, has another.
        """
        above = self.logs
        self.logs = above / f"{now():%Y-%m-%dT%H%M%S}-{os.getpid()}"
        if self.run("migrate", ["migrate"]) == 0:
            for source_name in self.source_names:
                self.load(source_name)
            self.run("check", ["check"])
            self.report()
        self.alert()
        print("\n".join(self.summary()))
        for folder in sorted(above.glob("????-??-??T*-*"))[:-KEPT]:
            shutil.rmtree(folder, ignore_errors=True)
        return self.verdict()

    def report(self) -> int:
        """The page, beside the logs."""
        out = str((self.logs / "report.html").resolve())
        return self.run("report", ["--out", out], module="scripts.report")

    def alert(self) -> int:
        """Tell people what is new, and which steps failed."""
        failed = self.failed()
        status = self.run("alert", ["alert", *(["--failed", *failed] if failed else [])])
        said = self.log("alert")
        if not status and not said.startswith("nobody is told"):
            self.output("told", "true")
        return status

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
        is_ours = path.is_file() and self.result(step) is not None
        return path.read_text(encoding="utf-8") if is_ours else ""

    def failed(self) -> list[str]:
        """Every step that failed or did not come to its turn, by name."""
        loads = self.source_names or ["load"]  # a run that loads nothing has failed
        steps = ["migrate", *loads, "check", "report"]
        results = {step: self.result(step) for step in steps}
        failed = [step for step, found in results.items() if found is None or found["status"]]
        told = self.result("alert")  # the last one: itself it asks what failed before
        return [*failed, "alert"] if told and told["status"] else failed

    def output(self, name: str, value: str) -> None:
        """An output of a workflow's step."""
        if path := self.environ.get("GITHUB_OUTPUT"):
            with Path(path).open("a", encoding="utf-8") as outputs:
                outputs.write(f"{name}={value}\n")

    def verdict(self) -> int:
        """Name what failed; also as the output `failed` of a workflow's step."""
        failed = self.failed()
        if not failed and (url := self.environ.get("ETL_PING_URL")):
            try:
                ping(url)
            except ChannelError as error:
                print(f"error: {error}", file=sys.stderr)
                failed = ["ping"]
        self.output("failed", " ".join(failed))
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
        status = max(status, _run([sys.executable, "-m", *command], log, environ))
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step or the whole night and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("source", nargs="?", choices=list(SOURCES), metavar="SOURCE")
    options = parser.parse_args(arguments)
    if (options.step == "load") != (options.source is not None):
        parser.error("`load` takes a SOURCE, the other steps take none")
    night = Night(os.environ)
    if options.step == "load":
        return night.load(options.source)
    whole = {
        "run": night.night,
        "report": night.report,
        "alert": night.alert,
        "verdict": night.verdict,
    }
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
    except KeyboardInterrupt:
        print("error: Stopped. Run it again: every step can be repeated.", file=sys.stderr)
        sys.exit(1)

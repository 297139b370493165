"""The jobs of a workflow, run as the file has them: each step's own command, in order, by bash.

Of Actions itself there is what the project's workflows use: expressions in `env`, `if`,
`continue-on-error`, outputs, the summary. What `uses` an action is left out.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def workflow(name: str) -> dict[str, Any]:
    """The parsed file."""
    text = (ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8")
    found: dict[Any, Any] = yaml.safe_load(text)
    return {str(key) if key is not True else "on": value for key, value in found.items()}


@dataclass
class Job:
    """One job with what its expressions stand for; `ran` has each step's output by name."""

    definition: Mapping[str, Any]
    values: Mapping[str, str]
    environ: Mapping[str, str]
    folder: Path
    skipped: Callable[[str], bool] = lambda name: False
    failed: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    ran: dict[str, str] = field(default_factory=dict)
    seen: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self) -> None:
        """Every step in order; `failed` is the job's conclusion."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for step in self.definition["steps"]:
            if "run" not in step or self.skipped(step.get("name", "")):
                continue
            if self._holds(step.get("if", "success()")):
                self._step(step)
            else:
                self.outcomes[step["id"]] = "skipped"

    def outputs(self) -> dict[str, str]:
        """What steps wrote to GITHUB_OUTPUT."""
        path = self.folder / "output"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return dict(line.split("=", 1) for line in lines)

    def summary(self) -> str:
        """What steps wrote to GITHUB_STEP_SUMMARY."""
        return (self.folder / "summary").read_text(encoding="utf-8")

    def _step(self, step: Mapping[str, Any]) -> None:
        name = step["name"]
        given = {**self.definition.get("env", {}), **step.get("env", {})}
        self.seen[name] = {key: self._filled(str(value)) for key, value in given.items()}
        files = {
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=ROOT,
            env={**self.seen[name], **self.environ, **files},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.ran[name] = done.stdout
        self.outcomes[step["id"]] = "success" if done.returncode == 0 else "failure"
        if done.returncode and not step.get("continue-on-error"):
            self.failed = True

    def _holds(self, condition: str) -> bool:
        text = condition.removeprefix("${{").removesuffix("}}").strip()
        if text == "success()":
            return not self.failed
        if text == "!cancelled()":
            return True
        return not self.failed and self._value(text) == "true"

    def _filled(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self._value(found[1]), text)

    def _value(self, expression: str) -> str:
        """The first that is not empty of `a || b`; text in quotes is itself."""
        for part in map(str.strip, expression.split("||")):
            if part.startswith("'"):
                return part.strip("'")
            if value := self.values.get(part, ""):
                return value
        return ""

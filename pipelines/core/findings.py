"""What an examination finds, how it looks to people, and what exit status it makes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from dlt.common.configuration.utils import get_resolved_traces
from rich.text import Text


class Kind(Enum):
    """What sort of finding it is, by the mark in front of its line; bad ones have none."""

    PLAIN = "ok  "
    WARNING = "warn"  # works, but not for long or not for sure
    SKIPPED = "skip"  # pointless after what was found before
    WAITING = "wait"  # nothing found yet: printed to explain the pause
    CONFIGURATION = "conf"  # when bad: the configuration itself, before anything was reached


BY_DEFAULT = "(by default)"

_STYLES = {Kind.WARNING: "yellow", Kind.SKIPPED: "dim", Kind.WAITING: "dim"}


@dataclass(frozen=True)
class Finding:
    """One thing examined. Of a bad one `fix` says what to do; no text holds a secret."""

    good: bool
    subject: str
    detail: str
    fix: str = ""
    kind: Kind = Kind.PLAIN


def warning(subject: str, detail: str, fix: str) -> Finding:
    """Good, but to be looked at; leaves the exit status 0."""
    return Finding(True, subject, detail, fix, Kind.WARNING)


def skipped(subject: str, detail: str) -> Finding:
    """A finding that was not examined, with the reason."""
    return Finding(True, subject, detail, kind=Kind.SKIPPED)


def shown(finding: Finding) -> Text:
    """One line, and below it the fix."""
    mark, style = (finding.kind.value, _STYLES.get(finding.kind, "green"))
    if not finding.good:
        mark, style = "BAD ", "red"
    text = Text.assemble((mark, style), f" {finding.subject}: {finding.detail}")
    return text.append(f"\n     fix: {finding.fix}") if finding.fix else text


def exit_status(findings: Iterable[Finding]) -> int:
    """0 all good, 1 something bad, 2 the configuration is wrong."""
    bad = [finding.kind for finding in findings if not finding.good]
    return 2 if Kind.CONFIGURATION in bad else int(bool(bad))


def origin(key: str) -> str:
    """Where dlt found a value last resolved: `(environment)`, `(secrets.toml)`, …"""
    for trace in reversed(get_resolved_traces().resolved_traces):
        if trace.key == key and trace.provider_name:
            return f"(from {trace.provider_name})"
    return BY_DEFAULT

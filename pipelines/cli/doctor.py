"""How what an examination finds is printed."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.cli.console import out
from pipelines.core.findings import Finding, exit_status, shown


def tell(findings: Iterable[Finding]) -> int:
    """Print each as it comes; the exit status that they make together."""
    told = []
    for finding in findings:
        out.print(shown(finding))
        told.append(finding)
    return exit_status(told)

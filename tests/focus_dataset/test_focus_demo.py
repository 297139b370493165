"""The FOCUS dataset of the demo's bills, of AWS, Google and ClickHouse Cloud, keeps every rule."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from pipelines.destinations.filesystem.destination import configured_store
from pipelines.focus.check import STATES, check
from pipelines.focus.export import export
from pipelines.focus.lines import lines_of
from pipelines.tables.focus_dataset.columns import VERSIONS
from tests.conftest import ROOT
from tests.support.commands import Commands
from tests.support.demo import Demo, demo  # noqa: F401 (a fixture)

_ROW = r"^\| {} \| Cost and Usage \| ([\d |]+) \|$"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_demos_dataset_keeps_every_rule_as_the_document_says(
    demo: Demo,  # noqa: F811
    commands: Commands,
    tmp_path: Path,
    version: str,
) -> None:
    commands.set(
        {
            "DESTINATION__FILESYSTEM__BUCKET_URL": str(demo.data),
            "NORMALIZE__TAG_COLUMNS": '["Environment", "Team", "Application"]',
        }
    )
    lines = lines_of(configured_store())
    done = export(lines, tmp_path / "focus", version)
    assert done.periods == ["2026-07", "2026-08", "2026-09", "2026-10"]
    outcomes = check(tmp_path / "focus", version, lines.sums())
    assert [each.rule.id for each in outcomes if each.broken] == []
    counts = Counter(each.status for each in outcomes)
    document = (ROOT / "docs" / "focus.md").read_text(encoding="utf-8")
    found = re.search(_ROW.format(re.escape(version)), document, re.MULTILINE)
    assert found is not None
    assert found[1].split(" | ") == [
        str(number) for number in (len(outcomes), *(counts[state] for state in STATES))
    ]

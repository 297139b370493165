"""The FOCUS dataset of the demo's bills, of AWS, Google and ClickHouse Cloud, keeps every rule."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from pipelines.clickhouse.focus import splits_of
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.focus.check import STATES, check
from pipelines.focus.export import export
from pipelines.focus.lines import lines_of
from pipelines.tables.focus_dataset.columns import NAMES, VERSIONS, datasets
from tests.conftest import ROOT
from tests.support.commands import Commands
from tests.support.demo import Demo, demo  # noqa: F401 (a fixture)

_ROW = r"^\| {} \| {} \| ([\d |]+) \|$"


@pytest.mark.thorough
@pytest.mark.parametrize("version", VERSIONS)
def test_the_demos_datasets_keep_every_rule_as_the_document_says(
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
    lines = lines_of(configured_store(), splits_of(version))
    done = export(lines, tmp_path / "focus", version)
    assert done.periods == ["2026-07", "2026-08", "2026-09", "2026-10"]
    document = (ROOT / "docs" / "focus.md").read_text(encoding="utf-8")
    for dataset in datasets(version):
        outcomes = check(tmp_path / "focus", version, lines.sums(), dataset)
        assert [each.rule.id for each in outcomes if each.broken] == []
        counts = Counter(each.status for each in outcomes)
        row = _ROW.format(re.escape(version), NAMES[dataset])
        found = re.search(row, document, re.MULTILINE)
        assert found is not None
        assert found[1].split(" | ") == [
            str(number) for number in (len(outcomes), *(counts[state] for state in STATES))
        ]

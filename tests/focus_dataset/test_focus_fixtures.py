"""Every bill that the tests have, from the field or documented, keeps the rules as a dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.clickhouse.focus import splits_of
from pipelines.destinations.filesystem.destination import configured_store
from pipelines.focus.check import check
from pipelines.focus.export import export
from pipelines.focus.lines import lines_of
from pipelines.tables.focus_dataset.columns import VERSIONS, datasets
from scripts.sandbox.aws.targets import FolderTarget, Target
from scripts.sandbox.focus import rows as made
from scripts.sandbox.focus.deliveries import generic
from tests.aws.test_aws_cases import CASES
from tests.aws.test_real_input import deliver_cur, deliver_focus
from tests.conftest import FolderBucket
from tests.focus.test_focus_examples import EXAMPLES
from tests.support.commands import Commands

pytestmark = pytest.mark.thorough

#: What the data itself breaks: usage billed above its own public price, a credit with another
#: effective cost than was billed, a region or service with several names or categories, and units
#: that the specification writes in another way.
OF_THE_DATA = {
    "cur2_tags_column": ["ListCost-order"],
    "empty_newest_execution": ["ListCost-order"],
    "deliver_focus": [
        "ConsumedUnit-unit",
        "ContractedCost-unrelated",
        "EffectiveCost-unrelated",
        "ListCost-order",
        "PricingUnit-unit",
        "RegionName-consistent",
        "ServiceName-category",
        "ServiceName-subcategory",
    ],
}


def broken(commands: Commands, folder: Path) -> list[str]:
    """The rules that what is published breaks, the same ones in each version."""
    commands.well("normalize")
    found: dict[str, list[str]] = {}
    for version in VERSIONS:
        lines = lines_of(configured_store(), splits_of(version))
        assert export(lines, folder / version, version).periods
        for dataset in datasets(version):
            found[f"{version} {dataset}"] = [
                each.rule.id
                for each in check(folder / version, version, lines.sums(), dataset)
                if each.broken
            ]
    first = found.pop(f"{VERSIONS[0]} cost_and_usage")
    assert found.pop(f"{VERSIONS[1]} cost_and_usage") == first
    assert [rules for rules in found.values() if rules] == []
    return first


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_bills_from_the_field(case: str, commands: Commands, tmp_path: Path) -> None:
    commands.read_from((CASES / case).as_uri())
    commands("load", "aws")  # some cases have a period that cannot be loaded
    assert broken(commands, tmp_path) == OF_THE_DATA.get(case, [])


@pytest.mark.parametrize("deliver", [deliver_cur, deliver_focus])
def test_real_bills_of_aws(
    deliver: Callable[[Target], None],
    commands: Commands,
    aws_bucket: FolderBucket,
    tmp_path: Path,
) -> None:
    deliver(aws_bucket)
    commands.read_from(aws_bucket.url)
    commands.well("load aws")
    assert broken(commands, tmp_path) == OF_THE_DATA.get(deliver.__name__, [])


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_the_documented_examples(example: str, commands: Commands, tmp_path: Path) -> None:
    commands.set({"SOURCES__FOCUS__BUCKET_URL": (EXAMPLES / example).as_uri()})
    commands.well("load focus")
    assert broken(commands, tmp_path) == []


@pytest.mark.parametrize(
    "kind",
    [made.row, made.azure, made.azure_preview, made.google, made.oci, made.databricks],
    ids=lambda kind: kind.__name__,
)
def test_deliveries_of_each_provider(
    kind: Callable[..., dict[str, object]], commands: Commands, tmp_path: Path
) -> None:
    target = FolderTarget(tmp_path / "bucket")
    commands.set({"SOURCES__FOCUS__BUCKET_URL": target.root.as_uri()})
    generic(target, "2026-10", [kind("2026-10", day, 1.5 * day) for day in range(1, 6)])
    commands.well("load focus")
    assert broken(commands, tmp_path) == []

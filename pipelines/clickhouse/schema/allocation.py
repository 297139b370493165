"""What is shared and how it is split between teams, by sql/allocation.csv, as parts of a select.

    shared,column,value,split,to,share
    support,service_name,AWS Support (Business),cost,,           by what each team costs
    network,tags.Team,network,even,,                             the same for every team
    logs,service_name,AmazonCloudWatch,tag,Environment=prod,     by what each team costs in prod
    lake,sub_account_id,111122223333,fixed,checkout,60           60 % for one team
    lake,sub_account_id,111122223333,fixed,search,25             and 25 % for another

Columns are those of `costs_daily`, or tags.… of a configured tag. The first line that fits a cost
line counts. A team is a value of the tag `[normalize] team_tag`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import dlt

from pipelines.clickhouse.schema.products import column_of
from pipelines.clickhouse.schema.values import table_of
from pipelines.core.partition import ConfigurationError
from pipelines.tables.schema import tag_column_name, tag_key

_HEAD = ["shared", "column", "value", "split", "to", "share"]
_SPLITS = ("even", "cost", "tag", "fixed")


@dataclass(frozen=True)
class _Rule:
    """A line of the file; `column` is checked, `percent` is of a fixed split."""

    shared: str
    column: str
    value: str
    split: str
    to: str
    percent: Decimal
    where: str


def allocation_of(part: str, folder: Path) -> str:
    """The text that `{allocation:<part>}` means. Raises ConfigurationError with file and line.

    shared   the expression for what a cost line is shared as, '' when it is not
    rules    a select of shared and split
    targets  a select of shared, team and share, of fixed splits
    basis    whether a cost line counts in the split of `rules.shared`: 1 or 0
    """
    return _PARTS[part](_rules(folder))


def _rules(folder: Path) -> list[_Rule]:
    path, head, rows = table_of("allocation", folder)
    if [cell.strip() for cell in head] != _HEAD:
        raise ConfigurationError(f"{path}: its first line has to be {','.join(_HEAD)}")
    found = [_rule(f"{path}, line {number}", row) for number, row in enumerate(rows, start=2)]
    for rule in found:
        same = [each for each in found if each.shared == rule.shared]
        if {each.split for each in same} != {rule.split}:
            raise ConfigurationError(f"{rule.where}: {rule.shared} is split in two ways. Keep one.")
        if rule.split == "tag" and {each.to for each in same} != {rule.to}:
            raise ConfigurationError(f"{rule.where}: {rule.shared} has two tags. Keep one.")
        shares = {each.to: each.percent for each in same}
        if sum(shares.values()) > 100:
            raise ConfigurationError(
                f"{rule.where}: the shares of {rule.shared} add up to {sum(shares.values())}. "
                "Write at most 100."
            )
    return found


def _rule(where: str, row: list[str]) -> _Rule:
    cells = [cell.strip() for cell in row]
    if len(cells) != len(_HEAD) or not all(cells[:4]) or cells[3] not in _SPLITS:
        raise ConfigurationError(
            f"{where}: write what is shared, a column, a value, one of {', '.join(_SPLITS)}, "
            "then a team or tag and a share, or nothing."
        )
    if any("\\" in cell for cell in cells):
        raise ConfigurationError(f"{where}: values with a backslash are not supported.")
    shared, column, value, split, to, share = cells
    try:
        percent = Decimal(share or "0")
    except InvalidOperation:
        percent = Decimal("NaN")
    is_fixed = split == "fixed"
    if not percent.is_finite() or (percent > 0) != is_fixed or bool(to) != (split in _WITH_TO):
        raise ConfigurationError(
            f"{where}: a fixed split needs a team and a share in percent, a split by tag "
            "key=value or a key; the others need neither."
        )
    column = column_of("cost", column, where)
    if split == "tag":
        column_of("cost", f"tags.{to.partition('=')[0]}", where)
    return _Rule(shared, column, value, split, to, percent, where)


_WITH_TO = ("tag", "fixed")


def team_of(keys: Sequence[str]) -> str:
    """The expression for a cost line's team, by the configured tag keys; NULL without any.

    Raises ConfigurationError when `normalize.team_tag` names another one.
    """
    named = dlt.config.get("normalize.team_tag", str)
    wanted = tag_key(named or "Team").lower()
    key = next((key for key in keys if tag_key(key).lower() == wanted), None)
    if named and key is None:
        raise ConfigurationError(
            f"normalize.team_tag is {named!r}, which has no column. "
            "Add it to normalize.tag_columns."
        )
    return tag_column_name(key or keys[0]) if keys else "nullif('', '')"


def _shared(rules: list[_Rule]) -> str:
    cases = [f"when {r.column} = {_text(r.value)} then {_text(r.shared)}" for r in rules]
    return f"case {' '.join(cases)} else '' end" if cases else "''"


def _splits(rules: list[_Rule]) -> str:
    pairs = dict.fromkeys((rule.shared, rule.split) for rule in rules)
    rows = [f"select {_text(name)} as shared, {_text(split)} as split" for name, split in pairs]
    return f"({' union all '.join(rows or [f'{_EMPTY_SPLITS} where 1 = 0'])})"


def _targets(rules: list[_Rule]) -> str:
    shares = {(r.shared, r.to): r.percent / 100 for r in rules if r.split == "fixed"}
    rows = [
        f"select {_text(name)} as shared, {_text(team)} as team, cast({share:f} as double) as share"
        for (name, team), share in shares.items()
    ]
    return f"({' union all '.join(rows or [f'{_EMPTY_TARGETS} where 1 = 0'])})"


def _basis(rules: list[_Rule]) -> str:
    cases = {}
    for rule in rules:
        if rule.split == "tag":
            key, _, value = rule.to.partition("=")
            column = tag_column_name(key)
            fits = f"{column} = {_text(value)}" if value else f"{column} is not null"
            name = _text(rule.shared)
            cases[name] = f"when rules.shared = {name} then case when {fits} then 1 else 0 end"
    return f"case {' '.join(cases.values())} else 1 end" if cases else "1"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_EMPTY_SPLITS = "select '' as shared, '' as split"
_EMPTY_TARGETS = "select '' as shared, '' as team, cast(0 as double) as share"
_PARTS: Mapping[str, Callable[[list[_Rule]], str]] = {
    "shared": _shared,
    "rules": _splits,
    "targets": _targets,
    "basis": _basis,
}

"""When an export day is final, and which datasets and tables it has to be read for.

Google adds rows to a day for some time, under its export time. A member of the scope is a dataset
or a table as the configuration names it, with `accounts` one per billing account.
"""

from __future__ import annotations

from typing import Any

import dlt

from pipelines.core.finality import ByLookback

LOOKBACK_DAYS = 3


def calendar() -> ByLookback:
    """Of the configuration: an export day is read for every member at once."""
    config: Any = dlt.config  # typed as if every key were there
    datasets, tables, accounts = (
        list(config.get(f"sources.gcp.{key}", list) or [])
        for key in ("datasets", "tables", "accounts")
    )
    days = config.get("sources.gcp.lookback_days", int)
    scope = tuple(sorted({*members(datasets, accounts), *tables}))
    return ByLookback(scope, LOOKBACK_DAYS if days is None else days)


def members(datasets: list[str], accounts: list[str]) -> list[str]:
    """The members of datasets of which only some billing accounts may be wanted."""
    return [f"{each}/{one}" if one else each for each in datasets for one in accounts or ("",)]


def is_of(member: str, table: str, account: str) -> bool:
    """Whether rows of a table and a billing account were read for a member."""
    place, _, only = member.partition("/")
    dataset = table.rpartition(".")[0]
    named = (table, dataset, dataset.rpartition(".")[2], table.partition(".")[2])
    return place in named and only in ("", account)

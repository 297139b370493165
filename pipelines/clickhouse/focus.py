"""The FOCUS dataset as a select over cost lines: sql/focus, rendered for DuckDB and ClickHouse.

Both engines run one text; what they spell differently, and lists that are declared once, are its
placeholders:

    {json:tags}           a map as a JSON object: NULL when it is empty, true for a value of ''
    {amounts:x_credits}   the same of a map of numbers
    {ascii:service}       a text in ASCII: accents go, other letters become one ?
    {originals}           what {ascii:…} changed, by column, as a JSON object
    {seller:publisher_name}  a company, or the provider that it is: itself under another name
    {unit:pricing_unit}   a unit as FOCUS writes it, by lookups/focus_units.csv
    {subcategory}         of a service, by lookups/focus_services.csv
    {billing_account_type}, {sub_account_type}  of a source, by lookups/focus_accounts.csv
    {text}                the type of a text that may be NULL
    {splits}, {split_columns}, {split_join}  the parts of split charges, from 1.3 on; and
    {contract}            the commitment of a charge: in DuckDB alone, where that version is made
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.clickhouse.server.quoting import quoted
from pipelines.clickhouse.server.settings import for_readers
from pipelines.tables.ddl import clickhouse_type
from pipelines.tables.focus_dataset.columns import published_columns
from pipelines.tables.focus_dataset.lookups import lookup, parents

SQL = Path(__file__).parents[2] / "sql"

_PLACEHOLDER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_NAMES = {
    "BillingAccountName": "billing_account",
    "ChargeDescription": "charge_description",
    "InvoiceIssuerName": "issuer",
    "PublisherName": "publisher",
    "RegionName": "region",
    "ResourceName": "resource_label",
    "ResourceType": "type_of_resource",
    "ServiceName": "service",
    "SkuMeter": "meter",
    "SubAccountName": "sub_account",
}
"""Columns whose text may hold any letter, and what they are made of in the select."""

_IN_DUCKDB = (
    """case when regexp_matches({1}, '[^\\x00-\\x7F]') then concat('"{0}":', to_json({1})) end"""
)
_IN_CLICKHOUSE = """if(match(ifNull({1}, ''), '[^\\\\x00-\\\\x7F]'), concat('"{0}":', {2}), '')"""


_SPLITS = """
splits as (
    select
        x_partition as of_partition,
        x_fingerprint as of_fingerprint,
        parent_resource_id,
        charge_period_start as split_start,
        resource_id as split_resource,
        pod as split_name,
        nullif(concat('{', concat_ws(',',
            '"cluster":' || to_json(cluster), '"namespace":' || to_json(namespace),
            '"workload":' || to_json(workload)), '}'), '{}') as split_tags,
        round(effective_cost / nullif(sum(effective_cost) over hours, 0), 12) as split_ratio,
        min(coalesce(effective_cost, -1)) over hours as least,
        case
            when usage_type like '%vCPU-Hours' then 'vCPU-Hours'
            when usage_type like '%GB-Hours' then 'GB-Hours'
            else usage_type
        end as split_unit,
        split_usage
    from costs_split
    where resource_id is not null
    window hours as (partition by x_partition, parent_resource_id, charge_period_start)
),
"""
_SPLIT_COLUMNS = """
        coalesce(splits.split_ratio, 1.0) as ratio,
        splits.split_resource,
        splits.split_name,
        splits.split_tags,
        case when splits.split_ratio is not null then 'aws-split-cost-allocation' end
            as split_method,
        case
            when splits.split_ratio is not null then concat(
                '{"Elements":[{"AllocatedRatio":', to_json(splits.split_ratio),
                ',"UsageUnit":', to_json(splits.split_unit),
                ',"UsageQuantity":', to_json(splits.split_usage), '}]}'
            )
        end as split_details
"""
_SPLIT_JOIN = """
    left join splits
        on cost_lines.x_source = 'aws'
        and parts.part = 0
        and cost_lines.charge_category = 'Usage'
        and cost_lines.pricing_unit = 'Hrs'
        and cost_lines.x_partition = splits.of_partition
        and cost_lines.x_fingerprint = splits.of_fingerprint
        and cost_lines.resource_id = splits.parent_resource_id
        and cost_lines.charge_period_start = splits.split_start
        and splits.least >= 0
        and splits.split_ratio > 0
"""
_CONTRACT = """case
        when committed is null then null
        when commitment_discount_category = 'Spend' then concat(
            '{"Elements":[{"ContractID":', to_json(commitment_discount_id),
            ',"ContractCommitmentID":', to_json(commitment_discount_id),
            ',"ContractCommitmentAppliedCost":', to_json(committed), '}]}'
        )
        else concat(
            '{"Elements":[{"ContractID":', to_json(commitment_discount_id),
            ',"ContractCommitmentID":', to_json(commitment_discount_id),
            ',"ContractCommitmentAppliedQuantity":', to_json(committed),
            ',"ContractCommitmentAppliedUnit":', to_json(committed_unit), '}]}'
        )
    end"""
# Sinnet and NWCD sell and invoice AWS's regions in China
_SELLER = """case
            when
                {0} is null
                or substring(lower({0}), 1, length(provider_name)) = lower(provider_name)
                or (
                    provider_name = 'AWS'
                    and (
                        lower({0}) like 'amazon%'
                        or lower({0}) like '%sinnet%'
                        or lower({0}) like '%western cloud data%'
                    )
                )
                then provider_name
            else {0}
        end"""
_NO_SPLITS = ("resource", "name", "tags", "method", "details")


def splits_of(version: str) -> bool:
    """Whether a version of the specification has the parts of split charges."""
    return version >= "1.3"


@dataclass(frozen=True)
class Engine:
    """How an engine spells what the two spell differently; each is a template of one argument."""

    text: str
    json: str
    amounts: str
    ascii: str
    originals: str


DUCKDB = Engine(
    text="varchar",
    json=(
        "case when cardinality({0}) > 0 then concat('{{', array_to_string(list_transform("
        "list_sort(map_entries({0})), lambda entry: concat(to_json(entry.key), ':', "
        "case when entry.value = '' then 'true' else cast(to_json(entry.value) as varchar) end"
        ")), ','), '}}') end"
    ),
    amounts=(
        "case when cardinality({0}) > 0 then concat('{{', array_to_string(list_transform("
        "list_sort(map_entries({0})), lambda entry: concat(to_json(entry.key), ':', "
        "to_json(entry.value))), ','), '}}') end"
    ),
    ascii=(
        "case when regexp_matches({0}, '[^\\x00-\\x7F]') then "
        "regexp_replace(strip_accents({0}), '[^\\x00-\\x7F]+', '?', 'g') else {0} end"
    ),
    originals=(
        "case when regexp_matches(concat({1}), '[^\\x00-\\x7F]') then concat('{{', "
        "array_to_string(list_filter([{0}], lambda entry: entry is not null), ','), '}}') end"
    ),
)
CLICKHOUSE = Engine(
    text="Nullable(String)",
    json=(
        "if(notEmpty({0}), concat('{{', arrayStringConcat(arrayMap((name, value) -> concat("
        "{json:name}, ':', if(value = '', 'true', {json:value})), "
        "mapKeys(mapSort({0})), mapValues(mapSort({0}))), ','), '}}'), null)"
    ),
    amounts=(
        "if(notEmpty({0}), concat('{{', arrayStringConcat(arrayMap((name, value) -> concat("
        "{json:name}, ':', toJSONString(value)), "
        "mapKeys(mapSort({0})), mapValues(mapSort({0}))), ','), '}}'), null)"
    ),
    ascii=(
        "if(match(ifNull({0}, ''), '[^\\\\x00-\\\\x7F]'), replaceRegexpAll(replaceRegexpAll("
        "normalizeUTF8NFD({0}), '\\\\p{{Mn}}', ''), '[^\\\\x00-\\\\x7F]+', '?'), {0})"
    ),
    originals=(
        "if(match(concat({1}), '[^\\\\x00-\\\\x7F]'), concat('{{', arrayStringConcat("
        "arrayFilter(entry -> entry <> '', [{0}]), ','), '}}'), null)"
    ),
)


def cost_and_usage(version: str, engine: Engine, folder: Path = SQL) -> str:
    """The rows of Cost and Usage of what is in `costs`, in the dataset's columns."""
    text = (folder / "focus" / "cost_and_usage.sql").read_text(encoding="utf-8")
    body = re.sub(r"^(--[^\n]*\n)+", "", text)
    columns = published_columns("cost_and_usage", version)
    if engine is CLICKHOUSE:
        names = [f"cast(`{c.name}` as {clickhouse_type(c)}) as `{c.name}`" for c in columns]
    else:
        names = [f'"{column.name}"' for column in columns]
    made = _rendered(body, engine, splits_of(version))
    return f"select {', '.join(names)} from (\n{made}) as charges_of"


def supporting(dataset: str) -> str:
    """The rows of another dataset of those of Cost and Usage in `charges`; its file says how."""
    return (SQL / "focus" / f"{dataset}.sql").read_text(encoding="utf-8")


def view_of(version: str, folder: Path) -> str:
    """The select of the view in ClickHouse."""
    return for_readers(cost_and_usage(version, CLICKHOUSE, folder))


def _rendered(text: str, engine: Engine, splits: bool) -> str:
    fill: Mapping[str, Callable[[str], str]] = {
        "text": lambda _: engine.text,
        "json": _filled(engine.json),
        "amounts": _filled(engine.amounts),
        "ascii": _filled(engine.ascii),
        "originals": lambda _: _originals(engine),
        "splits": lambda _: _SPLITS if splits else "",
        "split_columns": lambda _: _SPLIT_COLUMNS if splits else _no_splits(engine),
        "split_join": lambda _: _SPLIT_JOIN if splits else "",
        "contract": lambda _: _CONTRACT if splits else f"cast(null as {engine.text})",
        "seller": _SELLER.format,
        "unit": _unit,
        "subcategory": lambda _: _subcategory(),
        "billing_account_type": lambda _: _account("billing_account_type", "Billing Account"),
        "sub_account_type": lambda _: _account("sub_account_type", "Sub Account"),
    }
    return _PLACEHOLDER.sub(lambda found: fill[found[1]](found[2]), text)


def _filled(template: str) -> Callable[[str], str]:
    """A template of an engine as a function of its argument."""
    plain = re.sub(r"\{json:(\w+)\}", lambda found: _json_text(found[1]), template)
    return lambda argument: plain.format(argument)


def _no_splits(engine: Engine) -> str:
    names = (f"cast(null as {engine.text}) as split_{name}" for name in _NO_SPLITS)
    return ", ".join(("1.0 as ratio", *names))


def _json_text(name: str) -> str:
    """A text as JSON in ClickHouse, which escapes / and would differ from DuckDB by that."""
    return f"replaceAll(toJSONString({name}), '\\\\/', '/')"


def _originals(engine: Engine) -> str:
    """Entries of the texts that {ascii:…} changes; the second argument finds whether any is."""
    if engine is DUCKDB:
        found = ", ".join(_NAMES.values())
        entries = (_IN_DUCKDB.format(name, of) for name, of in _NAMES.items())
    else:
        found = ", ".join(f"ifNull({of}, '')" for of in _NAMES.values())
        texts = {of: _json_text(f"ifNull({of}, '')") for of in _NAMES.values()}
        entries = (_IN_CLICKHOUSE.format(name, of, texts[of]) for name, of in _NAMES.items())
    return engine.originals.format(", ".join(entries), found)


def _unit(of: str) -> str:
    return f"case {of} {_whens(lookup('units', 'focus_unit'))} else {of} end"


def _account(column: str, otherwise: str) -> str:
    return f"case x_source {_whens(lookup('accounts', column))} else {quoted(otherwise)} end"


def _whens(values: Mapping[str, str]) -> str:
    return " ".join(f"when {quoted(one)} then {quoted(other)}" for one, other in values.items())


def _subcategory() -> str:
    """By service where its category fits, so that a subcategory has its one parent."""
    services = defaultdict(list)
    for service, subcategory in lookup("services", "service_subcategory").items():
        services[subcategory].append(service)
    whens = " ".join(
        f"when service_category = {quoted(parents()[subcategory])} "
        f"and service in ({', '.join(map(quoted, names))}) then {quoted(subcategory)}"
        for subcategory, names in services.items()
    )
    return f"case {whens} else concat('Other (', service_category, ')') end"

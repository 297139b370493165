"""The FOCUS dataset as a select over cost lines: sql/focus, rendered for DuckDB and ClickHouse.

Both engines run one text; what they spell differently, and lists that are declared once, are its
placeholders:

    {json:tags}           a map as a JSON object: NULL when it is empty, true for a value of ''
    {amounts:x_credits}   the same of a map of numbers
    {ascii:service}       a text in ASCII: accents go, other letters become one ?
    {originals}           what {ascii:…} changed, by column, as a JSON object
    {unit:pricing_unit}   a unit as FOCUS writes it, by lookups/focus_units.csv
    {subcategory}         of a service, by lookups/focus_services.csv
    {billing_account_type}, {sub_account_type}  of a source, by lookups/focus_accounts.csv
    {text}                the type of a text that may be NULL
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
    return f"select {', '.join(names)} from (\n{_rendered(body, engine)}) as charges_of"


def view_of(version: str, folder: Path) -> str:
    """The select of the view in ClickHouse."""
    return for_readers(cost_and_usage(version, CLICKHOUSE, folder))


def _rendered(text: str, engine: Engine) -> str:
    fill: Mapping[str, Callable[[str], str]] = {
        "text": lambda _: engine.text,
        "json": _filled(engine.json),
        "amounts": _filled(engine.amounts),
        "ascii": _filled(engine.ascii),
        "originals": lambda _: _originals(engine),
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

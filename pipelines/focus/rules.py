"""The rules that a FOCUS dataset is held to: rules.csv, each as SQL over one file's rows.

A line is one rule of the public specification in our own words. `kind` says how it is evaluated:

    present, type          of a file's columns; `argument` is the type
    filled, null           the column has a value, has none
    values                 a value is one of `argument`, a list with | or @ and a lookup's column
    format                 a value is written as FORMATS says
    holds                  `argument` is true
    one                    rows of one key have one value: `key`, or `key|value`
    names, lengths, order, known, schema, periods, conserved   of the dataset as a whole

`condition` says which rows a rule applies to, all without one. `level` is must, or should for what
the specification recommends. A rule without a row that it applies to is not applicable.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipelines.clickhouse.server.quoting import quoted
from pipelines.tables.focus_dataset.lookups import parents

_FILE = Path(__file__).with_name("rules.csv")

_ISO_4217 = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL
GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW
KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD
NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP
SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS
VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
""".split()
_SIZES = "[KMGTPE]?(?:i?[bB])"
_TIMES = "(?:Year|Month|Day|Hour|Minute|Second)"
_COUNT = "[A-Za-z][A-Za-z0-9]*(?: [A-Za-z][A-Za-z0-9]*)*"
_UNIT = (
    rf"(?:[0-9]+ )?(?:{_SIZES}|{_COUNT})"
    rf"(?:-{_TIMES}s|/{_TIMES}|/[0-9]+ {_TIMES}s)?"
)
_STAND_INS = ("not applicable", "n/a", "null")


@dataclass(frozen=True)
class Rule:
    """One line of rules.csv."""

    id: str
    dataset: str
    since: str
    column: str
    level: str
    kind: str
    condition: str
    argument: str
    text: str

    @property
    def is_of_rows(self) -> bool:
        """Whether each row is looked at by itself."""
        return self.kind in _OF_ROWS

    def applies(self) -> str:
        """Which rows of a file it is about, as a condition."""
        parts = [f"({self.condition})"] if self.condition else []
        if self.kind in ("values", "format"):
            parts.append(f'"{self.column}" is not null')
        return " and ".join(parts) or "true"

    def holds(self) -> str:
        """What is true of a row that keeps it."""
        name = f'"{self.column}"'
        if self.kind == "filled":
            return f"{name} is not null"
        if self.kind == "null":
            return f"{name} is null"
        if self.kind == "values":
            return f"{name} in ({', '.join(map(quoted, _values(self.argument)))})"
        if self.kind == "format":
            return formats()[self.argument].replace("{}", name)
        return self.argument

    def keys(self) -> tuple[str, str]:
        """Of kind `one`: the key's columns, and the column that has one value for each."""
        key, _, value = self.argument.partition("|")
        return ", ".join(f'"{each}"' for each in key.split(",")), f'"{value or self.column}"'


_OF_ROWS = {"filled", "null", "values", "format", "holds"}


@cache
def rules(version: str, dataset: str) -> tuple[Rule, ...]:
    """The rules of a dataset in a version of the specification."""
    with _FILE.open(encoding="utf-8", newline="") as lines:
        found = [Rule(**row) for row in csv.DictReader(lines)]
    return tuple(
        each for each in found if each.since <= version and dataset in each.dataset.split("|")
    )


@cache
def formats() -> Mapping[str, str]:
    """By name, what is true of a text or number {} that is written so."""
    pairs = ", ".join(quoted(f"{category}/{name}") for name, category in parents().items())
    return {
        "ascii": "not regexp_matches({}, '[^\\x00-\\x7F]')",
        "text": f"trim({{}}) <> '' and lower({{}}) not in {_STAND_INS}",
        "number": "isfinite({})",
        "hour": "date_trunc('hour', {}) = {}",
        "unit": f"regexp_full_match({{}}, '{_UNIT}')",
        "iso_4217": f"{{}} in ({', '.join(map(quoted, _ISO_4217))})",
        "subcategory": f"concat(ServiceCategory, '/', {{}}) in ({pairs})",
        "json": "case when json_valid({}) then json_type({}) end = 'OBJECT'",
        "key_value": (
            "case when json_valid({}) then json_type({}) = 'OBJECT' "
            "and not list_has_any(json_type({}, '$.*'), ['OBJECT', 'ARRAY']) "
            "and len(json_keys({})) = len(list_distinct(json_keys({}))) else false end"
        ),
        "no_empty_value": (
            "case when json_valid({}) then not list_contains(json_extract_string({}, '$.*'), '') "
            "else false end"
        ),
        "ratio": (
            "list_min(cast(json_extract({}, '$.Elements[*].AllocatedRatio') as double[])) >= 0 "
            "and list_max(cast(json_extract({}, '$.Elements[*].AllocatedRatio') as double[])) <= 1"
        ),
    }


def _values(text: str) -> list[str]:
    if text == "@service_category":
        return sorted({*parents().values()})
    return sorted(parents()) if text == "@service_subcategory" else text.split("|")

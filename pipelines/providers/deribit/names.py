"""Deribit's instrument names by their full grammar. Twin: sql/23_deribit.sql.

    option        BASE[_QUOTE]-DMMMYY-STRIKE-(C|P)   STRIKE: digits, or 2d35 for 2.35
    future        BASE[_QUOTE]-DMMMYY                perpetual BASE[_QUOTE]-PERPETUAL
    spot          BASE_QUOTE
    future combo  BASE[_QUOTE]-FS-LEG_LEG            LEG = DMMMYY or PERP
    option combo  BASE[_QUOTE]-STRATEGY-…            CS, STRD, RR, CSR12 (a ratio), …

A day has no leading zero, a month is English and in capitals, and what expires does at 08:00 UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

UNCLASSIFIED = "unclassified"
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
LIKE_USD = ("USD", "USDC", "USDT")
"""Quote currencies that count as US dollars: what Deribit quotes its linear books in."""

_DATE = rf"([1-9]|[12][0-9]|3[01])({'|'.join(MONTHS)})([0-9]{{2}})"
_LEG = rf"(?:{_DATE}|PERP)"
_NAME = re.compile(r"([A-Z0-9]+)(?:_([A-Z0-9]+))?(?:-(.+))?")
_DATED = re.compile(rf"{_DATE}(?:-([0-9]+(?:d[0-9]+)?)-([CP]))?")
_SPREAD = re.compile(rf"FS-{_LEG}_{_LEG}")
_SPREADS = re.compile(r"FS[0-9]*-")  # what else a spread of futures may be is not known
_COMBO = re.compile(r"[A-Z][A-Z0-9]{1,7}-.+")  # ratios are in the strategy's name: CSR12


@dataclass(frozen=True)
class Instrument:
    """What a name says; `quote` is the currency of the price, `is_linear` None when unknown."""

    kind: str
    base: str | None = None
    quote: str | None = None
    underlying: str | None = None
    expiry: datetime | None = None
    strike: float | None = None
    option_type: str | None = None
    is_linear: bool | None = None


def parse(name: str) -> Instrument:
    """A name that the grammar does not know is `unclassified`, without any other field."""
    found = _NAME.fullmatch(name)
    if not found:
        return Instrument(UNCLASSIFIED)
    base, quote, rest = found.groups()
    kind, expiry, strike, option_type = _rest(rest, quote)
    if kind == UNCLASSIFIED:
        return Instrument(UNCLASSIFIED)
    own = base if kind in ("option", "option_combo") else "USD"
    return Instrument(
        kind=kind,
        base=base,
        quote=quote or own,
        underlying=name.partition("-")[0],
        expiry=expiry,
        strike=strike,
        option_type=option_type,
        is_linear=quote is not None,
    )


def _rest(
    rest: str | None, quote: str | None
) -> tuple[str, datetime | None, float | None, str | None]:
    if rest is None:
        return ("spot" if quote else UNCLASSIFIED), None, None, None
    if rest == "PERPETUAL":
        return "perpetual", None, None, None
    if dated := _DATED.fullmatch(rest):
        day, month, year, strike, side = dated.groups()
        expiry = _expiry(int(day), month, int(year))
        if expiry is None:
            return UNCLASSIFIED, None, None, None
        if strike is None:
            return "future", expiry, None, None
        return "option", expiry, float(strike.replace("d", ".")), _SIDES[side]
    if _SPREADS.match(rest):
        return ("future_combo" if _SPREAD.fullmatch(rest) else UNCLASSIFIED), None, None, None
    return ("option_combo" if _COMBO.fullmatch(rest) else UNCLASSIFIED), None, None, None


_SIDES = {"C": "call", "P": "put"}


def _expiry(day: int, month: str, year: int) -> datetime | None:
    try:
        return datetime(2000 + year, MONTHS.index(month) + 1, day, 8, tzinfo=UTC)
    except ValueError:  # the 31st of a month that has 30
        return None

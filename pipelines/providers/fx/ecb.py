"""The ECB's euro foreign exchange reference rates: one CSV in a ZIP, a row per business day.

`Date,USD,JPY,…,` then `2026-11-27,1.0593,158.12,…,`: units of each currency for one euro, N/A where
there is none. Published around 16:00 CET on business days.
https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

import pyarrow as pa
import requests

from pipelines.core.partition import PartitionError, UserError

SCHEMA = pa.schema(
    [
        ("rate_date", pa.date32()),
        ("currency", pa.string()),
        ("units_per_eur", pa.decimal128(38, 9)),
    ]
)
Row = tuple[date, str, Decimal]
_TRIES = 3
_TIMEOUT = (10, 60)  # seconds to connect, and between two bytes


def download(url: str) -> bytes:
    """The file. Raises UserError when it cannot be read."""
    with requests.Session() as session:
        adapter = requests.adapters.HTTPAdapter(max_retries=_retries())
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        try:
            answer = session.get(url, timeout=_TIMEOUT)
            content = answer.content
        except requests.RequestException as error:
            raise UserError(
                f"fx: {url} cannot be read ({type(error).__name__}). Check the network and "
                "sources.fx.url, then run again; the published rates stay."
            ) from None
    if answer.status_code != requests.codes.ok:
        raise UserError(
            f"fx: {url} answers {answer.status_code}. Check sources.fx.url, then run again; the "
            "published rates stay."
        )
    return content


def years(content: bytes, where: str) -> Mapping[str, list[Row]]:
    """Every rate by year, ordered by date and currency.

    Raises PartitionError when the content is not the ECB's CSV, zipped or plain.
    """
    found: dict[str, dict[tuple[date, str], Row]] = {}
    for row in _rows(_text(content, where), where):
        of_year = found.setdefault(f"{row[0]:%Y}", {})
        if of_year.setdefault(row[:2], row) != row:
            raise _broken(where, f"two rates of {row[1]} on {row[0]}")
    return {year: [rows[key] for key in sorted(rows)] for year, rows in sorted(found.items())}


def _text(content: bytes, where: str) -> str:
    try:
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                (name,) = [n for n in packed.namelist() if n.endswith(".csv")]
                content = packed.read(name)
        return content.decode("utf-8-sig")
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise _broken(where, f"neither CSV nor a ZIP with one CSV ({error})") from error


def _rows(text: str, where: str) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(text))
    head = [cell.strip() for cell in next(lines, [])]
    if head[:1] != ["Date"] or not all(re.fullmatch("[A-Z]{3}|", cell) for cell in head[1:]):
        raise _broken(where, f"it begins with {text[:40]!r}")
    for number, line in enumerate(lines, 2):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        if len(cells) != len(head):
            raise _broken(where, f"line {number} has {len(cells)} cells, not {len(head)}")
        try:
            day = date.fromisoformat(cells[0])
            for currency, cell in zip(head[1:], cells[1:], strict=True):
                if currency and cell not in ("N/A", ""):
                    yield day, currency, _rate(cell)
        except (ValueError, InvalidOperation) as error:
            raise _broken(where, f"line {number}: {error}") from error


def _rate(cell: str) -> Decimal:
    rate = Decimal(cell)
    if not rate.is_finite() or rate <= 0:
        raise ValueError(f"{cell} is not a rate")
    return rate.quantize(Decimal("1e-9"))


def _broken(where: str, what: str) -> PartitionError:
    return PartitionError(
        f"fx: {where} did not send the ECB's file of rates: {what}. The published rates stay; "
        "check sources.fx.url, then run again."
    )


def _retries() -> requests.adapters.Retry:
    """Broken connections, 429 and 5xx; a Retry-After is kept to."""
    return requests.adapters.Retry(
        total=_TRIES,
        backoff_factor=0.2,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
    )

"""Stripe's ledger, one row per balance transaction. Twin: sql/22_stripe.sql.

Amounts are Stripe's integers in the currency's minor unit, divided by its own exponent and never by
a flat 100; a currency that lookups/stripe_currencies.csv does not know gives NULL. `amount` is in
the settlement currency already: `exchange_rate` says how it came there and is not applied again.
"""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.normalize.columns import (
    TIME,
    Raw,
    constants,
    first_text,
    literal,
    lookup,
    require,
    wrong_type,
)
from pipelines.normalize.copied import whole
from pipelines.tables.categories import categories
from pipelines.tables.copied import copied
from pipelines.tables.revenue import STRIPE
from pipelines.tables.schema import Context

REQUIRED = ("account", "id", "created", "currency", "amount", "fee", "net")
OPTIONAL = ("source", "type", "reporting_category", "status", "available_on")
MONEY = pa.decimal128(38, 9)
_TEXT = {"account", "currency", "type", "reporting_category", "status"}
_COPIED = copied("stripe/columns")
_FACTOR = pa.decimal128(4, 3)


def columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The columns of a raw file to read, and which of them to read dictionary-encoded."""
    require(schema, REQUIRED, "A ledger of Stripe")
    names = [name for name in (*REQUIRED, *OPTIONAL) if name in schema.names]
    return names, [name for name in names if name in _TEXT]


def normalize(table: pa.Table, context: Context) -> pd.DataFrame:
    """The published shape of one batch of raw rows: arrow-backed columns, exact decimals.

    Raises ShapeError when a required column is missing or a column has a type that cannot be used.
    """
    require(table.schema, REQUIRED, "A ledger of Stripe")
    raw = Raw(table)
    n = raw.rows
    category = first_text(
        raw.text("reporting_category"),
        lookup(raw.text("type"), constants("stripe_types.csv", "type", "reporting_category")),
    )
    classes = categories()
    created, available = _seconds(raw, "created"), _seconds(raw, "available_on")
    factor = _factor(raw.text("currency"))
    return whole(
        STRIPE,
        raw,
        _COPIED,
        {
            # when, in UTC
            "created_at": created,
            "activity_date": created.cast(pa.date32(), safe=False),
            "available_date": available.cast(pa.date32(), safe=False),
            # which
            "class": lookup(category, classes, "unclassified"),
            "reporting_category": category,
            # money, in currency
            "currency": lookup(raw.text("currency"), str.upper),
            "gross": _money(raw, "amount", factor),
            "fee": _money(raw, "fee", factor),
            "net": _money(raw, "net", factor),
            # ours
            "x_partition": literal(context.partition, n),
            "x_fingerprint": literal(context.fingerprint, n),
            "x_dlt_load_id": literal(context.load_id, n),
        },
    )


def _factor(currency: pa.DictionaryArray) -> pa.Array:
    """What one minor unit of each row's currency is worth: 1, 0.01 or 0.001; else NULL."""
    exponents = constants("stripe_currencies.csv", "currency", "exponent")
    worth = [
        None if word is None or (found := exponents.get(word.upper())) is None
        else Decimal(1).scaleb(-int(found))
        for word in currency.dictionary.to_pylist()
    ]  # fmt: skip
    return pa.array(worth, _FACTOR).take(currency.indices)


def _money(raw: Raw, name: str, factor: pa.Array) -> pa.Array:
    """Exact: an integer times a power of ten."""
    minor = _integers(raw, name).cast(pa.decimal128(19, 0))
    return pc.multiply(minor, factor).cast(MONEY)


def _seconds(raw: Raw, name: str) -> pa.Array:
    """Seconds since 1970 as a timestamp in UTC."""
    return _integers(raw, name).cast(pa.timestamp("s", tz="UTC")).cast(TIME)


def _integers(raw: Raw, name: str) -> pa.Array:
    column = raw.values(name)
    if column is None:
        return pa.nulls(raw.rows, pa.int64())
    if not pa.types.is_integer(column.type):
        raise wrong_type(name, column.type, "an integer")
    return column.cast(pa.int64())

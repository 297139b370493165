"""Keyed pseudonyms, the secret factor and shifted dates: what the rules do to a batch of rows.

Everything follows from the key by HMAC-SHA-256, so a second copy with the same key agrees with the
first one, and whoever has not got the key can neither undo nor repeat it.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.partition import ConfigurationError
from pipelines.tables.privacy import Privacy
from pipelines.tables.schema import tag_key

KEY_LENGTH = 32
SHIFT_STEP = 4  # years: 1,461 days, so that every day has its counterpart and months stay months
_DAYS = 1461
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?=-|$)")


@dataclass(frozen=True)
class Secrets:
    """The key and what follows from it; `shift` in years. Neither is ever printed.

    Raises ConfigurationError for a key that can be guessed and a shift that tears months apart.
    """

    key: str = field(repr=False)
    shift: int = 0
    tag_columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(self.key) < KEY_LENGTH or len(set(self.key)) < 8:
            raise ConfigurationError(
                f"anonymize.key is too short to be a secret: {KEY_LENGTH} characters or more, such "
                "as the output of `openssl rand -hex 32`. Set ANONYMIZE__KEY, or key under "
                "[anonymize] in .dlt/secrets.toml, and keep it: the same key gives the same "
                "pseudonyms"
            )
        if self.shift % SHIFT_STEP:
            raise ConfigurationError(
                f"--shift-years {self.shift} would split months. Use a multiple of {SHIFT_STEP}, "
                "so that every day has a counterpart, 29 February too"
            )

    @property
    def factor(self) -> Decimal:
        """By which the entity's amounts are multiplied: 0.200 to 5.000, never near 1.

        Three decimals, so that amounts of up to six are multiplied without rounding.
        """
        part = int.from_bytes(self._digest("factor", "")[:8], "big") / 2**64
        exponent = 0.2 + (math.log(5) - 0.2) * abs(2 * part - 1)
        return Decimal(round(1000 * math.exp(math.copysign(exponent, part - 0.5)))) / 1000

    def pseudonym(self, kind: str, text: str) -> str:
        """Equal for equal texts of a kind; '' stays ''."""
        return f"{kind}-{self._digest(kind, text).hex()[:16]}" if text else text

    def shifted(self, text: str) -> str:
        """A partition or month as text, such as 2026-10 or 2026-10-31.

        In 2026-10@payers.eu the name of the export becomes a pseudonym.
        """
        date, at, name = text.partition("@")
        moved = _YEAR.sub(lambda found: str(int(found[1]) + self.shift), date)
        return f"{moved}@{self.pseudonym('export', name)}" if at else moved

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.digest(self.key.encode(), f"{kind}\0{text}".encode(), hashlib.sha256)


def anonymous(rows: pa.Table, rules: Mapping[str, Privacy], secrets: Secrets) -> pa.Table:
    """The same rows as the rules want them; columns, order and types stay."""
    columns = []
    for name in rows.column_names:
        rule, old = rules[name], rows[name].combine_chunks()
        new = _changed(old, rule, secrets)
        if rule.unless:
            other, value = rule.unless
            new = pc.if_else(pc.fill_null(pc.equal(rows[other], value), False), old, new)
        columns.append(new)
    return pa.table(columns, schema=rows.schema)


def _changed(column: pa.Array, rule: Privacy, secrets: Secrets) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):  # combine_chunks of nothing
        column = pa.concat_arrays(column.chunks) if column.chunks else pa.array([], column.type)
    kind = column.type
    if rule.action == "pseudonym":
        return _each(column, lambda text: secrets.pseudonym(rule.kind, text))
    if rule.action == "tags":
        known = {tag_key(key).lower() for key in secrets.tag_columns}
        keys = _each(
            column.keys,
            lambda key: key if tag_key(key).lower() in known else secrets.pseudonym("key", key),
        )
        return _map(column, keys, _each(column.items, lambda text: secrets.pseudonym("tag", text)))
    if rule.action == "withhold":
        return pa.nulls(len(column), kind)
    if rule.action == "scale":
        if pa.types.is_map(kind):
            return _map(column, column.keys, _scaled(column.items, secrets.factor))
        return _scaled(column, secrets.factor)
    if rule.action == "shift" and pa.types.is_string(kind):
        return _each(column, secrets.shifted)
    if rule.action == "shift" and secrets.shift:
        days = _DAYS * secrets.shift // SHIFT_STEP
        if pa.types.is_date32(kind):
            return pc.add(column.cast(pa.int32()), pa.scalar(days, pa.int32())).cast(kind)
        return pc.add(column, pa.scalar(timedelta(days=days), pa.duration("us"))).cast(kind)
    return column


def _scaled(column: pa.Array, factor: Decimal) -> pa.Array:
    """Floats by one multiplication; decimals exactly, rounded at their last digit if need be."""
    if pa.types.is_floating(column.type):
        return pc.multiply(column, float(factor))
    digit = Decimal(1).scaleb(-getattr(column.type, "scale", 0))

    def each(value: Any) -> Any:
        scaled = (Decimal(value) * factor).quantize(digit)
        return scaled if isinstance(value, Decimal) else int(scaled)

    return _each(column, each)


def _each(column: pa.Array, change: Callable[[Any], Any]) -> pa.Array:
    """Every distinct value once: a month has few of them beside its rows."""
    coded = column.dictionary_encode()
    values: Iterable[Any] = coded.dictionary.to_pylist()
    changed = pa.array([None if v is None else change(v) for v in values], column.type)
    return changed.take(coded.indices)


def _map(column: pa.Array, keys: pa.Array, items: pa.Array) -> pa.Array:
    """A map of the same shape; a map that is NULL stays NULL."""
    offsets = pc.subtract(column.offsets, column.offsets[0])
    made = pa.MapArray.from_arrays(offsets, keys, items, type=column.type)
    return (
        pc.if_else(column.is_valid(), made, pa.scalar(None, column.type))
        if (column.null_count)
        else made
    )

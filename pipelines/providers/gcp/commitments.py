"""Committed use discounts: fees, usage that a commitment paid for, and what of a fee was not used.

Google bills them in two data models. With credits, usage costs its price and a credit takes off
what a commitment covered; the fee stays, and Google does not say how much of it was used. In the
consumption model (since 2025) usage costs its price below the commitment, and the fee has a credit,
FEE_UTILIZATION_OFFSET, for what was drawn on it: what is left of the fee is the unused part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.normalize.columns import (
    Booleans,
    Floats,
    Raw,
    first_text,
    is_in,
    is_set,
    literal,
    lookup,
    only,
)
from pipelines.providers.gcp import lists

DEFAULT_MODEL = "7754-699E-0EBF"
"""The consumption model of whoever has no flexible commitment."""

OFFSET, BY_USAGE, BY_SPEND = (
    "FEE_UTILIZATION_OFFSET",
    "COMMITTED_USAGE_DISCOUNT",
    "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
)


@dataclass(frozen=True)
class Commitments:
    """Of each row whether it is a fee, whether usage is covered, and FOCUS's columns of it."""

    is_fee: Booleans
    is_covered: Booleans
    _is_by_spend: Booleans
    _is_unused: Booleans

    @classmethod
    def of(
        cls, raw: Raw, kind: pa.DictionaryArray, credit: lists.Credits, net: Floats
    ) -> Commitments:
        """The commitments of a batch; `net` is cost and credits."""
        usage, sku = is_in(kind, {"regular"}), raw.text("sku_description")
        model = raw.text("consumption_model_id")
        is_offset = credit.has(OFFSET)
        fee = usage & (_has(sku, "^Commitment") | is_offset)
        flexible = is_set(model) & ~is_in(model, {DEFAULT_MODEL})
        covered = usage & ~fee & (flexible | credit.has(BY_USAGE, BY_SPEND))
        by_spend = np.where(
            fee,
            is_offset | _has(sku, "dollar based"),
            flexible | credit.has(BY_SPEND),
        )
        return cls(fee, covered, by_spend, fee & is_offset & (net > 0))

    def columns(self) -> dict[str, pa.DictionaryArray]:
        """What FOCUS says of a commitment discount, but for its id."""
        n, any_of = len(self.is_fee), self.is_fee | self.is_covered
        return {
            "commitment_discount_type": only(literal("Committed Use Discount", n), any_of),
            "commitment_discount_category": first_text(
                only(literal("Spend", n), any_of & self._is_by_spend),
                only(literal("Usage", n), any_of),
            ),
            "commitment_discount_status": first_text(
                only(literal("Used", n), self.is_covered),
                only(literal("Unused", n), self._is_unused),
            ),
        }


def _has(sku: pa.DictionaryArray, pattern: str) -> Booleans:
    return is_set(lookup(sku, lambda text: text if re.search(pattern, text) else None))

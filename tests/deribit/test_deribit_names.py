"""Instrument names by the full grammar, in pandas' twin."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.providers.deribit.names import Instrument, parse

JUNE = datetime(2025, 6, 30, 8, tzinfo=UTC)
MAY = datetime(2026, 5, 9, 8, tzinfo=UTC)
NAMES: dict[str, tuple[object, ...]] = {
    "BTC-9MAY26-72000-C": ("option", "BTC", "BTC", "BTC", MAY, 72000.0, "call", False),
    "ETH-9MAY26-1800-P": ("option", "ETH", "ETH", "ETH", MAY, 1800.0, "put", False),
    "XRP_USDC-30JUN25-2d35-C": ("option", "XRP", "USDC", "XRP_USDC", JUNE, 2.35, "call", True),
    "XRP_USDC-30JUN25-0d625-P": ("option", "XRP", "USDC", "XRP_USDC", JUNE, 0.625, "put", True),
    "BTC_USDC-9MAY26-72000-P": ("option", "BTC", "USDC", "BTC_USDC", MAY, 72000.0, "put", True),
    "SOL_USDC-30JUN25-145-C": ("option", "SOL", "USDC", "SOL_USDC", JUNE, 145.0, "call", True),
    "BTC-30JUN25": ("future", "BTC", "USD", "BTC", JUNE, None, None, False),
    "BTC_USDC-30JUN25": ("future", "BTC", "USDC", "BTC_USDC", JUNE, None, None, True),
    "BTC-PERPETUAL": ("perpetual", "BTC", "USD", "BTC", None, None, None, False),
    "SOL_USDC-PERPETUAL": ("perpetual", "SOL", "USDC", "SOL_USDC", None, None, None, True),
    "BTC_USDC": ("spot", "BTC", "USDC", "BTC_USDC", None, None, None, True),
    "BTC-FS-9MAY26_PERP": ("future_combo", "BTC", "USD", "BTC", None, None, None, False),
    "BTC-FS-30JUN25_9MAY26": ("future_combo", "BTC", "USD", "BTC", None, None, None, False),
    "BTC-CS-19MAY26-70000_75000": ("option_combo", "BTC", "BTC", "BTC", None, None, None, False),
    "ETH_USDC-STRD-9MAY26-1800": (
        "option_combo", "ETH", "USDC", "ETH_USDC", None, None, None, True,
    ),
    "BTC-CSR12-19MAY26-70000_75000": ("option_combo", "BTC", "BTC", "BTC", None, None, None, False),
    "ETH_USDC-PBUT121-9MAY26-1_2_3": (
        "option_combo", "ETH", "USDC", "ETH_USDC", None, None, None, True,
    ),
}  # fmt: skip
UNKNOWN = ["BTC", "BTC-9XXX26-72000-C", "BTC-09MAY26", "BTC-31FEB26", "BTC-9MAY26-7-X",
           "BTC-FS-9MAY26", "btc-PERPETUAL", "BTC-", "BTC-PERPETUAL-1", "",
           "BTC-FS12-9MAY26_PERP", "BTC-9MAY26-7-STRIP", "BTC-1CS-9MAY26-1_2"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_says_what_its_instrument_is(name: str) -> None:
    assert parse(name) == Instrument(*NAMES[name])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_name_out_of_the_grammar_is_unclassified(name: str) -> None:
    assert parse(name) == Instrument("unclassified")

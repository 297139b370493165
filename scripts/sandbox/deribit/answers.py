"""What the Deribit sandbox answers besides trades: instruments, volatility index, funding."""

from __future__ import annotations

from typing import Any

from scripts.sandbox.deribit.tape import Instrument


def record(each: Instrument, thin: bool) -> dict[str, Any]:
    """As production words an instrument, or thinner, as history does."""
    parts = each.name.split("-")
    is_option = each.kind == "option"
    strike = float(parts[2].replace("d", ".")) if is_option else None
    side = {"C": "call", "P": "put"}[parts[3]] if is_option else None
    common = {
        "kind": each.kind,
        "instrument_name": each.name,
        "creation_timestamp": each.start,
        "contract_size": 1 if is_option else 10,
        "tick_size": 0.0005 if is_option else 0.5,
        "min_trade_amount": 0.1 if is_option else 10,
        "base_currency": each.base,
        "quote_currency": each.base if is_option else "USD",
        "strike": strike,
        "option_type": side,
        "settlement_period": "perpetual" if "PERPETUAL" in each.name else "week",
    }
    if thin:
        return common | {"expiry": each.end, "is_active": False}
    return common | {
        "expiration_timestamp": each.end,
        "is_active": True,
        "settlement_currency": each.currency,
        "counter_currency": "USD",
        "instrument_id": sum(each.name.encode()),
        "maker_commission": 0.0,
        "taker_commission": 0.0005,
        "price_index": f"{each.base.lower()}_usd",
        "state": "open",
    }


def volatility(asked: dict[str, str]) -> dict[str, Any]:
    """At most 1000 rows, the newest; `continuation` is the end of the next request."""
    step = int(asked["resolution"]) * 1000
    start, end = int(asked["start_timestamp"]), int(asked["end_timestamp"])
    first = -(-start // step) * step
    moments = list(range(first, end + 1, step))
    rows = [
        [at, 50.0 + at // step % 7, 58.0, 48.0, 51.0 + at // step % 5] for at in moments[-1000:]
    ]
    return {"data": rows, "continuation": rows[0][0] - step if len(moments) > 1000 else None}


def funding(asked: dict[str, str]) -> list[dict[str, Any]]:
    """One row an hour."""
    start, end, hour = int(asked["start_timestamp"]), int(asked["end_timestamp"]), 3_600_000
    return [
        {"timestamp": at, "index_price": 97_000.0, "prev_index_price": 96_990.0,
         "interest_8h": (at // hour % 11 - 5) * 1e-5, "interest_1h": (at // hour % 7 - 3) * 1e-6}
        for at in range(-(-start // hour) * hour, end + 1, hour)
    ]  # fmt: skip

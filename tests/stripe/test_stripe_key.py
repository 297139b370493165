"""Stripe without its key: told once, though several of its tables are asked for."""

from __future__ import annotations

from tests.support.commands import Commands


def test_a_missing_key_is_told_once(commands: Commands) -> None:
    ran = commands("load", "stripe")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == (
        "error: No Stripe key is set. Set SOURCES__STRIPE__STRIPE_SECRET_KEY to a restricted key "
        "that has the right Balance: Read, or sources.stripe.accounts in .dlt/secrets.toml.\n"
    )

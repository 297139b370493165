"""Fingerprints are stored with the data: a digest that changes would load all of history again."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pipelines import fx_pipeline, stripe_pipeline
from pipelines.core.digests import hex_digest
from pipelines.core.partition import fingerprint
from pipelines.providers.stripe.fields import SCHEMA


def test_a_digest_is_sha256_over_all_parts_and_cut() -> None:
    whole = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of "abc"
    assert hex_digest(["a", "", "bc"]) == whole[:32]
    assert hex_digest(["abc"], 16) == whole[:16]


def test_published_fingerprints_stay_what_they_are() -> None:
    assert fingerprint([("b", "e2", 2), ("a", "e1", 1)]) == "d6aaad7ae5e1aceddf2f534fdd8a8637"
    rates = [(date(2026, 10, 1), "USD", Decimal("1.1"))]
    assert fx_pipeline.fingerprint(rates) == "bbd9f52f058dc33ee7198ec18acaeb62"
    row = dict.fromkeys(SCHEMA.names, "x")
    assert stripe_pipeline.fingerprint([row]) == "a63fe19334291fefcf36abb0bacf0ca5"

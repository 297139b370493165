"""Stripe's API on loopback."""

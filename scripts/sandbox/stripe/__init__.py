"""Stripe's API on loopback."""

COMMAND = "server"
"""The module with the command: `python -m scripts.sandbox stripe`."""

"""Deribit's public API on loopback."""

COMMAND = "command"
"""The module with the command: `python -m scripts.sandbox deribit`."""

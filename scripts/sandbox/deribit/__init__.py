"""Deribit's public API on loopback."""

"""Deribit's tables beside its trades: a listing or a month at a time."""

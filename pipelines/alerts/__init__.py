"""Tells people once of what happened: unusual cost, budgets, sources, checks, restatements.

events.py reads the events, settings.py what is configured, message.py writes a message in each
channel's form, channels.py sends it, telling.py remembers with the data what was told to whom.
"""

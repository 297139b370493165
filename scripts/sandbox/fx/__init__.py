"""The ECB's file of reference rates on loopback."""

COMMAND = "server"
"""The module with the command: `python -m scripts.sandbox fx`."""

"""AWS's billing exports, byte for byte as AWS delivers them."""

COMMAND = "months"
"""The module with the command: `python -m scripts.sandbox aws`."""

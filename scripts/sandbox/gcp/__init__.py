"""A GCP billing export of an example company."""

COMMAND = "exports"
"""The module with the command: `python -m scripts.sandbox gcp`."""

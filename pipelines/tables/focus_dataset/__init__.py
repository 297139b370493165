"""The FOCUS dataset: its columns, by version of the specification."""

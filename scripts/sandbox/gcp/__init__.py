"""A GCP billing export of an example company."""

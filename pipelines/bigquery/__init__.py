"""BigQuery: queries with their limits, answers as arrow, and what goes wrong in words."""

"""BigQuery's API on loopback, for the part of SQL that is used here."""

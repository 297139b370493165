"""`anonymize`: a copy of what is published, for the public."""

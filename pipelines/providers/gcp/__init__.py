"""What the gcp source is made of: which tables to read, which days, their rows as arrow."""

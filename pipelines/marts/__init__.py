"""What is computed from the published tables, checked and shown."""

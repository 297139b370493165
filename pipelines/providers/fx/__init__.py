"""What the fx source is made of: getting the ECB's file, and reading it."""
